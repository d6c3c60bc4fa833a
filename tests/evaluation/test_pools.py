"""Combining the same votes in several ways, and the script that compares them."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from handmade import HandTeacher, votes, xner_pipeline
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab
from typer.testing import CliRunner

import spacy_xner.pipeline.teacher_ensemble as ensemble
from spacy_xner.aggregate import Method, corpus_votes, read_votes
from spacy_xner.ensemble.pooling import linear_pool, log_linear_pool
from spacy_xner.ensemble.votes import choose
from spacy_xner.ensemble.weights import make_fixed_weights, make_uniform_weights
from spacy_xner.evaluation.combinations import combinations
from spacy_xner.evaluation.pools import Combination, ask, combine, direct_transfer, heat
from spacy_xner.shards import write_docs

ROOT = Path(__file__).parents[2]
KNOWS = {
    "a": {"Ana": {"B-PER": 0.9}, "Lagos": {"B-LOC": 0.9}},
    "b": {"Ana": {"B-PER": 0.8}, "New": {"B-LOC": 0.9}, "York": {"I-LOC": 0.9}},
    "c": {"Ana": {"B-LOC": 0.6}, "Lagos": {"B-LOC": 0.2}},
}


def doc(*words, vocab=None):
    return Doc(vocab or Vocab(), words=list(words))


@pytest.fixture
def pipe():
    return ensemble.TeacherEnsemble(
        Vocab(),
        teachers={name: HandTeacher(knows) for name, knows in KNOWS.items()},
        labels=("LOC", "PER"),
        weights=make_uniform_weights(),
        pool=linear_pool,
    )


@pytest.fixture
def docs(pipe):
    texts = [["Ana", "saw", "Lagos"], ["New", "York"], [], ["Ana", "Ana"]]
    return [doc(*words, vocab=pipe.vocab) for words in texts]


def spans(entities):
    return [(ent.start, ent.end, ent.label) for ent in entities]


@pytest.mark.parametrize("pool", [linear_pool, log_linear_pool])
def test_a_pool_finds_what_the_ensemble_finds(pipe, docs, pool):
    pipe.pool, pipe.weights = pool, make_fixed_weights({"a": 1, "b": 2, "c": 0})
    asked = pipe.predict(docs)
    found = combine(docs, asked, Combination(pipe.weights, pool), asked)
    pipe.set_annotations(docs, asked)
    expected = [[(s.start, s.end, s.label_) for s in doc.spans["silver"]] for doc in docs]
    assert [spans(entities) for entities in found] == expected
    # The log-linear pool lets the teacher that is sure of O have its way.
    assert expected[1] == ([(0, 2, "LOC")] if pool is linear_pool else [])


def test_votes_are_the_same_before_and_after_they_are_written(pipe, docs):
    asked = pipe.predict(docs)
    pipe.set_annotations(docs, asked)
    before, after = corpus_votes(asked), read_votes(docs)
    assert before.teachers == after.teachers
    assert before.labels == after.labels
    assert sorted(map(tuple, before.spans)) == sorted(map(tuple, after.spans))
    for a, b in zip(before, after, strict=True):
        assert np.shape(a) == np.shape(b)


def test_some_teachers_only(pipe, docs):
    asked = pipe.predict(docs)
    some = choose(asked, ["c", "a"])
    assert some.names == ("a", "c")
    np.testing.assert_array_equal(some.probs[1], asked.probs[2])
    found = combine(docs, asked, Combination(teachers=("c",)), asked)
    assert spans(found[0]) == [(0, 1, "LOC")]


@pytest.mark.parametrize("method", list(Method))
def test_aggregators_learn_from_other_text(pipe, docs, method):
    asked = pipe.predict(docs)
    other = [doc("Ana", "saw", "Lagos") for _ in range(50)]
    found = combine(docs, asked, Combination(method=method), pipe.predict(other))
    assert (0, 1, "PER") in spans(found[0])
    assert len(found) == len(docs)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_heat_is_a_softmax_of_colder_logits(temperature):
    logits = np.random.default_rng(0).normal(size=(2, 4, 5))
    plain, hot = (np.exp(logits / t) for t in (1.0, temperature))
    given = votes(plain / plain.sum(axis=2, keepdims=True))
    found = heat(given, [1.0, temperature])
    np.testing.assert_allclose(found.probs[0], given.probs[0])
    np.testing.assert_allclose(found.probs[1], (hot / hot.sum(axis=2, keepdims=True))[1])


def test_heat_does_not_teach_a_class():
    given = votes([[[0.9, 0.1, 0.0]], [[0.5, 0.0, 0.5]]])
    found = heat(given, [4.0, 4.0])
    assert found.probs[0, 0, 2] == 0.0
    assert found.probs[0, 0, 1] > 0.1


@pytest.fixture
def project(tmp_path):
    """Two teachers, text and gold of a target and of the sources, and files of weights."""
    for i, name in enumerate(("en", "de")):
        folder = tmp_path / "teachers" / name / "model-last"
        folder.parent.mkdir(parents=True)
        xner_pipeline(seed=i).to_disk(folder)
    gold = []
    for words in (["Ana", "met", "Bob", "in", "Lagos"], ["Bob", "saw", "Lagos", "."]):
        document = doc(*words)
        places = {"Ana": "PER", "Bob": "PER", "Lagos": "LOC"}
        ents = [Span(document, i, i + 1, places[w]) for i, w in enumerate(words) if w in places]
        document.set_ents(ents)
        gold.append(document)
    for name in ("en-dev", "de-dev", "sw-test"):
        (tmp_path / "gold").mkdir(exist_ok=True)
        write_docs(tmp_path / "gold" / f"{name}.spacy", gold)
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "sw.jsonl").write_text('{"text": "Ana met Bob in Lagos"}\n' * 5)
    rows = {"sw": {"en": 0.7, "de": 0.3}, "en": {"de": 1.0}, "de": {"en": 1.0}}
    file = {"version": 1, "targets": {name: {"weights": row} for name, row in rows.items()}}
    (tmp_path / "weights.json").write_text(json.dumps(file))
    config = (ROOT / "configs" / "ensemble.cfg").read_text("utf8")
    (tmp_path / "ensemble.cfg").write_text(config.replace('"LOC", "ORG", "PER"', '"LOC", "PER"'))
    return tmp_path


def run(project, **changes):
    spec = importlib.util.spec_from_file_location("pools", ROOT / "scripts" / "pools.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    weights = str(project / "weights.json")
    options = {"sources": "en de", "targets": "sw", "labels": "PER LOC", "dev": project / "gold"}
    options |= {"similarity": weights, "ranking": weights, "config": project / "ensemble.cfg"}
    names = ["teachers", "cache", "text", "gold", "out/pools.json"]
    arguments = [str(project / name) for name in names] + ["--no-sentences"]
    for key, value in (options | changes).items():
        arguments += [f"--{key.replace('_', '-')}", str(value)]
    result = CliRunner().invoke(script.app, arguments)
    assert result.exit_code == 0, result.output
    return json.loads((project / "out" / "pools.json").read_text("utf8"))


def test_the_script_compares_all_ways(project, monkeypatch):
    report = run(project)
    scores = {name: row["macro"]["f1"] for name, row in report["systems"].items()}
    assert {"en", "de", "uniform", "log-linear", "BEA", "sequence", "vote"} <= set(scores)
    assert scores["uniform"] == 1.0
    assert report["single"]["oracle"] >= report["single"]["mean"]
    assert set(report["comparisons"]) == {
        f"{name} - uniform" for name in scores if name not in ("en", "de", "uniform")
    }
    assert set(report["provenance"]["teachers"]) == {"en", "de"}
    # The second time nobody is asked.
    monkeypatch.setattr("spacy_xner.teachers.pipeline.XnerTeacher.distributions", None)
    again = run(project)
    assert again["systems"] == report["systems"]


def test_each_source_plays_the_target(project):
    """Its development set, without labels, is its raw text."""
    (project / "text").rename(project / "old")
    (project / "gold").rename(project / "text")
    (project / "gold").symlink_to(project / "text")
    report = run(project, targets="en de", test_name="dev")
    assert list(report["systems"]["en"]["languages"]) == ["de"]
    assert list(report["systems"]["uniform"]["languages"]) == ["en", "de"]


def test_the_best_by_rank_take_part_in_the_selections():
    tallies = {"a": 0.1, "b": 0.6, "c": 0.3}
    found = combinations({"a": 1.0, "b": 1.0, "c": 1.0}, tallies)
    assert found["NN-Rank, best 1"].teachers == ("b",)
    assert found["NN-Rank, best 3, log-linear"].teachers == ("b", "c", "a")
    assert "similarity, sentence" not in found
    assert "similarity, sentence" in combinations(tallies, tallies, make_uniform_weights())


def test_direct_transfer_is_the_mean_and_the_best_of_each_language():
    def row(**scores):
        return {"languages": {x: {"micro": {"f1": f1}} for x, f1 in scores.items()}}

    systems = {"a": row(x=0.2, y=0.8), "b": row(x=0.6), "other": row(x=1.0, y=1.0)}
    assert direct_transfer(systems, ["a", "b"]) == pytest.approx({"mean": 0.6, "oracle": 0.7})


def test_votes_do_not_depend_on_the_batch(pipe, docs):
    whole, parts = ask(pipe, docs), ask(pipe, docs, batch_size=1)
    assert whole.lengths == parts.lengths
    np.testing.assert_array_equal(whole.probs, parts.probs)
