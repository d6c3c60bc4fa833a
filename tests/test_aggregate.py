import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from handmade import HandTeacher, shard
from spacy.tokens import Doc, Span, SpanGroup
from spacy.vocab import Vocab
from synthetic import corpus, f1, teacher
from typer.testing import CliRunner

import spacy_xner.pipeline.teacher_ensemble as ensemble
from spacy_xner.aggregate import (
    CorpusVotes,
    Method,
    aggregate,
    aggregate_votes,
    read_votes,
    span_votes,
    token_votes,
)
from spacy_xner.cli import app
from spacy_xner.ensemble.pooling import linear_pool
from spacy_xner.ensemble.weights import make_uniform_weights
from spacy_xner.errors import XnerError
from spacy_xner.inspect import describe
from spacy_xner.jobs.manifest import in_order, read_manifest
from spacy_xner.shards import read_docs, write_docs
from spacy_xner.silver import Silver, read_silver, write_silver

LABELS = ("LOC", "ORG", "PER")
ERRORS = {"en": 0.1, "es": 0.2, "fr": 0.3, "pt": 0.4}


def silver_doc(vocab, length, votes, *, labels=LABELS, untaught=None):
    """A document whose teachers say what `votes` says: {name: [(start, end, label)]}."""
    doc = Doc(vocab, words=[f"w{i}" for i in range(length)])
    rows = np.full((length, 1 + 2 * len(labels)), 1 / (1 + 2 * len(labels)))
    write_silver(doc, Silver(labels, rows, np.full(length, 0.6), 0.8, dict.fromkeys(votes, 0.5)))
    for name, entities in votes.items():
        spans = [Span(doc, start, end, label=label) for start, end, label in entities]
        attrs = {"scores": [1.0] * len(spans)}
        if untaught and name in untaught:
            attrs["untaught"] = untaught[name]
        doc.spans[f"silver/{name}"] = SpanGroup(
            doc, name=f"silver/{name}", spans=spans, attrs=attrs
        )
    return doc


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Two shards of 80 documents, four teachers; and the gold documents."""
    random = np.random.default_rng(0)
    docs = corpus(random, 160)
    answers = {name: teacher(random, docs, error) for name, error in ERRORS.items()}
    vocab, written = Vocab(), []
    for d, (length, _) in enumerate(docs):
        votes = {n: [(s, e, LABELS[x]) for s, e, x in found[d]] for n, found in answers.items()}
        written.append(silver_doc(vocab, length, votes))
        written[-1].user_data["id"] = f"text:{d}"
    folder = tmp_path_factory.mktemp("silver")
    write_docs(folder / "part-00000.spacy", written[:80])
    write_docs(folder / "part-00001.spacy", written[80:])
    return folder, docs, answers


@pytest.fixture
def small(tmp_path):
    """Two shards of three documents."""
    for name in ("part-00000.spacy", "part-00001.spacy"):
        (tmp_path / "old").mkdir(exist_ok=True)
        write_docs(tmp_path / "old" / name, small_votes())
    return tmp_path / "old"


def score(docs, found):
    return f1(docs, [[(e.start, e.end, LABELS.index(e.label_)) for e in doc.ents] for doc in found])


def small_votes():
    """Three documents (one empty); "b" has not read the first, and "c" was not taught ORG."""
    vocab = Vocab()
    untaught = {"c": ["ORG"]}
    return [
        silver_doc(vocab, 3, {"a": [(0, 2, "PER")], "c": []}, untaught=untaught),
        silver_doc(vocab, 0, {"a": [], "b": [], "c": []}),
        silver_doc(
            vocab,
            4,
            {"a": [(1, 3, "ORG")], "b": [(1, 2, "ORG"), (3, 4, "LOC")], "c": [(3, 4, "LOC")]},
            untaught=untaught,
        ),
    ]


# Votes


def test_votes_of_documents():
    votes = read_votes(small_votes())
    assert votes.teachers == ("a", "c", "b")
    assert votes.labels == LABELS
    assert votes.lengths.tolist() == [3, 0, 4]
    assert votes.heard.tolist() == [[True, True, False], [True] * 3, [True] * 3]
    assert votes.untaught.tolist() == [[False] * 3, [False, True, False], [False] * 3]


def test_votes_of_tokens():
    assert token_votes(read_votes(small_votes())).tolist() == [
        [5, 0, -1],
        [6, 0, -1],
        [0, 0, -1],
        [0, 0, 0],
        [3, -1, 3],  # "c" does not know ORG
        [4, -1, 0],
        [0, 1, 1],
    ]


def test_votes_of_spans():
    spans, votes = span_votes(read_votes(small_votes()))
    found = {tuple(span): row for span, row in zip(spans.tolist(), votes.tolist(), strict=True)}
    assert found == {
        (0, 2): [3, 0, -1],
        (4, 6): [2, -1, 0],
        (4, 5): [0, -1, 2],
        (6, 7): [0, 1, 1],
    }


def test_no_entities_at_all():
    docs = [silver_doc(Vocab(), 2, {"a": [], "b": []})]
    for method in Method:
        found = aggregate_votes(read_votes(docs), method=method)
        assert found.distribution.argmax(axis=1).tolist() == [0, 0]
        assert found.entities == [[]]


def test_no_documents():
    for method in Method:
        found = aggregate_votes(read_votes([]), method=method)
        assert len(found.distribution) == len(found.entities) == 0


def test_the_ensemble_says_what_a_teacher_does_not_know():
    nlp_vocab = Vocab()
    knows = {"Ana": {"B-PER": 1.0}}
    teachers = {"all": HandTeacher(knows), "some": HandTeacher(knows, labels=("PER",))}
    pipe = ensemble.TeacherEnsemble(
        nlp_vocab,
        teachers=teachers,
        labels=["LOC", "PER"],
        weights=make_uniform_weights(),
        pool=linear_pool,
    )
    doc = pipe(Doc(nlp_vocab, words=["Ana", "left"]))
    assert "untaught" not in doc.spans["silver/all"].attrs
    assert doc.spans["silver/some"].attrs["untaught"] == ["LOC"]
    assert read_votes([doc]).untaught.tolist() == [[False, False], [True, False]]


# Methods


def test_the_vote_is_each_tokens_shares():
    found = aggregate_votes(read_votes(small_votes()), method=Method.vote)
    assert found.distribution[0].tolist() == [0.5, 0, 0, 0, 0, 0.5, 0]
    assert found.distribution[4].tolist() == [0, 0, 0, 1, 0, 0, 0]
    assert found.distribution[5].tolist() == [0.5, 0, 0, 0, 0.5, 0, 0]
    assert found.reliability.tolist() == [1, 1, 1]


def test_posteriors_of_spans_become_distributions():
    votes = CorpusVotes(
        ("a", "b", "c"),
        ("LOC", "PER"),
        np.array([2, 5]),
        np.array([[0, 0, 1, k, 1] for k in range(3)] + [[1, 1, 4, k, 0] for k in range(2)]),
        np.ones((2, 3), bool),
        np.zeros((3, 2), bool),
    )
    found = aggregate_votes(votes, method=Method.bea)
    assert found.distribution.sum(axis=1) == pytest.approx(np.ones(7))
    assert [[e[:3] for e in doc] for doc in found.entities] == [[(0, 1, "PER")], [(1, 4, "LOC")]]
    person, place = found.entities[0][0].score, found.entities[1][0].score
    assert found.distribution[0, 3] == pytest.approx(person)
    assert found.distribution[3, 1] == pytest.approx(place)
    assert found.distribution[4:6, 2] == pytest.approx([place, place])
    assert found.distribution[[1, 2, 6], 0].tolist() == [1, 1, 1]


def test_a_class_that_one_teacher_knows_is_not_voted_down():
    """DATE is said by two of five; the others were not taught it, or deny it."""
    vocab = Vocab()
    labels = ("DATE", "PER")

    def docs(untaught):
        both, person = [(0, 1, "DATE"), (2, 3, "PER")], [(2, 3, "PER")]
        votes = {"a": both, "b": both, "c": person, "d": person, "e": person}
        return [silver_doc(vocab, 4, votes, labels=labels, untaught=untaught) for _ in range(30)]

    silent = {name: ["DATE"] for name in "cde"}
    for method in (Method.vote, Method.bea, Method.sequence):
        known = aggregate_votes(read_votes(docs(silent)), method=method)
        assert [e.label for e in known.entities[0]] == ["DATE", "PER"], method
    denied = aggregate_votes(read_votes(docs({})), method=Method.vote)
    assert [e.label for e in denied.entities[0]] == ["PER"]


# Shards


@pytest.mark.parametrize("method", Method)
def test_new_shards(tmp_path, shards, method):
    folder, docs, answers = shards
    parts, reliability = aggregate(folder, tmp_path / "new", method=method)
    assert [part["docs"] for part in parts] == [80, 80]
    assert in_order(read_manifest(tmp_path / "new")) == parts
    found = list(read_docs(tmp_path / "new", Vocab()))
    assert [doc.user_data["id"] for doc in found] == [f"text:{d}" for d in range(160)]
    expected = np.array(list(reliability.values())) / sum(reliability.values())
    for doc in found[:5]:
        silver = read_silver(doc)
        assert list(silver.teacher_weights) == list(ERRORS)
        assert list(silver.teacher_weights.values()) == pytest.approx(expected)
        assert silver.doc_weight == 0.8 and (silver.token_weights == 0.6).all()
        assert len(doc.spans["silver"].attrs["scores"]) == len(doc.spans["silver"])
        assert set(doc.spans) == {"silver", *(f"silver/{name}" for name in ERRORS)}
    best = max(f1(docs, answer) for answer in answers.values())
    assert score(docs, found) > best + 0.02
    assert describe(found)["docs"] == 160
    assert read_votes(found).spans.tolist() == read_votes(read_docs(folder, Vocab())).spans.tolist()
    if method != Method.vote:
        assert list(reliability.values()) == sorted(reliability.values(), reverse=True)


def test_the_same_shards_twice_and_a_repaired_one(tmp_path, small):
    first, _ = aggregate(small, tmp_path / "a")
    second, _ = aggregate(small, tmp_path / "b")
    assert first == second
    shard(tmp_path / "a", 1).write_bytes(b"damaged")
    assert aggregate(small, tmp_path / "a")[0] == first
    for number in (0, 1):
        left, right = (shard(tmp_path / name, number) for name in "ab")
        assert (left.name, left.read_bytes()) == (right.name, right.read_bytes())


def test_a_file_is_a_corpus(tmp_path, small):
    parts, _ = aggregate(small / "part-00001.spacy", tmp_path / "new")
    assert [part["docs"] for part in parts] == [3]


def test_another_run_is_not_replaced_without_force(tmp_path, small):
    output = tmp_path / "new"
    aggregate(small, output, method=Method.vote)
    with pytest.raises(XnerError, match="X411"):
        aggregate(small, output, method=Method.bea)
    parts, _ = aggregate(small, output, method=Method.bea, force=True)
    assert len(parts) == 2


def test_the_input_is_never_replaced(shards):
    folder = shards[0]
    before = [file.read_bytes() for file in sorted(folder.iterdir())]
    for source, output in (
        (folder, folder),
        (folder, folder / "new"),
        (folder.parent, folder),
        (folder / "part-00000.spacy", folder),
    ):
        with pytest.raises(XnerError, match="X433"):
            aggregate(source, output, force=True)
    assert [file.read_bytes() for file in sorted(folder.iterdir())] == before


def test_weights_count_only_those_who_have_read_the_document(tmp_path):
    write_docs(tmp_path / "old.spacy", small_votes() * 5)
    _, reliability = aggregate(tmp_path / "old.spacy", tmp_path / "new")
    first, _, third = list(read_docs(tmp_path / "new", Vocab()))[:3]
    assert read_silver(first).teacher_weights["b"] == 0.0
    weights = read_silver(third).teacher_weights
    total = sum(reliability.values())
    assert weights == pytest.approx({name: x / total for name, x in reliability.items()})


# Faults


def without(key):
    doc = silver_doc(Vocab(), 2, {"a": []})
    if key == "silver":
        del doc.user_data["xner"]
    else:
        doc.spans.clear()
    return doc


@pytest.mark.parametrize(
    "second, code",
    [
        (without("silver"), "X005.*document 2"),
        (without("votes"), "X430.*document 2"),
        (silver_doc(Vocab(), 2, {"a": []}, labels=("LOC",)), r"X431.*\['LOC'\] in document 2"),
        (silver_doc(Vocab(), 2, {"a": [(0, 1, "DATE")]}), "X431.*DATE"),
    ],
)
def test_documents_that_do_not_fit(second, code):
    with pytest.raises(XnerError, match=code):
        read_votes([silver_doc(Vocab(), 2, {"a": []}), second])


def test_wrong_settings(tmp_path, shards):
    with pytest.raises(XnerError, match="X308.*threshold"):
        aggregate(shards[0], tmp_path, threshold=1.5)
    with pytest.raises(XnerError, match="X308.*top"):
        aggregate(shards[0], tmp_path, method=Method.bea2, top=0)
    with pytest.raises(XnerError, match="X601"):
        aggregate(tmp_path / "none", tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


# Command line


def test_command(tmp_path, shards):
    output = tmp_path / "new"
    options = ["--method", "bea2", "--top", "2", "--threshold", "0.3"]
    result = CliRunner().invoke(app, ["aggregate", str(shards[0]), str(output), *options])
    assert result.exit_code == 0, result.output
    assert "160 documents in 2 shards" in result.output
    rows = [line.split() for line in result.output.splitlines() if line.split()[:1] == ["pt"]]
    assert rows == [["pt", "0.000"]]  # not among the best two
    found = list(read_docs(output, Vocab()))
    assert read_silver(found[0]).teacher_weights["pt"] == 0.0


def test_command_with_wrong_input(tmp_path, shards):
    result = CliRunner().invoke(app, ["aggregate", str(shards[0]), str(shards[0])])
    assert result.exit_code == 1 and "X433" in result.output
    result = CliRunner().invoke(app, ["aggregate", str(shards[0]), "x", "--method", "median"])
    assert result.exit_code == 2 and "median" in result.output


def test_the_benchmark_runs(tmp_path):
    path = Path(__file__).parents[1] / "benchmarks" / "aggregate.py"
    spec = importlib.util.spec_from_file_location("benchmark_aggregate", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    output = tmp_path / "figures.json"
    options = ["--spans", "5000", "--docs", "300", "--rounds", "1", "--output", str(output)]
    result = CliRunner().invoke(module.app, options)
    assert result.exit_code == 0, result.output
    figures = json.loads(output.read_text())
    for name in ("bea", "sequence"):
        assert figures[name]["f1"] > figures[name]["vote"]
        assert figures[name]["units_per_second"] > 0
