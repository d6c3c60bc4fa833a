"""Files that somebody made to do harm are refused, and nothing in them is executed."""

import io
import json
import pickle
import shutil
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from tiny_checkpoint import save_tiny_checkpoint

from spacy_xner.corpora.label_map import read_label_map
from spacy_xner.encoders.features import load_checkpoint
from spacy_xner.errors import XnerError
from spacy_xner.safety import (
    MAX_METADATA,
    check_description,
    check_name,
    check_settings,
    check_transformer,
    read_metadata,
)
from spacy_xner.shards import read_docs
from spacy_xner.teachers.pipeline import make_span_teacher
from spacy_xner.util import load_pipeline


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "executed"


def test_the_payload_works(marker):
    pickle.loads(pickle.dumps(Payload(marker)))
    assert marker.exists()


# Descriptions


def test_metadata(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('\ufeff{"ä": 1}', encoding="utf8")
    assert read_metadata(path) == {"ä": 1}
    for content in ("{", "[" * 100_000):
        path.write_text(content)
        with pytest.raises(ValueError, match="Expecting|nested"):
            read_metadata(path)


def test_metadata_that_are_too_large(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"[" + b" " * (MAX_METADATA - 2) + b"]")
    assert read_metadata(path) == []
    with path.open("ab") as file:
        file.write(b" ")
    for read in (read_metadata, read_label_map, check_description):
        with pytest.raises(XnerError, match=r"X702.*a\.json"):
            read(path)


@pytest.mark.parametrize(
    "settings",
    [
        {"trust_remote_code": True},
        {"a": [{"b": {"trust_remote_code": "yes"}}]},
        [{"auto_map": {"AutoModel": "evil.Model"}}],
    ],
)
def test_settings_that_run_code(settings):
    with pytest.raises(XnerError, match="X703.*(trust_remote_code|auto_map).*here"):
        check_settings(settings, where="here")


def test_settings_that_run_none():
    check_settings({"trust_remote_code": False, "a": ["trust_remote_code"]}, where="here")


@pytest.mark.parametrize(
    "text",
    [
        "[a]\n[a.b]\ntrust_remote_code = true\n",
        '[a]\nb = {"trust_remote_code": true}\n',
        '[a]\nb = {"trust\\u005fremote_code": true}\n',
        '[a]\nb = {"trust_${c:d}": true}\n[c]\nd = remote_code\n',
        "[a]\nb = ${nowhere:c}\n[d]\ntrust_remote_code = true\n",
    ],
)
def test_configs_that_run_code(tmp_path, text):
    (tmp_path / "config.cfg").write_text(text)
    with pytest.raises(XnerError, match=r"X703.*config\.cfg"):
        check_description(tmp_path / "config.cfg")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "/a", "a/b", "..\\a", "C:a", "a\0", "evil.py", 3, b"a"]
)
def test_names_that_lead_elsewhere(name):
    with pytest.raises(XnerError, match="X704.*here"):
        check_name(name, where="here")


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt", "..a", "sentencepiece.bpe.model"])
def test_names_of_data(name):
    check_name(name, where="here")


# Pipelines


def transformer(architecture, checkpoint):
    """A pipeline with an encoder, as spacy-transformers or as this package saves it."""
    nlp = spacy.blank("xx")
    spans = {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 64, "stride": 64}
    model = {"name": str(checkpoint), "get_spans": spans}
    if architecture == "theirs":
        model["@architectures"] = "spacy-transformers.TransformerModel.v3"
        nlp.add_pipe("transformer", config={"model": model})
    else:
        pooling = {"@layers": "reduce_first.v1"}
        encoder = {"@architectures": "spacy-xner.TransformerEncoder.v1", "pooling": pooling}
        tagger = {"@architectures": "spacy-xner.SoftTagger.v1", "tok2vec": {**encoder, **model}}
        nlp.add_pipe("xner", config={"model": tagger}).add_label("PER")
    nlp.initialize()
    return nlp


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Pipelines with a tiny encoder by architecture."""
    pytest.importorskip("spacy_transformers")
    folder = tmp_path_factory.mktemp("saved")
    save_tiny_checkpoint(folder / "encoder")
    for name in ("theirs", "ours"):
        transformer(name, folder / "encoder").to_disk(folder / name)
    return folder


@pytest.fixture
def craft(saved, tmp_path):
    """Change what a shim has saved in a copy of a pipeline."""

    def make(name, change):
        folder = Path(shutil.copytree(saved / name, tmp_path / name))
        (file,) = [path for path in folder.rglob("model") if path.is_file()]
        message = srsly.msgpack_loads(file.read_bytes())
        for shims in message["shims"]:
            for i, data in enumerate(shims):
                shim = srsly.msgpack_loads(data)
                change(shim)
                shims[i] = srsly.msgpack_dumps(shim)
        file.write_bytes(srsly.msgpack_dumps(message))
        return folder

    return make


def loads(folder):
    """The ways in which this package loads a pipeline, each a function."""
    teacher = make_span_teacher(str(folder), labels=["PER"])
    return (lambda: load_pipeline(folder)), teacher.load


def escape(shim):
    shim["tokenizer"]["../../escaped"] = b"x"


def remote_code(shim):
    shim["tokenizer"]["kwargs"]["trust_remote_code"] = True


def remote_config(shim):
    shim["config"]["auto_map"] = {"AutoConfig": "somebody/model--evil.Config"}


def remote_tokenizer(shim):
    name = "tokenizer_config.json"
    config = json.loads(shim["tokenizer"][name])
    config["auto_map"] = {"AutoTokenizer": ["somebody/model--evil.Tokenizer", None]}
    shim["tokenizer"][name] = json.dumps(config).encode()


def source_code(shim):
    shim["tokenizer"]["evil.py"] = b""


CRAFTED = {
    escape: "X704.*escaped",
    source_code: "X704.*evil",
    remote_code: "X703.*trust_remote_code",
    remote_config: "X703.*auto_map",
    remote_tokenizer: "X703.*auto_map",
}


def test_untouched_pipelines_can_be_loaded(saved):
    for name in ("theirs", "ours"):
        for load in loads(saved / name):
            load()


@pytest.mark.parametrize("name", ["theirs", "ours"])
@pytest.mark.parametrize("change", CRAFTED, ids=lambda change: change.__name__)
def test_a_crafted_transformer_is_refused(craft, tmp_path, monkeypatch, name, change):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    folder = craft(name, change)
    ways = [*loads(folder)]
    if name == "ours":  # also where nothing was checked before
        ways.append(lambda: spacy.load(folder))
    for load in ways:
        with pytest.raises(XnerError, match=CRAFTED[change]):
            load()
    assert not (tmp_path / "escaped").exists()
    assert list(temporary.iterdir()) == []


def test_spacy_itself_would_write_elsewhere(craft, tmp_path, monkeypatch):
    """Why there is a check; if this fails, it may not be needed any more."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    spacy.load(craft("theirs", escape))
    assert (tmp_path / "escaped").exists()


def test_a_component_behind_a_link_is_checked_too(craft, tmp_path):
    folder = craft("theirs", escape)
    (folder / "transformer").rename(tmp_path / "elsewhere")
    (folder / "transformer").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(folder)
    with pytest.raises(XnerError, match="X704"):
        load_pipeline(folder)


def test_settings_of_a_pipeline_that_run_code(saved, tmp_path):
    folder = Path(shutil.copytree(saved / "theirs", tmp_path / "theirs"))
    config = folder / "config.cfg"
    text = config.read_text()
    assert "[components.transformer.model.transformer_config]" in text
    old = "[components.transformer.model.tokenizer_config]\n"
    config.write_text(text.replace(old, f"{old}trust_remote_code = true\n"))
    for load in loads(folder):
        with pytest.raises(XnerError, match=r"X703.*config\.cfg"):
            load()


def test_a_saved_transformer_that_is_none_is_left_to_others():
    for saved in (None, [], {}, {"tokenizer": None}, {"tokenizer": [1]}):
        check_transformer(saved, where="here")
    for arguments in ("trust_remote_code", ["trust_remote_code"]):
        with pytest.raises(XnerError, match="X703"):
            check_transformer({"tokenizer": {"kwargs": arguments}}, where="here")


# Pickles


def pickled_parameters(marker):
    import torch

    buffer = io.BytesIO()
    torch.save({"weight": Payload(marker)}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["theirs", "ours"])
@pytest.mark.parametrize("plain", [False, True], ids=["torch.save", "pickle"])
def test_pickled_parameters_are_refused(craft, marker, name, plain):
    data = pickle.dumps(Payload(marker), protocol=2) if plain else pickled_parameters(marker)
    folder = craft(name, lambda shim: shim.update(state=data))
    with pytest.raises(XnerError, match="X604" if name == "theirs" else "X706"):
        load_pipeline(folder)
    assert not marker.exists()


def test_ours_have_no_pickle(saved):
    shims = srsly.read_msgpack(saved / "ours/xner/model")["shims"]
    ((data,),) = [x for x in shims if x]
    state = srsly.msgpack_loads(data)["state"]
    head = int.from_bytes(state[:8], "little")
    tensors = json.loads(state[8 : 8 + head])
    assert len(state) == 8 + head + max(tensor["data_offsets"][1] for tensor in tensors.values())


@pytest.mark.parametrize("file", ["xner/model", "vocab/vectors", "vocab/key2row"])
def test_a_pickle_in_a_pipeline_is_refused(make_xner, tmp_path, marker, file):
    nlp = make_xner()
    nlp.get_pipe("xner").add_label("PER")
    nlp.vocab.set_vector("a", np.ones(3, dtype="f"))
    nlp.initialize()
    nlp.to_disk(tmp_path / "model")
    assert load_pipeline(tmp_path / "model").vocab.vectors_length == 3
    array = np.empty(1, dtype=object)
    array[0] = Payload(marker)
    if file == "vocab/vectors":
        with (tmp_path / "model" / file).open("wb") as stream:
            np.save(stream, array, allow_pickle=True)
    else:
        (tmp_path / "model" / file).write_bytes(pickle.dumps(Payload(marker)))
    with pytest.raises(XnerError, match="X604"):
        load_pipeline(tmp_path / "model")
    assert not marker.exists()


def object_array(marker):
    """msgpack of an array of objects, which numpy would have to unpickle."""
    data = pickle.dumps(Payload(marker))
    array = {b"nd": True, b"type": "|O", b"kind": b"", b"shape": [1], b"data": data}
    doc = Doc(Vocab(), words=["a"])
    message = srsly.msgpack_loads(zlib.decompress(DocBin(docs=[doc]).to_bytes()))
    return zlib.compress(srsly.msgpack_dumps({**message, "tokens": array}))


@pytest.mark.parametrize(
    "make",
    [
        lambda marker: pickle.dumps(Payload(marker)),
        lambda marker: zlib.compress(pickle.dumps(Payload(marker))),
        object_array,
    ],
    ids=["pickle", "compressed pickle", "array of objects"],
)
def test_a_pickle_in_a_silver_file_is_refused(tmp_path, marker, make):
    (tmp_path / "a.spacy").write_bytes(make(marker))
    with pytest.raises(XnerError, match="X006"):
        list(read_docs(tmp_path / "a.spacy", Vocab()))
    assert not marker.exists()


def test_a_pickle_among_the_user_data_of_a_silver_file(tmp_path, marker):
    """User data are msgpack within msgpack: a pickle in it is refused or stays bytes."""
    doc = Doc(Vocab(), words=["a"])
    doc.user_data["xner"] = pickle.dumps(Payload(marker))
    docs = DocBin(docs=[doc], store_user_data=True)
    docs.to_disk(tmp_path / "bytes.spacy")
    (found,) = read_docs(tmp_path / "bytes.spacy", Vocab())
    assert isinstance(found.user_data["xner"], bytes)
    docs.user_data[0] = pickle.dumps(Payload(marker))
    docs.to_disk(tmp_path / "pickle.spacy")
    with pytest.raises(XnerError, match="X006"):
        list(read_docs(tmp_path / "pickle.spacy", Vocab()))
    assert not marker.exists()


def test_an_encoder_without_safetensors_is_refused(tmp_path, marker):
    checkpoint = save_tiny_checkpoint(tmp_path / "encoder")
    load_checkpoint(checkpoint, 1)
    (checkpoint / "model.safetensors").unlink()
    (checkpoint / "pytorch_model.bin").write_bytes(pickled_parameters(marker))
    with pytest.raises(XnerError, match="X108"):
        load_checkpoint(checkpoint, 1)
    with pytest.raises(XnerError, match="X108.*safetensors"):
        transformer("ours", checkpoint)
    assert not marker.exists()


def test_an_encoder_with_code_of_its_own_is_refused(tmp_path, marker, monkeypatch):
    """transformers would ask whether to run it; nobody is asked here."""
    monkeypatch.setattr("builtins.input", lambda prompt: pytest.fail(prompt))
    checkpoint = save_tiny_checkpoint(tmp_path / "encoder")
    config = json.loads((checkpoint / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config"}}
    (checkpoint / "config.json").write_text(json.dumps(config))
    (checkpoint / "evil.py").write_text(f"open({str(marker)!r}, 'w')\n")
    with pytest.raises(XnerError, match="X108"):
        load_checkpoint(checkpoint, 1)
    with pytest.raises(ValueError, match="trust_remote_code"):
        transformer("ours", checkpoint)
    assert not marker.exists()


def test_code_of_a_model_cannot_be_asked_for(saved):
    encoder = {
        "@architectures": "spacy-xner.TransformerEncoder.v1",
        "name": str(saved / "encoder"),
        "get_spans": {"@span_getters": "spacy-transformers.doc_spans.v1"},
        "pooling": {"@layers": "reduce_first.v1"},
    }
    for key in ("tokenizer_config", "transformer_config"):
        block = {"m": {**encoder, key: {"trust_remote_code": True}}}
        with pytest.raises(XnerError, match="X703"):
            spacy.registry.resolve(block)
