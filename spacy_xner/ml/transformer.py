"""A pretrained transformer as token vectors, with frozen parameters that cost nothing to train."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacy.tokens import Doc
from thinc.api import Model, get_torch_default_device
from thinc.types import Floats2d, Ragged

from ..errors import Errors, XnerError
from ..safety import check_settings
from .layers import Rule, keep_layers, layer_stack

if TYPE_CHECKING:
    from torch import nn


def build_transformer_encoder(
    name: str,
    get_spans: Callable,
    pooling: Model[Ragged, Floats2d],
    *,
    freeze_embeddings: bool = True,
    frozen_layers: int = 0,
    num_layers: int = 0,
    layer_rule: Rule = "bottom",
    tokenizer_config: dict[str, Any] | None = None,
    transformer_config: dict[str, Any] | None = None,
    mixed_precision: bool = False,
) -> Model[list[Doc], list[Floats2d]]:
    """A spacy-transformers encoder whose lower part carries no gradient and no optimiser state.

    Registered as `spacy-xner.TransformerEncoder.v1`. Word embeddings are most of a multilingual
    encoder: an optimiser step over them dominates training time on a CPU, and frozen ones can be
    shared between teachers. Wu et al. 2020 freeze the three bottom layers too.

    name (str): Local path or hub name of a Hugging Face model.
    get_spans (Callable): Cuts long documents, e.g. `spacy-transformers.strided_spans.v1`.
    pooling (Model[Ragged, Floats2d]): `reduce_first.v1` for the first sub-word of each token,
        `reduce_mean.v1` for the mean of all.
    freeze_embeddings (bool): Freeze the word embeddings.
    frozen_layers (int): How many layers to freeze from the bottom; needs frozen embeddings.
    num_layers (int): Keep only so many layers when the model is initialised; 0 for all. A pipeline
        is saved with these, and is loaded without the model that they were taken from.
    layer_rule (Rule): Which layers are kept, see `layers.chosen_layers`.
    tokenizer_config, transformer_config (dict): Passed on to Hugging Face.
    mixed_precision (bool): Lower precision where it is fast and keeps its range: bfloat16 on a CPU
        with instructions for it (AMX, AVX-512 BF16), half precision on a GPU. Elsewhere it changes
        nothing.
    RETURNS (Model[List[Doc], List[Floats2d]]): Arrays of shape (tokens, width).
    RAISES (XnerError): X301 if spacy-transformers is not installed; when initialised or trained,
        X310 if more layers are asked for than the model has, X302 if none is left to train, X312 if
        more are to be kept than it has, X314 if its layers cannot be taken out, X108 if a local
        model has no safetensors; X703 for settings that run code of the model.
    """
    check_settings([tokenizer_config, transformer_config], where=name)
    try:
        from spacy_transformers.architectures import transformer_tok2vec_v3
    except ImportError as err:
        raise XnerError(Errors.X301) from err
    from .hf_shim import NO_CODE, make_safe

    encoder = transformer_tok2vec_v3(
        name,
        get_spans,
        {**(tokenizer_config or {}), **NO_CODE},
        _skip_empty(pooling),
        transformer_config={**(transformer_config or {}), **NO_CODE},
        # thinc's kind scales gradients, which is for GPUs only; `_forward` has the CPU's kind.
        mixed_precision=mixed_precision and get_torch_default_device().type == "cuda",
    )
    make_safe(encoder)
    return Model(
        "transformer_encoder",
        _forward,
        init=_init,
        layers=[encoder],
        dims={"nO": None},
        attrs={
            "name": name,
            "transformer_config": dict(transformer_config or {}),
            "freeze_embeddings": freeze_embeddings,
            "frozen_layers": frozen_layers,
            "num_layers": num_layers,
            "layer_rule": layer_rule,
            "mixed_precision": mixed_precision,
        },
    )


def _check_layers(name: str, settings: dict[str, Any]) -> None:
    """Refuse weights that are a pickle, and more layers than there are.

    transformers would make the missing ones up at random.
    """
    from transformers import AutoConfig

    from .hf_shim import NO_CODE

    if Path(name).is_dir() and not any(Path(name).glob("*.safetensors")):
        raise XnerError(Errors.X108.format(path=name, reason="it has no weights as safetensors"))
    wanted = settings.get("num_hidden_layers", 0)
    found = getattr(AutoConfig.from_pretrained(name, **NO_CODE), "num_hidden_layers", wanted)
    if wanted > found:
        raise XnerError(Errors.X310.format(found=wanted, name=name, expected=found))


def _init(model: Model, X: list[Doc] | None = None, Y: Any = None) -> None:
    _check_layers(model.attrs["name"], model.attrs["transformer_config"])
    # A handful of texts is enough to learn the width; the sample that spaCy hands over is not
    # worth a forward pass.
    model.layers[0].initialize(X=X[:1] if X else X)
    module = torch_module(model)
    # In place: what is saved is the shim's model, and this is the same object.
    keep_layers(module, model.attrs["num_layers"], model.attrs["layer_rule"])
    model.set_dim("nO", module.config.hidden_size)  # type: ignore[union-attr,arg-type]


def _forward(model: Model, docs: list[Doc], is_train: bool) -> tuple[list[Floats2d], Callable]:
    module = torch_module(model)
    if is_train:
        # On each step and not once: after `from_disk` the parameters are new ones.
        freeze(
            module,
            embeddings=model.attrs["freeze_embeddings"],
            layers=model.attrs["frozen_layers"],
        )
    if not (model.attrs["mixed_precision"] and has_fast_bfloat16()):
        return model.layers[0](docs, is_train)

    import torch

    autocast = torch.autocast("cpu", dtype=torch.bfloat16)
    with autocast, module.register_forward_hook(_to_float32):
        return model.layers[0](docs, is_train)


def _to_float32(module: "nn.Module", inputs: Any, output: Any) -> Any:
    """numpy knows no bfloat16, and some outputs are (the pooler's, which nobody reads)."""
    for key, value in output.items():
        # Attentions and hidden states of all layers are tuples.
        is_tuple = isinstance(value, tuple)
        output[key] = tuple(x.float() for x in value) if is_tuple else value.float()
    return output


@lru_cache(maxsize=1)
def has_fast_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 matrices faster than others; most emulate it slowly."""
    import torch

    ask: Any = getattr(torch.cpu, "get_capabilities", dict)  # older versions cannot be asked
    found = ask()
    return any(found.get(key, False) for key in ("amx_bf16", "avx512_bf16"))


def _skip_empty(pooling: Model[Ragged, Floats2d]) -> Model[Ragged, Floats2d]:
    """Give zeros to tokens without a sub-word, where `reduce_first.v1` raises an error.

    Spaces and zero-width characters have none, nor has what is cut off at the end of a window.
    """

    def forward(model: Model, X: Ragged, is_train: bool) -> tuple[Floats2d, Callable]:
        filled = X.lengths > 0
        rows, backprop_rows = pooling(Ragged(X.dataXd, X.lengths[filled]), is_train)
        Y: Any = model.ops.alloc2f(len(X.lengths), rows.shape[1])
        Y[filled] = rows

        def backprop(dY: Any) -> Ragged:
            return Ragged(backprop_rows(dY[filled]).dataXd, X.lengths)

        return Y, backprop

    # One node in place of another: pipelines that were saved without it can be loaded.
    return Model(pooling.name, forward, init=pooling.init, layers=pooling.layers)


def torch_module(model: Model) -> "nn.Module":
    """The Hugging Face module inside an encoder built here."""
    hf_wrapper: Any = model.layers[0].layers[0].layers[0]
    return hf_wrapper.transformer


def freeze(module: "nn.Module", *, embeddings: bool, layers: int) -> None:
    """Take the gradient from the word embeddings and the bottom layers.

    module (torch.nn.Module): A Hugging Face encoder.
    embeddings (bool): Freeze the word embeddings; with layers > 0, all that feeds the first layer.
    layers (int): Number of layers from the bottom.
    RAISES (XnerError): X302 for a number of layers that leaves nothing to train or is negative.
    """
    words = module.get_input_embeddings().weight  # type: ignore[operator]
    if not layers:
        words.requires_grad_(not embeddings)
        return
    stack = layer_stack(module)
    if not 0 < layers < len(stack):
        raise XnerError(Errors.X302.format(found=layers, expected=len(stack) - 1))
    bottom = [stack[i] for i in range(layers)]
    for part in [module.embeddings, *bottom]:
        part.requires_grad_(False)
