"""Which layers of a transformer are kept, and how the others are taken out."""

from typing import TYPE_CHECKING, Any, Literal

from ..errors import Errors, XnerError

if TYPE_CHECKING:
    from torch import nn

# Settings of models in which a layer's place decides what it does, such as ModernBERT's.
KINDS = ("layer_types", "global_attn_every_n_layers")

Rule = Literal["bottom", "spread"]
"""bottom: the first ones; spread: at even distance from the first to the last."""


def chosen_layers(total: int, count: int, rule: Rule) -> list[int]:
    """Choose the layers of a smaller model.

    "bottom" drops the top of the stack, the best of the ways that Sajjad et al. 2023 tried ("On the
    effect of dropping layers of pre-trained transformer models"). "spread" takes
    floor(i (total - 1) / (count - 1) + 1/2) for i = 0 ... count - 1, which for 6 of 12 is the
    selection of DistilBERT (Sanh et al. 2019): 0, 2, 4, 7, 9, 11.

    total (int): Layers that there are.
    count (int): Layers to keep; 0 for all.
    rule (Rule): "bottom" or "spread". One layer alone is the first by either.
    RETURNS (List[int]): Numbers of layers from the bottom, ascending.
    RAISES (XnerError): X312 for a number that is negative or more than there are.
    """
    if not 0 <= count <= total:
        raise XnerError(Errors.X312.format(found=count, expected=total))
    if count == 0:
        return list(range(total))
    if rule == "bottom" or count == 1:
        return list(range(count))
    gaps = count - 1
    # In whole numbers: halves go up, where Python's `round` would take them to the even side.
    return [(2 * i * (total - 1) + gaps) // (2 * gaps) for i in range(count)]


def layer_stack(module: "nn.Module") -> Any:
    """The stack of transformer layers: the longest module list, whatever the model calls it.

    module (torch.nn.Module): A Hugging Face encoder.
    RETURNS (torch.nn.ModuleList): From the bottom to the top.
    """
    from torch import nn

    stacks = [part for part in module.modules() if isinstance(part, nn.ModuleList)]
    return max(stacks, key=len)


def keep_layers(module: "nn.Module", count: int, rule: Rule) -> None:
    """Take layers out of a transformer for good; its config says how many are left.

    Layers must be alike: a model that is built again from its config has the kept layers as its
    first ones.

    module (torch.nn.Module): A Hugging Face encoder; changed in place.
    count (int), rule (Rule): See `chosen_layers`.
    RAISES (XnerError): X312, and X314 for a model whose layers cannot be taken out one by one.
    """
    if count == 0:
        return
    stack = layer_stack(module)
    config: Any = module.config
    said = getattr(config, "num_hidden_layers", None)
    # Some share one layer (ALBERT), some have a second stack, some say what kind each layer is.
    kinds = any(getattr(config, key, None) is not None for key in KINDS)
    if len(stack) != said or kinds or len({type(layer) for layer in stack}) > 1:
        raise XnerError(Errors.X314.format(found=type(module).__name__))
    kept = set(chosen_layers(len(stack), count, rule))
    for i in reversed(range(len(stack))):
        if i not in kept:
            del stack[i]
    config.num_hidden_layers = len(stack)
