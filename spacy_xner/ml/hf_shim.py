"""How a transformer is saved inside a pipeline: safetensors, and names that are checked.

spacy-transformers saves parameters with `torch.save`, which is a pickle, and on loading writes the
tokenizer's files under whatever names the model holds.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import srsly
from spacy_transformers.data_classes import HFObjects
from spacy_transformers.layers.hf_shim import HFShim
from thinc.api import Model, get_torch_default_device

from ..errors import Errors, XnerError, reason
from ..safety import check_transformer

# What transformers must not do by itself: run code that comes with a model, or ask whether to.
NO_CODE = {"trust_remote_code": False}


class SafeShim(HFShim):
    """A Hugging Face model inside a thinc model; its bytes hold no pickle."""

    def to_bytes(self) -> bytes:
        """The config, the parameters, and the tokenizer's files."""
        objects = self._hfmodel
        if objects.transformer is None:
            return super().to_bytes()  # settings alone
        from safetensors.torch import save

        # Copies, for safetensors refuses parameters that share their memory.
        state = self._model.state_dict()
        tensors = {k: v.detach().to("cpu", copy=True).contiguous() for k, v in state.items()}
        config = objects.transformer.config.to_dict()
        config.pop("_name_or_path", None)  # a folder of this machine, even one that is gone
        tokenizer: dict[str, Any] = {"kwargs": {"use_fast": objects.tokenizer.is_fast}}
        with TemporaryDirectory() as folder:
            if objects.vocab_file_contents is not None:  # some copy it when they are saved
                vocab = Path(folder, objects.tokenizer.vocab_files_names["vocab_file"])
                vocab.write_bytes(objects.vocab_file_contents)
                objects.tokenizer.vocab_file = str(vocab)
            objects.tokenizer.save_pretrained(folder)
            for file in sorted(Path(folder).glob("*")):
                tokenizer[file.name] = file.read_bytes()
        return srsly.msgpack_dumps(
            {
                "config": config,
                "state": save(tensors),
                "tokenizer": tokenizer,
                "_init_tokenizer_config": {},
                "_init_transformer_config": {},
            }
        )

    def from_bytes(self, bytes_data: bytes) -> "SafeShim":
        """Load what `to_bytes` gives.

        RAISES (XnerError): X703 if the model would run code of its own, X704 if it names a file
            outside its folder, X706 if it was saved in another way or is damaged.
        """
        try:
            saved = srsly.msgpack_loads(bytes_data)
            check_transformer(saved, where="a transformer")
            if saved["config"]:
                objects = _load(saved)
            else:
                settings = (saved["_init_tokenizer_config"], saved["_init_transformer_config"])
                objects = HFObjects(None, None, None, *settings)
        except XnerError:
            raise
        except Exception as err:  # msgpack, safetensors and transformers each raise their own
            raise XnerError(Errors.X706.format(reason=reason(err))) from err
        self._hfmodel, self._model = objects, objects.transformer
        return self


def _load(saved: dict[str, Any]) -> HFObjects:
    """Build a model and its tokenizer from what has been checked."""
    from safetensors.torch import load
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    state = load(saved["state"])
    files = {**saved["tokenizer"]}
    arguments = {**files.pop("kwargs", {}), **NO_CODE}
    with TemporaryDirectory() as folder:
        srsly.write_json(Path(folder, "config.json"), saved["config"])
        config = AutoConfig.from_pretrained(folder, **NO_CODE)
        for name, data in files.items():
            Path(folder, name).write_bytes(data)
        tokenizer = AutoTokenizer.from_pretrained(folder, **arguments)
        vocab = getattr(tokenizer, "vocab_file", None)
        contents = Path(vocab).read_bytes() if vocab and Path(vocab).is_file() else None
    model = AutoModel.from_config(config, **NO_CODE)
    model.load_state_dict(state)
    return HFObjects(tokenizer, model.to(get_torch_default_device()), contents)


def make_safe(model: Model) -> None:
    """Let all transformers in a model that was just built be saved and loaded as here.

    model (Model): With shims of spacy-transformers; changed in place.
    """
    for node in model.walk():
        for shim in node.shims:
            if type(shim) is HFShim:
                shim.__class__ = SafeShim
