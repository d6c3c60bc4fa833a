"""Who sees whom in a causal language model that may have lost its causal mask."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Of the largest number in a row of hidden states: more than rounding in bfloat16.
ROUNDING = 0.05


def attention_mask(mask: "torch.Tensor", dtype: "torch.dtype", *, causal: bool) -> "torch.Tensor":
    """The mask that a model of transformers is given.

    mask (torch.Tensor of shape (texts, sub-words)): False for padding.
    dtype (torch.dtype): Of the model.
    causal (bool): Keep the causal mask, which transformers adds to a mask of two dimensions. A mask
        of four dimensions is taken as it is by the models that can do without the causal one.
    RETURNS (torch.Tensor): Of shape (texts, sub-words), or added to the attention's logits, of
        shape (texts, 1, sub-words, sub-words).
    """
    import torch

    if causal:
        return mask.long()
    blocked = ~mask[:, None, None, :].expand(-1, 1, mask.shape[1], -1)
    return torch.zeros(blocked.shape, dtype=dtype, device=mask.device).masked_fill(
        blocked, torch.finfo(dtype).min
    )


def find_wrong_mask(model: Any) -> str:
    """Try whether a model can do without its causal mask: some add it all the same.

    model (torch.nn.Module): A language model of transformers, in evaluation mode.
    RETURNS (str): What is wrong; empty if nothing is.
    """
    import torch

    def states(ids: list[int], real: int) -> "torch.Tensor":
        device = next(model.parameters()).device
        mask = (torch.arange(len(ids), device=device) < real)[None]
        given = attention_mask(mask, model.dtype, causal=False)
        with torch.no_grad():
            found = model(input_ids=torch.tensor([ids], device=device), attention_mask=given)
        return found.last_hidden_state[0, :3].float()

    try:
        short, other = states([4, 5, 6], 3), states([4, 5, 7], 3)
        padded, padded_otherwise = states([4, 5, 6, 8], 3), states([4, 5, 6, 9], 3)
    except (ValueError, RuntimeError, TypeError, IndexError) as err:
        return f"it takes no such mask ({type(err).__name__})"
    size = float(short.abs().max())
    if torch.equal(short[0], other[0]):
        return "words still do not see the words after them"
    if not torch.equal(padded, padded_otherwise):
        return "words see the padding"
    if float((short - padded).abs().max()) > ROUNDING * size:
        return "padding changes what words see"
    return ""
