"""Adam in few passes over memory."""

from typing import Any, TypeAlias

import numpy as np
from thinc.api import Optimizer
from thinc.types import FloatsXd, Generator

from ..errors import Errors, XnerError

Schedule: TypeAlias = float | list[float] | Generator


class FusedAdam(Optimizer):
    """thinc's Adam with decoupled weight decay, by PyTorch's fused kernel for arrays of a CPU.

    A step of Adam is bound by memory, and thinc reads and writes each array several times. Arrays
    on a GPU take thinc's own way. Kingma and Ba (2015); the order of decay and step follows
    Loshchilov and Hutter (2019), where thinc's is the other way round.
    """

    def __call__(
        self, key: tuple[int, str], weights: FloatsXd, gradient: FloatsXd, *, lr_scale: float = 1.0
    ) -> tuple[FloatsXd, FloatsXd]:
        """Update a parameter in place and set its gradient to zero, as `thinc.Optimizer` does."""
        if not isinstance(weights, np.ndarray) or not weights.flags.c_contiguous:
            return super().__call__(key, weights, gradient, lr_scale=lr_scale)
        import torch
        from torch.optim.adamw import adamw

        self.nr_update[key] += 1
        for moments in (self.mom1, self.mom2):
            if key not in moments:
                moments[key] = np.zeros(weights.size, dtype=weights.dtype)
        parameter, grad, first, second = (
            torch.from_numpy(x.reshape(-1))
            for x in (weights, gradient, self.mom1[key], self.mom2[key])
        )
        if self.grad_clip:
            scale = self.grad_clip / (grad.norm() + 1e-12)
            if scale < 1.0:  # else it would be one more pass over memory for nothing
                grad.mul_(scale)
        adamw(
            *([parameter], [grad], [first], [second], []),
            # The kernel counts this update itself.
            [torch.tensor(float(self.nr_update[key] - 1))],
            fused=True,
            amsgrad=False,
            beta1=self.b1,
            beta2=self.b2,
            lr=lr_scale * self.learn_rate,
            weight_decay=self.L2,
            eps=self.eps,
            maximize=False,
        )
        gradient[...] = 0.0
        return weights, gradient


def make_fused_adam(
    learn_rate: Schedule,
    *,
    L2: Schedule = 0.01,
    beta1: Schedule = 0.9,
    beta2: Schedule = 0.999,
    eps: Schedule = 1e-8,
    grad_clip: Schedule = 1.0,
) -> FusedAdam:
    """Make a `FusedAdam`. Each setting is a number or a schedule.

    learn_rate: The step size.
    L2: Weight decay, times the learning rate; it does not pass through the moments.
    beta1, beta2: Decay of the first and second moment.
    eps: Added to the root of the second moment.
    grad_clip: Norm at which each parameter's gradient is cut, 0 for never.
    RETURNS (FusedAdam): The optimizer.
    RAISES (XnerError): X311 if PyTorch is not installed.
    """
    try:
        import torch  # noqa: F401
    except ImportError as err:
        raise XnerError(Errors.X311) from err
    settings: dict[str, Any] = {"L2": L2, "beta1": beta1, "beta2": beta2, "eps": eps}
    return FusedAdam(learn_rate, grad_clip=grad_clip, use_averages=False, **settings)
