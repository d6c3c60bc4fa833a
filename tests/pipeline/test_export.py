"""A pipeline in ONNX Runtime says what the one with torch says."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import spacy
import srsly
from handmade import SENTENCES, call, xner_pipeline
from spacy.tokens import Doc
from spacy.training import Example
from tiny_checkpoint import save_tiny_checkpoint, save_unigram_checkpoint

from spacy_xner.checksums import check_sums
from spacy_xner.errors import XnerError
from spacy_xner.ml.onnx_encoder import OnnxShim
from spacy_xner.pipeline.export import REQUIREMENTS, export_pipeline, torch_components
from spacy_xner.pipeline.trim import find_encoders, hf_objects, trim_pipeline

pytest.importorskip("torch")
pytest.importorskip("spacy_transformers")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

TEXTS = ["ana met bob in lagos", "", "  ", "Ana", "rain \u200b fell", "x" * 30, "ana met " * 30]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_tiny_checkpoint(tmp_path_factory.mktemp("encoder"))


def transformer(checkpoint, *, pooling="reduce_first.v1"):
    return {
        "@architectures": "spacy-xner.TransformerEncoder.v1",
        "name": str(checkpoint),
        "get_spans": {
            "@span_getters": "spacy-transformers.strided_spans.v1",
            "window": 200,
            "stride": 150,
        },
        "pooling": {"@layers": pooling},
    }


@pytest.fixture(scope="module")
def trained(checkpoint):
    return xner_pipeline(tok2vec=transformer(checkpoint), updates=40)


@pytest.fixture(scope="module")
def exported(trained):
    return {kind: export_pipeline(trained, precision=kind) for kind in ("float32", "int8")}


def probabilities(nlp, texts=TEXTS):
    docs = [nlp.make_doc(text) for text in texts]
    return docs, nlp.get_pipe("xner").predict(docs)


def entities(nlp, texts=TEXTS):
    return [[(e.start, e.end, e.label_) for e in doc.ents] for doc in nlp.pipe(texts)]


def test_float32_gives_the_same_probabilities(trained, exported):
    _, expected = probabilities(trained)
    docs, found = probabilities(exported["float32"])
    for doc, rows, wanted in zip(docs, found, expected, strict=True):
        assert rows.shape == (len(doc), 5)
        np.testing.assert_allclose(rows, wanted, atol=1e-4)
    assert any(entities(trained)) and entities(exported["float32"]) == entities(trained)


def test_int8_is_near(trained, exported):
    _, expected = probabilities(trained)
    _, found = probabilities(exported["int8"])
    assert max(abs(x - y).max() for x, y in zip(found, expected, strict=True) if len(x)) < 0.1
    graphs = {
        kind: nlp.get_pipe("xner").model.get_ref("tok2vec").shims[0].graph
        for kind, nlp in exported.items()
    }
    assert b"MatMulInteger" in graphs["int8"] and b"MatMulInteger" not in graphs["float32"]


@pytest.mark.parametrize("pooling", ["reduce_mean.v1", "reduce_last.v1"])
def test_words_are_made_of_subwords_as_before(checkpoint, pooling):
    trained = xner_pipeline(tok2vec=transformer(checkpoint, pooling=pooling), updates=2)
    _, expected = probabilities(trained)
    _, found = probabilities(export_pipeline(trained, precision="float32"))
    for rows, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(rows, wanted, atol=1e-4)


def test_settings_and_meta_data_come_along(checkpoint):
    trained = xner_pipeline(tok2vec=transformer(checkpoint), updates=1)
    trained.get_pipe("xner").cfg["labels"] = ["LOC", "PER"]
    trained.meta["xner"] = {"targets": ["sw"]}
    trained.meta["requirements"] = ["somewhere>=1"]
    found = export_pipeline(trained)
    assert found.get_pipe("xner").labels == trained.get_pipe("xner").labels
    assert found.meta["xner"] == {"targets": ["sw"]}
    assert found.meta["requirements"][0] == "somewhere>=1"
    assert any(x.startswith("onnxruntime") for x in found.meta["requirements"])
    assert trained.meta["requirements"] == ["somewhere>=1"]
    # What it was exported from can still be trained.
    example = Example(Doc(trained.vocab, words=["a"]), Doc(trained.vocab, words=["a"], ents=["O"]))
    trained.update([example], sgd=trained.resume_training())


def test_from_disk_and_in_pieces(exported, tmp_path):
    nlp = exported["int8"]
    nlp.to_disk(tmp_path / "model")
    loaded = spacy.load(tmp_path / "model")
    for rows, wanted in zip(probabilities(loaded)[1], probabilities(nlp)[1], strict=True):
        np.testing.assert_array_equal(rows, wanted)
    # Half of the texts at a time, and one sub-word at a time.
    settings = {"components.xner.model.tok2vec.max_subwords": 1}
    small = spacy.load(tmp_path / "model", config=settings)
    np.testing.assert_allclose(
        np.concatenate(probabilities(small)[1]), np.concatenate(probabilities(nlp)[1]), atol=0.05
    )


def test_a_long_text_is_read_in_windows(trained, tmp_path):
    export_pipeline(trained, precision="float32").to_disk(tmp_path / "model")
    text = "ana met bob in lagos " * 10

    def read(window, stride):
        settings = {"window": window, "stride": stride}
        nlp = spacy.load(
            tmp_path / "model",
            config={f"components.xner.model.tok2vec.{k}": v for k, v in settings.items()},
        )
        (doc,), (rows,) = probabilities(nlp, [text])
        assert rows.shape == (len(doc), 5)
        return rows

    whole, cut = read(200, 150), read(40, 30)
    assert not np.allclose(whole, cut)  # less is seen
    np.testing.assert_allclose(whole, read(170, 170), atol=1e-4)


def test_windows_fit_the_encoder(tmp_path):
    """A window of more positions than it has would fail when a long text comes."""
    folder = save_tiny_checkpoint(tmp_path, positions=32)
    nlp = export_pipeline(xner_pipeline(tok2vec=transformer(folder), updates=1))
    (doc,), (rows,) = probabilities(nlp, ["ana met bob in lagos " * 10])
    assert rows.shape == (len(doc), 5)


def test_it_can_be_copied_and_pickled_and_works_in_workers(exported):
    nlp = exported["int8"]
    expected = entities(nlp)
    model = nlp.get_pipe("xner").model.copy()
    docs = [nlp.make_doc(text) for text in TEXTS]
    for one, other in zip(
        model.predict(docs), nlp.get_pipe("xner").model.predict(docs), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    shim = nlp.get_pipe("xner").model.get_ref("tok2vec").shims[0]
    assert pickle.loads(pickle.dumps(shim)).graph == shim.graph
    # The session was used in this process: forked workers make their own.
    found = [[(e.start, e.end, e.label_) for e in d.ents] for d in nlp.pipe(TEXTS, n_process=2)]
    assert found == expected


def test_training_is_refused(exported):
    nlp = exported["int8"]
    words, tags = SENTENCES[0]
    example = Example(Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words, ents=tags))
    with pytest.raises(XnerError, match="X343"):
        nlp.update([example])


def test_damage_is_named(exported):
    shim = exported["int8"].get_pipe("xner").model.get_ref("tok2vec").shims[0]
    with pytest.raises(XnerError, match="X342"):
        OnnxShim().from_bytes(b"no msgpack")
    wrong = srsly.msgpack_dumps({"graph": "", "tokenizer": "", "width": 0, "padding": 0})
    with pytest.raises(XnerError, match="X342.*'graph' is of the type str"):
        OnnxShim().from_bytes(wrong)
    with pytest.raises(XnerError, match="X341"):
        OnnxShim().load()
    with pytest.raises(XnerError, match="X342"):
        OnnxShim(shim.graph[: len(shim.graph) // 2], shim.tokenizer).load()
    with pytest.raises(XnerError, match="X342"):
        OnnxShim(shim.graph, "{}").load()


def test_a_graph_cannot_read_other_files(exported, tmp_path, monkeypatch):
    """External data names a file; a model from elsewhere must not choose one."""
    import onnx

    monkeypatch.chdir(tmp_path)
    shim = exported["float32"].get_pipe("xner").model.get_ref("tok2vec").shims[0]
    model = onnx.load_from_string(shim.graph)
    tensor = max(model.graph.initializer, key=lambda x: len(x.raw_data))
    size = len(tensor.raw_data)
    Path("secret.bin").write_bytes(b"\0" * size)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": "secret.bin", "offset": "0", "length": str(size)}.items():
        tensor.external_data.add(key=key, value=value)
    with pytest.raises(XnerError, match="X342.*names another file"):
        OnnxShim(model.SerializeToString(), shim.tokenizer).load()


def test_the_tokenizer_and_its_exceptions_come_along(checkpoint):
    trained = xner_pipeline(tok2vec=transformer(checkpoint), updates=1)
    trained.tokenizer.add_special_case("ana-met", [{"ORTH": "ana"}, {"ORTH": "-met"}])
    found = export_pipeline(trained)
    assert [t.text for t in found("x ana-met y")] == ["x", "ana", "-met", "y"]


def test_what_cannot_be_exported_is_named(checkpoint, make_xner):
    with pytest.raises(XnerError, match="X346"):
        export_pipeline(make_xner())
    untrained = spacy.blank("xx")
    model = {"@architectures": "spacy-xner.SoftTagger.v1", "tok2vec": transformer(checkpoint)}
    untrained.add_pipe("xner", config={"model": model})
    with pytest.raises(XnerError, match="X347.*no weights"):
        export_pipeline(untrained)
    with pytest.raises(XnerError, match="X347.*pooling"):
        pooling = transformer(checkpoint, pooling="reduce_max.v1")
        export_pipeline(xner_pipeline(tok2vec=pooling, updates=1))


def test_torch_leaves_the_requirements_unless_another_component_needs_it(checkpoint):
    trained = xner_pipeline(tok2vec=transformer(checkpoint), updates=1)
    trained.meta["requirements"] = ["spacy-transformers>=1.4,<1.5", "jieba", "tokenizers>=0.1"]
    found = export_pipeline(trained)
    assert found.meta["requirements"] == ["jieba", *REQUIREMENTS]
    assert torch_components(trained) == ["xner"] and torch_components(found) == []


def test_command(trained, tmp_path):
    trained.to_disk(tmp_path / "model")
    for _ in range(2):  # an earlier export is replaced
        code, output = call("export", tmp_path / "model", tmp_path / "out", "--precision", "int8")
        assert code == 0, output
    assert check_sums(tmp_path / "out") == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model", "out"]
    code, output = call("export", tmp_path / "out", tmp_path / "third")
    assert code == 1 and "X346" in output and not (tmp_path / "third").exists()


def test_nothing_but_an_export_is_replaced(trained, tmp_path):
    model = tmp_path / "folder/model"
    model.parent.mkdir()
    trained.to_disk(model)
    shutil.copytree(model, tmp_path / "other")  # a pipeline that nobody exported
    (tmp_path / "work").mkdir()
    (tmp_path / "work/config.cfg").write_text("")
    (tmp_path / "file").write_text("mine")
    for target in ("other", "work", "file", "folder", "folder/model", "folder/model/new"):
        before = sorted(tmp_path.rglob("*"))
        code, output = call("export", model, tmp_path / target)
        assert code == 1 and "X106" in output, target
        assert sorted(tmp_path.rglob("*")) == before
    (tmp_path / "empty").mkdir()
    assert call("export", model, tmp_path / "empty", "--runtime", "torch")[0] == 0


def test_the_component_can_be_pickled(exported):
    """What spawned processes of nlp.pipe are given."""
    pipe = pickle.loads(pickle.dumps(exported["int8"].get_pipe("xner")))
    docs = [exported["int8"].make_doc(text) for text in TEXTS]
    for one, other in zip(pipe.predict(docs), probabilities(exported["int8"])[1], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def unigram(tmp_path_factory):
    """A pipeline that reads pieces of one to three letters."""
    folder = save_unigram_checkpoint(tmp_path_factory.mktemp("unigram"))
    return xner_pipeline(tok2vec=transformer(folder), updates=10)


def test_a_trimmed_pipeline_says_the_same_of_its_texts(unigram, tmp_path):
    unigram.to_disk(tmp_path / "model")
    (tmp_path / "texts.txt").write_text("ana met bob\nlagos\n", encoding="utf8")
    options = ["--vocabulary", tmp_path / "texts.txt", "--runtime"]
    texts = ["ana met bob", "lagos", "bob"]
    _, expected = probabilities(unigram, texts)
    for runtime, near in (("torch", 1e-5), ("onnx", 0.2)):
        code, output = call("export", tmp_path / "model", tmp_path / runtime, *options, runtime)
        assert code == 0, output
        nlp = spacy.load(tmp_path / runtime)
        for rows, wanted in zip(probabilities(nlp, texts)[1], expected, strict=True):
            np.testing.assert_allclose(rows, wanted, atol=near)
    sizes = [(tmp_path / name / "xner/model").stat().st_size for name in ("model", "torch", "onnx")]
    assert sizes[0] > max(sizes[1:]), sizes


def test_least_keeps_more(unigram, tmp_path):
    everything = hf_objects(find_encoders(unigram)["xner"]).tokenizer.vocab_size
    nlp = spacy.load(_saved(unigram, tmp_path))
    assert trim_pipeline(nlp, ["ana"], least=everything) == everything
    few = trim_pipeline(nlp, ["ana"])
    assert few < everything
    assert trim_pipeline(nlp, ["ana"]) == few
    assert nlp("ana met bob in lagos") is not None


def _saved(nlp, folder):
    nlp.to_disk(folder / "saved")
    return folder / "saved"


def test_only_a_transformer_has_a_vocabulary_to_trim(make_xner):
    with pytest.raises(XnerError, match="X346"):
        trim_pipeline(make_xner(), ["ana"])
