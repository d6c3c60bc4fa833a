"""Hold equal parameters of several pipelines in memory once.

Teachers that were trained from one encoder with frozen word embeddings carry the same embeddings,
which are most of their weight.
"""

import hashlib
import sys
from typing import Any
from weakref import WeakValueDictionary

from spacy.language import Language
from thinc.api import Model

# Smaller tensors are not worth the hashing.
MIN_BYTES = 1 << 20

_known: "WeakValueDictionary[tuple[str, tuple[int, ...], str], Any]" = WeakValueDictionary()


def share_parameters(nlp: Language) -> int:
    """Replace large PyTorch parameters by equal ones of pipelines that went through here before.

    The parameters become read-only for training (no gradient): a teacher only predicts.

    nlp (Language): Changed in place. Pipelines without PyTorch are left alone.
    RETURNS (int): Bytes that are now shared.
    """
    if "torch" not in sys.modules:
        return 0
    shared = 0
    for _, pipe in nlp.pipeline:
        model = getattr(pipe, "model", None)
        for node in model.walk() if isinstance(model, Model) else ():
            for shim in node.shims:
                module = getattr(shim, "_model", None)
                if hasattr(module, "named_parameters"):
                    shared += share_module(module)
    return shared


def share_module(module: Any, *, frozen_only: bool = False) -> int:
    """The same for one PyTorch module, such as one that is loaded later than its pipeline.

    module (torch.nn.Module): Changed in place.
    frozen_only (bool): Leave alone what has a gradient: it may yet be trained.
    RETURNS (int): Bytes that are now shared.
    """
    import torch

    shared = 0
    for owner in module.modules():
        for name, parameter in list(owner.named_parameters(recurse=False)):
            size = parameter.numel() * parameter.element_size()
            if size < MIN_BYTES or parameter.device.type != "cpu":
                continue
            if frozen_only and parameter.requires_grad:
                continue
            # As bytes: numpy knows no bfloat16.
            data = parameter.detach().contiguous().view(-1).view(torch.uint8).numpy()
            key = (hashlib.blake2b(data).hexdigest(), tuple(parameter.shape), str(parameter.dtype))
            known = _known.get(key)
            # The known one may have been moved or loaded anew since.
            if known is None or known.device != parameter.device or not known.equal(parameter):
                parameter.requires_grad_(False)
                _known[key] = parameter
            elif known is not parameter:
                setattr(owner, name, known)
                shared += size
    return shared
