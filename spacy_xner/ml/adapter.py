"""A language model's adapters: what is trained, saved and loaded in place of the model itself."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import srsly
from thinc.api import PyTorchShim, get_torch_default_device

from ..encoders import local_encoder
from ..errors import Errors, XnerError, reason
from ..hashing import hash_folder
from ..teachers.sharing import share_module
from .attention import find_wrong_mask
from .transformer import has_fast_bfloat16

if TYPE_CHECKING:
    import torch
    from torch import nn

Quantisation = Literal["int8", "nf4"]
ALL_LINEAR = "all-linear"
# What trained adapters mean nothing without; the other settings may change from run to run.
FIXED = ("causal", "rank", "alpha", "targets")
# The files of a base that decide what it answers. Others may come and go: notes, caches, templates.
DECISIVE = (
    "config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer*.json",
    "special_tokens_map.json",
    "vocab.*",
    "merges.txt",
    "*.model",
)


@dataclass(frozen=True)
class AdapterSettings:
    """How a language model is adapted (LoRA; Hu et al. 2022, arXiv:2106.09685).

    base: Local folder or hub name of a causal language model; it stays as it is.
    causal: Keep the mask under which a word sees only the words before it.
    rank: Of each adapter: a layer's weights W become W + (alpha / rank) B A.
    alpha: See above.
    dropout: Before each adapter, in training.
    targets: Names of the linear layers that get one, or "all-linear".
    mixed_precision: Load the base in bfloat16 where the processor has instructions for it; the
        adapters stay in float32.
    quantise: Load the base in "int8" or "nf4" (4 bits), with bitsandbytes.
    """

    base: str
    causal: bool
    rank: int
    alpha: float
    dropout: float
    targets: str | list[str]
    mixed_precision: bool
    quantise: Quantisation | None


class AdapterShim(PyTorchShim):
    """A language model with adapters inside a thinc model; its bytes are the adapters alone.

    The base model is loaded when it is first needed, which is not when a pipeline is loaded. The
    bytes name its SHA-256, so that adapters are never put on another model.
    """

    def __init__(self, settings: AdapterSettings) -> None:
        super().__init__(None)
        self.settings = settings
        self.tokenizer: Any = None
        self.sha256 = ""
        self._saved: dict[str, Any] | None = None

    @property
    def device(self) -> "torch.device":
        """thinc's, also before there is a model."""
        return get_torch_default_device()

    def load(self) -> "nn.Module":
        """The model with its adapters, fresh ones or those that were saved.

        RETURNS (torch.nn.Module): Of peft; only the adapters have gradients.
        RAISES (XnerError): X108 if there is no such base, X330 without the libraries, X331 if the
            base or the adapters cannot be loaded, X332 if the base is another than when they were
            saved, X333 if it cannot be quantised here, X334 if it cannot do without the causal
            mask, X335 if the folder of the base is gone.
        """
        if self._model is not None:
            return self._model
        try:
            from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
            from safetensors import SafetensorError
            from safetensors.torch import load
            from transformers import AutoTokenizer
        except ImportError as err:
            raise XnerError(Errors.X330.format(reason=reason(err))) from err
        settings = self.settings
        # What was a folder is not looked for on a hub, where the name may be somebody else's.
        if self._saved is not None and self._saved["folder"] and not Path(settings.base).is_dir():
            raise XnerError(Errors.X335.format(path=settings.base, found=Path.cwd()))
        folder = local_encoder(settings.base, Path(settings.base))
        self.sha256 = hash_folder(folder, only=DECISIVE)
        if self._saved is not None and self._saved["sha256"] != self.sha256:
            found = {"found": self.sha256, "expected": self._saved["sha256"]}
            raise XnerError(Errors.X332.format(path=settings.base, **found))
        config = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,  # type: ignore[arg-type]  # peft divides it by the rank
            lora_dropout=settings.dropout,
            target_modules=settings.targets,
        )
        try:
            # Loaded as fast ones only: offsets of characters are what words are found by.
            self.tokenizer = AutoTokenizer.from_pretrained(
                folder, use_fast=True, trust_remote_code=False
            )
            base = _load_base(folder, settings)
            base.config.use_cache = False  # keys and values that no next word will ask for
            wrong_mask = "" if settings.causal else find_wrong_mask(base.eval())
            model = get_peft_model(base, config)
            if self._saved is not None:
                keys: Any = set_peft_model_state_dict(model, load(self._saved["adapters"]))
                # The base's own parameters are missing from the adapters, as they should be.
                wrong = [key for key in keys.missing_keys if "lora_" in key]
                if wrong := [*wrong, *keys.unexpected_keys]:
                    raise ValueError(f"missing or unknown adapters, such as {wrong[0]}")
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as err:
            raise XnerError(Errors.X331.format(path=folder, reason=reason(err))) from err
        if wrong_mask:
            raise XnerError(Errors.X334.format(path=settings.base, reason=wrong_mask))
        if not getattr(self.tokenizer, "is_fast", False):
            slow = "its tokenizer gives no positions of characters"
            raise XnerError(Errors.X331.format(path=folder, reason=slow))
        self._model = model if settings.quantise else model.to(self.device)
        share_module(self._model, frozen_only=True)  # teachers over one base hold it once
        return self._model

    def to_bytes(self) -> bytes:
        """The adapters, and what base they belong to; nothing if there are none yet."""
        if self._model is None:
            return srsly.msgpack_dumps(self._saved)
        from peft import get_peft_model_state_dict
        from safetensors.torch import save

        state = get_peft_model_state_dict(self._model)
        adapters = {key: value.detach().cpu().contiguous() for key, value in state.items()}
        told = {key: getattr(self.settings, key) for key in FIXED}
        return srsly.msgpack_dumps(
            {
                "sha256": self.sha256,
                "folder": Path(self.settings.base).is_dir(),
                "settings": told,
                "adapters": save(adapters),
            }
        )

    def from_bytes(self, bytes_data: bytes) -> "AdapterShim":
        """Remember the adapters; they are put on the base when it is loaded.

        RAISES (XnerError): X331 for anything but what `to_bytes` gives.
        """
        try:
            saved = srsly.msgpack_loads(bytes_data)
            if saved is not None:
                told = {key: saved["settings"][key] for key in FIXED}
                saved = {key: saved[key] for key in ("sha256", "folder", "settings", "adapters")}
                self.settings = replace(self.settings, **told)
        except Exception as err:  # msgpack has an exception for each kind of damage
            details = {"path": self.settings.base, "reason": f"damaged adapters: {reason(err)}"}
            raise XnerError(Errors.X331.format(**details)) from err
        self._model, self._saved = None, saved
        return self


def _load_base(folder: Path, settings: AdapterSettings) -> Any:
    """The language model without its output layer."""
    import torch
    from transformers import AutoModel, BitsAndBytesConfig

    how: dict[str, Any] = {"torch_dtype": torch.float32}
    if settings.mixed_precision and _has_bfloat16():
        how["torch_dtype"] = torch.bfloat16
    if settings.quantise:
        how["quantization_config"] = BitsAndBytesConfig(
            load_in_8bit=settings.quantise == "int8",
            load_in_4bit=settings.quantise == "nf4",
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=how["torch_dtype"],
        )
    try:
        return AutoModel.from_pretrained(
            folder, use_safetensors=True, trust_remote_code=False, **how
        )
    except (ImportError, RuntimeError) as err:
        if not settings.quantise:
            raise
        found = {"value": settings.quantise, "reason": reason(err)}
        raise XnerError(Errors.X333.format(**found)) from err


def _has_bfloat16() -> bool:
    """On the device that thinc has chosen."""
    import torch

    if get_torch_default_device().type == "cuda":
        return torch.cuda.is_bf16_supported()
    return has_fast_bfloat16()
