"""The profile of the ensemble counts each part for what it is, and leaves the ensemble alone."""

import json
from time import sleep

import numpy as np
import pytest
import spacy
from handmade import HandTeacher, add_ensemble, save_ruler, span_teacher
from spacy.tokens import Doc
from test_benchmarks import RUNNER, load

import spacy_xner.pipeline.teacher_ensemble as module
from spacy_xner.ensemble.pooling import linear_pool
from spacy_xner.ensemble.weights import make_uniform_weights
from spacy_xner.pipeline.teacher_ensemble import TeacherEnsemble

NAP = 0.03


@pytest.fixture(scope="module")
def bench():
    return load("pooling")


@pytest.fixture
def docs():
    vocab = spacy.blank("xx").vocab
    texts = ("Ana met Bob", "Lagos is big", "nobody")
    return [Doc(vocab, words=text.split()) for text in texts]


@pytest.fixture
def ensemble(docs):
    """Two teachers in memory: one knows no places."""
    knows = {"Ana": {"B-PER": 0.9}, "Lagos": {"B-LOC": 0.8}}
    teachers = {"a": HandTeacher(knows), "b": HandTeacher({"Ana": {"B-PER": 0.7}}, labels=("PER",))}
    return TeacherEnsemble(
        docs[0].vocab,
        teachers=teachers,
        labels=("LOC", "PER"),
        weights=make_uniform_weights(),
        pool=linear_pool,
    )


def slow(func):
    def slowly(*args, **kwargs):
        sleep(NAP)
        return func(*args, **kwargs)

    return slowly


def test_the_time_of_each_part_counts_for_it(bench, ensemble, docs, monkeypatch):
    votes, _ = bench.ask(ensemble, docs)
    slowed = {
        bench.WEIGHTING: (ensemble, "weights", 1),
        bench.POOLING: (ensemble, "pool", 1),
        bench.WRITING: (module, "write_silver", len(docs)),
        bench.VOTES: (bench, "set_scored_spans", 2 * len(docs)),
    }
    for part, (owner, name, times) in slowed.items():
        with monkeypatch.context() as patches:
            patches.setattr(owner, name, slow(getattr(owner, name)))
            spent = bench.annotate(ensemble, docs, votes, ensemble.weights, ensemble.pool)
        assert set(spent) == set(bench.PARTS)
        assert spent[part] >= times * NAP
        assert min(spent.values()) >= 0


def test_filling_untaught_classes_counts_for_the_pool(bench, ensemble, docs, monkeypatch):
    votes, _ = bench.ask(ensemble, docs)
    assert not votes.taught.all()
    monkeypatch.setattr(bench, "fill_untaught", slow(bench.fill_untaught))
    spent = bench.annotate(ensemble, docs, votes, ensemble.weights, ensemble.pool)
    assert spent[bench.POOLING] >= NAP


@pytest.mark.parametrize("keep_votes", [True, False])
def test_the_pool_is_decoded_once_and_each_teacher_once(
    bench, ensemble, docs, monkeypatch, keep_votes
):
    votes, _ = bench.ask(ensemble, docs)
    ensemble.keep_votes = keep_votes
    monkeypatch.setattr(module, "decode", slow(module.decode))
    spent = bench.annotate(ensemble, docs, votes, ensemble.weights, ensemble.pool)
    assert spent[bench.DECODING] >= NAP
    assert spent[bench.VOTES] >= 2 * NAP if keep_votes else spent[bench.VOTES] == 0


def test_only_the_teachers_are_timed_when_they_are_asked(bench, ensemble, docs, monkeypatch):
    for teacher in ensemble.teachers.values():
        monkeypatch.setattr(teacher, "distributions", slow(teacher.distributions))
    votes, seconds = bench.ask(ensemble, docs)
    assert seconds >= 2 * NAP
    assert votes.names == ("a", "b") and votes.lengths == (3, 3, 1)
    expected = ensemble.predict(docs)
    assert np.array_equal(votes.probs, expected.probs)


def test_a_profile_leaves_texts_and_ensemble_as_they_were(bench, ensemble, docs):
    before = (ensemble.weights, ensemble.pool, module.decode, module.fill_untaught)
    result = bench.profile(ensemble, docs, bench.all_weights(), rounds=3, batch_size=2)
    assert (ensemble.weights, ensemble.pool, module.decode, module.fill_untaught) == before
    assert not any(doc.user_data or doc.spans or doc.ents for doc in docs)
    # A round that does not count, then three, each of two batches.
    for teacher in ensemble.teachers.values():
        assert [len(texts) for texts in teacher.calls] == [2, 1] * 4
        assert "distributions" not in vars(teacher)
    assert len(result["teachers"]) == 3
    cases = [(case["weights"], case["pool"]) for case in result["cases"]]
    assert len(cases) == len(set(cases)) == 5 * 2
    for case in result["cases"]:
        assert min(case["shares"]) <= case["share"] <= max(case["shares"])
        assert all(len(found) == 3 and min(found) >= 0 for found in case["seconds"].values())


def test_the_share_by_hand(bench):
    part = dict.fromkeys(bench.PARTS, 1.0)
    rows = [part | {"weighting": 0.1, "pooling": 0.3}, part | {"weighting": 0.2, "pooling": 0.0}]
    found = bench.describe(("uniform", "linear"), rows, [4.0, 1.0])
    assert found["shares"] == pytest.approx([0.1, 0.2])
    assert found["share"] == pytest.approx(0.15)
    assert found["seconds"]["weighting"] == [0.1, 0.2]


# The command


@pytest.fixture
def saved(tmp_path):
    nlp = spacy.blank("xx")
    names = {"north": {"Ana": "PER", "Lagos": "LOC"}, "south": {"Ana": "LOC", "Bob": "PER"}}
    paths = {name: save_ruler(tmp_path / name, known) for name, known in names.items()}
    add_ensemble(nlp, {name: span_teacher(path) for name, path in paths.items()})
    nlp.to_disk(tmp_path / "ensemble")
    (tmp_path / "text.txt").write_text("Ana met Bob\nLagos is big\n\nBob left\n")
    return tmp_path


def test_the_command_writes_plausible_figures(bench, saved):
    output = saved / "new" / "pooling.json"
    arguments = [str(saved / "ensemble"), str(saved / "text.txt"), "--output", str(output)]
    found = RUNNER.invoke(bench.app, [*arguments, "--limit", "2", "--rounds", "2"])
    assert found.exit_code == 0, found.output
    assert "log-linear" in found.output
    result = json.loads(output.read_text())
    assert (result["docs"], result["tokens"], result["names"]) == (2, 6, ["north", "south"])
    assert {len(case["shares"]) for case in result["cases"]} == {2}
    assert set(result["provenance"]["data"]) == {"text"}
    assert result["provenance"]["models"]["ensemble"]["sha256"]


def test_weights_by_similarity_need_their_file(bench, saved):
    table = {
        "version": 1,
        "identifier": "id.npz",
        "sha256": "0",
        "targets": {"coast": {"weights": {"north": 0.25, "south": 0.75}, "tau": 0.1}},
    }
    path = saved / "weights.json"
    path.write_text(json.dumps(table))
    weights = bench.all_weights(path, "coast")
    assert len(weights) == len(bench.all_weights()) + 2
    ensemble = bench.load_pipeline(saved / "ensemble").get_pipe("teacher_ensemble")
    docs = [Doc(ensemble.vocab, words=["Ana", "left"])]
    rows = weights["similarity"](docs, ensemble.predict(docs))
    assert rows == pytest.approx(np.array([[0.25, 0.75]] * 2))
    # One alpha a sentence needs the identifier too.
    arguments = [str(saved / "ensemble"), str(saved / "text.txt"), "--similarity", str(path)]
    found = RUNNER.invoke(bench.app, arguments)
    assert found.exit_code == 1 and "X601" in found.output and "id.npz" in found.output


def test_wrong_arguments_are_named(bench, saved):
    found = RUNNER.invoke(bench.app, [str(saved / "north"), str(saved / "text.txt")])
    assert found.exit_code == 1 and "X410" in found.output
    (saved / "empty.txt").write_text("\n")
    found = RUNNER.invoke(bench.app, [str(saved / "ensemble"), str(saved / "empty.txt")])
    assert found.exit_code == 1 and "X427" in found.output
