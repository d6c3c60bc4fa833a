import numpy as np
import pytest
from handmade import shard
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab
from tiny_checkpoint import save_tiny_checkpoint
from typer.testing import CliRunner

import spacy_xner.neighbours as module
from spacy_xner.cli import app
from spacy_xner.errors import XnerError
from spacy_xner.neighbours import (
    corpus_weights,
    count_alike,
    neighbour_weights,
    token_types,
    weigh,
)
from spacy_xner.shards import read_docs, write_docs
from spacy_xner.silver import Silver, read_silver, write_silver

LABELS = ("LOC", "PER")
# Directions of words, in degrees. The nearest of each, in order:
# a: c e d b. b: d e c a. c: a e d b. d: b e c a. e: c d a b.
ANGLES = {"a": 0, "b": 90, "c": 10, "d": 80, "e": 44}
TYPES = np.array([1, 0, 0, 0, 1])


def unit(*degrees):
    angles = np.radians(degrees)
    return np.stack((np.cos(angles), np.sin(angles)), axis=1).astype(np.float32)


def encode(texts):
    """Words stand for angles, of any length; one that is not known has no vector."""
    known = {word: unit(angle)[0] * (2 + i) for i, (word, angle) in enumerate(ANGLES.items())}
    return [
        np.array([known.get(w, (0, 0)) for w in words], np.float32).reshape(-1, 2)
        for words in texts
    ]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# Pure functions


def test_types_of_tokens():
    rows = np.array([[0.5, 0.2, 0.3, 0, 0], [0.3, 0.3, 0.4, 0, 0], [0, 0.4, 0, 0.6, 0]])
    assert token_types(rows).tolist() == [0, 1, 2]
    assert token_types(np.zeros((0, 5))).tolist() == []


@pytest.mark.parametrize("cells", [1, 10, 10**6])
@pytest.mark.parametrize(
    ("k", "expected"),
    [(1, [0, 1, 0, 1, 0]), (2, [1, 1, 0, 1, 0]), (3, [1, 2, 1, 2, 1]), (9, [1, 2, 2, 2, 1])],
)
def test_neighbours_by_hand(monkeypatch, cells, k, expected):
    monkeypatch.setattr(module, "CELLS", cells)
    rows = unit(*ANGLES.values())
    assert count_alike(rows, TYPES, rows, TYPES, np.arange(5), k=k).tolist() == expected


def test_only_some_tokens_are_references():
    """b and e are: each other token has both, and they have but each other."""
    rows, types = unit(*ANGLES.values()), np.array([1, 0, 0, 1, 1])
    kept, place = [1, 4], np.array([-1, 0, -1, -1, 1])
    found = count_alike(rows, types, rows[kept], types[kept], place, k=2)
    assert found.tolist() == [1, 0, 1, 1, 0]
    nearest = count_alike(rows, types, rows[kept], types[kept], place, k=1)
    assert nearest.tolist() == [1, 0, 0, 0, 0]
    none = count_alike(rows, types, rows[:0], types[:0], np.full(5, -1), k=2)
    assert none.tolist() == [0] * 5


@pytest.mark.parametrize(("k", "expected"), [(1, [1, 1, 1, 0, 1]), (2, [2, 1, 1, 0, 2])])
def test_equally_near_tokens_may_all_count_up_to_k(k, expected):
    rows, types = unit(0, 5, 5, 5, 90), np.array([1, 1, 1, 0, 1])
    assert count_alike(rows, types, rows, types, np.arange(5), k=k).tolist() == expected


@given(st.integers(0, 10**6), st.integers(1, 40))
def test_neighbours_are_those_of_a_sorted_list(seed, k):
    random = np.random.default_rng(seed)
    rows = random.normal(size=(30, 4)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    types = random.integers(0, 3, size=30)
    alike = rows @ rows.T
    np.fill_diagonal(alike, -2)
    order = np.argsort(-alike, axis=1)[:, : min(k, 29)]
    expected = (types[order] == types[:, None]).sum(axis=1)
    assert count_alike(rows, types, rows, types, np.arange(30), k=k).tolist() == expected.tolist()


def test_weights_by_hand():
    """Class 0: c = 1, 0.5, 0, of mean 0.5. Class 1: alone. Class 2: none has a like neighbour."""
    found = neighbour_weights(np.array([4, 2, 3, 0, 0, 0]), np.array([0, 0, 1, 0, 2, 2]))
    top = sigmoid(3)
    expected = [1, sigmoid(0) / top, 1, sigmoid(-3) / top, 1, 1]
    assert found == pytest.approx(np.array(expected))


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 4)), max_size=30))
def test_weights_rise_with_the_count_in_each_class(pairs):
    counts, types = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    found = neighbour_weights(counts, types)
    assert ((found > 0) & (found <= 1)).all()
    for label in set(types.tolist()):
        order = np.argsort(counts[types == label])
        assert (np.diff(found[types == label][order]) >= 0).all()
        assert found[types == label].max() == 1


# A corpus

TEXTS = [["a", "b"], [], ["c"], ["d", "e"]]


@pytest.mark.parametrize("size", [1, 2, 100])
def test_weights_of_a_corpus(monkeypatch, size):
    monkeypatch.setattr(module, "TEXTS", size)
    found = corpus_weights(TEXTS, TYPES, encode, k=2)
    assert found == pytest.approx(neighbour_weights(np.array([1, 1, 0, 1, 0]), TYPES))


def test_a_word_without_a_vector_takes_no_part():
    texts = [["?", "a", "b"], ["c", "?", "d", "e", "?"]]
    types = np.array([1, *TYPES[:3], 1, *TYPES[3:], 0])
    found = corpus_weights(texts, types, encode, k=2)
    assert found[[0, 4, 7]].tolist() == [1, 1, 1]
    assert found[[1, 2, 3, 5, 6]] == pytest.approx(corpus_weights(TEXTS, TYPES, encode, k=2))
    assert corpus_weights([["?"]], np.array([0]), encode).tolist() == [1]


def test_no_texts():
    assert corpus_weights([], np.zeros(0, int), encode).shape == (0,)
    assert corpus_weights([[]], np.zeros(0, int), encode).shape == (0,)


def test_a_sample_of_references(monkeypatch):
    """One reference: who is of its type has one neighbour of its own type, but for itself."""
    monkeypatch.setattr(module, "TEXTS", 1)
    seen = []
    for seed in range(8):
        counts = np.random.default_rng(seed).choice(5, 1, replace=False)
        expected = (TYPES[counts[0]] == TYPES).astype(int)
        expected[counts] = 0
        found = corpus_weights(TEXTS, TYPES, encode, k=2, limit=1, seed=seed)
        assert found == pytest.approx(neighbour_weights(expected, TYPES))
        seen.append(counts[0])
    assert len(set(seen)) > 1
    whole = corpus_weights(TEXTS, TYPES, encode, k=2, limit=0)
    assert (corpus_weights(TEXTS, TYPES, encode, k=2, limit=5) == whole).all()


# Shards


def silver_doc(words, tags, *, sure=0.8):
    doc = Doc(Vocab(), words=words)
    rows = np.full((len(words), 5), (1 - sure) / 4)
    rows[np.arange(len(words)), tags] = sure
    write_silver(doc, Silver(LABELS, rows, np.full(len(words), 0.8), 0.5, {"x": 1.0}))
    doc.user_data["id"] = " ".join(words)
    return doc


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two shards; "abc" is a name wherever it comes but once."""
    folder = tmp_path_factory.mktemp("neighbours")
    save_tiny_checkpoint(folder / "encoder")
    (folder / "silver").mkdir()
    docs = [silver_doc(["xyz", "abc"], [0, 3]) for _ in range(10)]
    write_docs(folder / "silver/part-00000.spacy", docs)
    odd = [silver_doc(["xyz", "abc"], [0, 0]), silver_doc([], []), silver_doc(["xyz"], [0])]
    write_docs(folder / "silver/part-00001.spacy", odd)
    return folder


def test_an_odd_label_loses_weight_and_nothing_else_changes(world, tmp_path):
    shards = weigh(world / "silver", tmp_path / "new", world / "encoder", k=5)
    assert [shard["docs"] for shard in shards] == [10, 3]
    old, new = (list(read_docs(path, Vocab())) for path in (world / "silver", tmp_path / "new"))
    assert [doc.user_data["id"] for doc in new] == [doc.user_data["id"] for doc in old]
    before, after = ([read_silver(doc) for doc in docs] for docs in (old, new))
    for one, other in zip(before, after, strict=True):
        assert (one.distribution == other.distribution).all()
        assert (one.doc_weight, one.teacher_weights) == (other.doc_weight, other.teacher_weights)
        assert (other.token_weights <= one.token_weights).all()
    weights = np.concatenate([silver.token_weights for silver in after])
    assert weights[:20] == pytest.approx(np.full(20, 0.8))
    assert weights[21] < 0.1
    again = weigh(world / "silver", tmp_path / "again", world / "encoder", k=5)
    assert again == shards


def test_what_is_there_is_not_computed_again(world, tmp_path, monkeypatch):
    first = weigh(world / "silver", tmp_path / "new", world / "encoder", k=5)

    def refuse(*args, **kwargs):
        raise AssertionError("the encoder was loaded")

    with monkeypatch.context() as patch:
        patch.setattr(module, "load_word_features", refuse)
        assert weigh(world / "silver", tmp_path / "new", world / "encoder", k=5) == first
        with pytest.raises(XnerError, match="X411"):
            weigh(world / "silver", tmp_path / "new", world / "encoder", k=6)
    shard(tmp_path / "new", 1).unlink()
    assert weigh(world / "silver", tmp_path / "new", world / "encoder", k=5) == first


def test_another_encoder_is_another_run(world, tmp_path):
    other = save_tiny_checkpoint(tmp_path / "other", seed=1)
    weigh(world / "silver", tmp_path / "new", world / "encoder")
    with pytest.raises(XnerError, match="X411"):
        weigh(world / "silver", tmp_path / "new", other)


def test_what_cannot_be_weighed(world, tmp_path):
    new, encoder = tmp_path / "new", world / "encoder"
    for settings in ({"k": 0}, {"limit": -1}):
        with pytest.raises(XnerError, match=f"X308.*{next(iter(settings))}"):
            weigh(world / "silver", new, encoder, **settings)
    with pytest.raises(XnerError, match="X601"):
        weigh(world / "none", new, encoder)
    with pytest.raises(XnerError, match="X601"):
        weigh(world / "silver", new, tmp_path / "none")
    with pytest.raises(XnerError, match="X433"):
        weigh(world / "silver", world / "silver", encoder, force=True)
    assert not new.exists()
    write_docs(tmp_path / "gold.spacy", [silver_doc(["a"], [0]), Doc(Vocab(), words=["a"])])
    with pytest.raises(XnerError, match="X005.*document 2"):
        weigh(tmp_path / "gold.spacy", new, encoder)


def test_an_empty_file(world, tmp_path):
    write_docs(tmp_path / "empty.spacy", [])
    (shard,) = weigh(tmp_path / "empty.spacy", tmp_path / "new", world / "encoder")
    assert shard["docs"] == 0


# Command line


def run(*arguments):
    result = CliRunner().invoke(app, ["neighbours", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, " ".join(result.output.split())


def test_command(world, tmp_path):
    options = ("--encoder", world / "encoder", "--k", 5, "--layers", 1, "--limit", 0)
    code, output = run(world / "silver", tmp_path / "new", *options)
    assert (code, "13 documents in 2 shards" in output) == (0, True), output
    expected = weigh(
        world / "silver", tmp_path / "b", world / "encoder", k=5, num_hidden_layers=1, limit=0
    )
    assert [(tmp_path / "new" / s["file"]).read_bytes() for s in expected] == [
        (tmp_path / "b" / s["file"]).read_bytes() for s in expected
    ]
    code, output = run(world / "silver", tmp_path / "new", *options[:4])
    assert (code, "[X411]" in output) == (1, True), output
    assert run(world / "silver", tmp_path / "new", *options[:4], "--force")[0] == 0
    code, output = run(world / "silver", tmp_path / "new", "--encoder", tmp_path / "none")
    assert (code, "[X601]" in output) == (1, True), output
