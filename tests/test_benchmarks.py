"""The benchmarks run and say what they claim to say; how fast anything is, is not tested."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spacy_xner.errors import XnerError

ROOT = Path(__file__).parents[1]
LAYERS, VOCABULARY = 2, 600_000
RUNNER = CliRunner()


def load(name):
    """A script of the benchmarks as a module; it finds its neighbours, as when it is run."""
    pytest.importorskip("spacy_transformers")
    found = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        found.loader.exec_module(module)
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    return module


@pytest.fixture(scope="module")
def training():
    return load("training")


@pytest.fixture(scope="module")
def memory():
    return load("memory")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A random checkpoint: small but for word embeddings that show in a process' size."""
    torch = pytest.importorskip("torch")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,"
    pieces = [*letters, "\u2581", "\u2581the", "in", "er"]
    vocab = [*((s, 0.0) for s in special), *((p, -2.0 - i / 9) for i, p in enumerate(pieces))]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=3, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    names = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token"), special, strict=True))
    folder = tmp_path_factory.mktemp("encoder")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=512, **names
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=LAYERS, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=512, pad_token_id=1,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def config():
    return ROOT / "configs" / "teacher.cfg"


@pytest.fixture(scope="module")
def train(training, tmp_path_factory):
    return training.demo_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def teachers(memory, encoder, config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("teachers")
    return memory.make_teachers(config, encoder, folder, count=2)


def test_training_writes_plausible_figures(training, encoder, config, tmp_path):
    output = tmp_path / "new" / "training.json"
    options = {"encoder": encoder, "config": config, "output": output, "updates": 2, "rounds": 3}
    arguments = [text for key, value in options.items() for text in (f"--{key}", str(value))]
    found = RUNNER.invoke(training.app, [*arguments, "--warmup", "1"])
    assert found.exit_code == 0, found.output
    assert "of the plain loop" in found.output
    result = json.loads(output.read_text())

    assert (result["updates"], result["rounds"], result["layers"]) == (2, 3, LAYERS)
    assert min(result["ratios"]) <= result["ratio"] <= max(result["ratios"])
    for side in ("spacy", "pytorch"):
        speed = result["subwords_per_second"][side]
        assert len(speed["rounds"]) == 3
        assert min(speed["rounds"]) <= speed["median"] <= max(speed["rounds"])
        parts = result["seconds_per_update"][side]
        assert set(parts) == set(training.PARTS)
        # "other" is what is left of the whole, so that it is negative if something counted twice.
        assert all(time >= 0 for time in parts.values())
        for part in (training.FORWARD, training.BACKWARD, training.OPTIMISER, training.LOSS):
            assert parts[part] > 0
    assert result["seconds_per_update"]["spacy"][training.ALIGN] > 0
    assert result["seconds_per_update"]["pytorch"][training.ALIGN] == 0
    # Batches of at most 300 tokens, padding included; letters are sub-words here.
    assert 100 < result["subwords_per_update"] < 300 * 20
    assert 0 <= result["padding"] < 1
    provenance = result["provenance"]
    assert set(provenance["data"]) == {"train", "encoder", "config"}
    assert "torch" in provenance["packages"]


@pytest.fixture(scope="module")
def sides(training, encoder, config, train):
    """Both loops over the same checkpoint, with the first batches of each."""
    from spacy.util import load_config

    overrides = {
        "paths.train": str(train),
        "paths.dev": str(train),
        "paths.encoder": str(encoder),
        **training.sequences_of_one_window(config),
    }
    ours = training.SpacySide(load_config(config, overrides=overrides))
    settings = load_config(config, overrides=overrides, interpolate=True)
    tok2vec = settings["components"]["xner"]["model"]["tok2vec"]
    plain = training.PlainSide(tok2vec, settings["training"]["optimizer"], tags=7)
    batches = ours.batches(2)
    return ours, plain, batches, [[plain.encode(eg, ours) for eg in batch] for batch in batches]


def test_both_loops_feed_the_same_batches_to_the_encoder(sides):
    ours, plain, batches, encoded = sides
    seen = {"ours": [], "plain": []}
    for name, module in (("ours", ours.encoder), ("plain", plain.encoder)):
        # spaCy sorts a batch by length, so the rows are compared as a set.
        module.register_forward_pre_hook(
            lambda _, args, kwargs, name=name: seen[name].append(
                sorted(kwargs["input_ids"].tolist())
            ),
            with_kwargs=True,
        )
    ours.train(batches)
    plain.train(encoded)
    assert len(seen["ours"]) == len(batches)
    assert seen["ours"] == seen["plain"]


def test_the_plain_loop_learns_the_tags_of_the_corpus(sides):
    ours, _, batches, encoded = sides
    from spacy_xner.labels import iob2_tags

    tags = iob2_tags(ours.pipe.labels)
    for example, doc in zip(batches[0], encoded[0], strict=True):
        gold = [
            "O" if token.ent_iob_ == "O" else f"{token.ent_iob_}-{token.ent_type_}"
            for token in example.reference
        ]
        assert [tags[tag] for tag in doc.tags] == gold
        assert len(doc.first) == len(gold)
        assert doc.first == sorted(set(doc.first))


def test_both_loops_train_the_same_part_of_the_encoder(sides):
    import torch

    ours, plain, batches, encoded = sides
    before = [p.clone() for p in plain.encoder.parameters()]
    embeddings = [
        module.get_input_embeddings().weight.clone() for module in (ours.encoder, plain.encoder)
    ]
    ours.train(batches)
    plain.train(encoded)
    after = [module.get_input_embeddings().weight for module in (ours.encoder, plain.encoder)]
    assert all(torch.equal(a, b) for a, b in zip(embeddings, after, strict=True))
    assert not all(map(torch.equal, before, plain.encoder.parameters()))
    trained = [
        {name for name, parameter in module.named_parameters() if parameter.requires_grad}
        for module in (ours.encoder, plain.encoder)
    ]
    assert trained[0] and trained[0] == trained[1]


def test_the_profile_counts_time_for_its_part_and_restores_the_function(training):
    from time import sleep

    class Owner:
        def step(self):
            sleep(0.02)
            return 3

    owner = Owner()
    spent = training.profile(
        lambda data: [getattr(owner, name)() if name else sleep(0.02) for name in data],
        ["step", "step", ""],
        [(training.LOSS, owner, "step")],
    )
    assert spent[training.LOSS] >= 0.04
    assert spent[training.OTHER] >= 0.02
    assert "step" not in vars(owner) and owner.step() == 3


@pytest.mark.parametrize("missing", ["encoder", "train", "config"])
def test_training_names_a_missing_path(training, encoder, config, train, tmp_path, missing):
    paths = {"encoder": encoder, "train": train, "config": config, missing: tmp_path / "nowhere"}
    arguments = [text for key, path in paths.items() for text in (f"--{key}", str(path))]
    found = RUNNER.invoke(training.app, arguments)
    assert found.exit_code == 1
    assert "X601" in found.output


def test_memory_writes_plausible_figures(memory, teachers, tmp_path):
    output = tmp_path / "new" / "memory.json"
    found = RUNNER.invoke(memory.app, ["compare", *map(str, teachers), "--output", str(output)])
    assert found.exit_code == 0, found.output
    result = json.loads(output.read_text())

    assert result["teachers"] == len(teachers)
    assert result["same_predictions"] and result["largest_difference"] < 1e-6
    size = VOCABULARY * 16 * 4 / memory.MB  # of the word embeddings
    for name in ("separate", "shared"):
        case = result[name]
        assert len(case["loaded_mb"]) == len(teachers)
        assert 0 < case["before_mb"] < case["loaded_mb"][-1] <= case["peak_mb"]
        assert "predictions" not in case
    assert result["separate"]["shared_mb"] == 0
    # All but the first use the first one's embeddings, and nothing else is large enough.
    assert result["shared"]["shared_mb"] == pytest.approx(size * (len(teachers) - 1))
    assert result["saved_mb"] > size * (len(teachers) - 1) / 2
    assert set(result["provenance"]["data"]) == {"teacher0", "teacher1"}


def test_teachers_made_share_nothing_but_the_word_embeddings(memory, teachers):
    import spacy
    import torch

    from spacy_xner.ml.transformer import torch_module

    first, second = (
        dict(torch_module(spacy.load(path).get_pipe("xner").model.get_ref("tok2vec"))
             .named_parameters()) for path in teachers[:2]
    )  # fmt: skip
    same = [name for name in first if torch.equal(first[name], second[name])]
    assert same == ["embeddings.word_embeddings.weight"]


def test_memory_fails_where_predictions_differ(memory, teachers, monkeypatch):
    cases = iter((0.0, 0.5))

    def measured(paths, *, share):
        figures = {"before_mb": 1.0, "loaded_mb": [2.0, 3.0], "predicted_mb": 3.0}
        row = [[[[next(cases), 0.5]]]]
        return {**figures, "peak_mb": 4.0, "shared_mb": 0.0, "predictions": row}

    monkeypatch.setattr(memory, "measure_apart", measured)
    found = RUNNER.invoke(memory.app, ["compare", *map(str, teachers)])
    assert found.exit_code == 1
    assert "5.0e-01" in found.output


def test_memory_names_a_missing_or_damaged_teacher(memory, tmp_path):
    found = RUNNER.invoke(memory.app, ["compare", str(tmp_path / "nowhere")])
    assert found.exit_code == 1 and "X601" in found.output
    with pytest.raises(XnerError, match="X401"):
        memory.measure([str(tmp_path)], share=True)


def test_a_process_that_dies_is_reported(memory, tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho no memory left\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setattr(memory.sys, "executable", str(program))
    found = RUNNER.invoke(memory.app, ["compare", str(tmp_path)])
    assert found.exit_code == 1
    assert "X401" in found.output and "no memory left" in " ".join(found.output.split())
