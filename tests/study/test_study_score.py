"""What a cell keeps of predictions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_xner.decode import ScoredEntity
from spacy_xner.spans import set_scored_spans
from spacy_xner.study.score import calibration, pack_counts, score_cell, texts_of

WORDS = ["Ana", "Lee", "met", "Bob", "in", "Lagos"]
GOLD = ["B-PER", "I-PER", "O", "B-PER", "O", "B-LOC"]
VOCAB = Vocab()


def example(*entities):
    """Entities are (start, end, label, score)."""
    found = Doc(VOCAB, words=WORDS)
    found.set_ents(set_scored_spans(found, "xner", [ScoredEntity(*e) for e in entities]))
    return Example(found, Doc(VOCAB, words=WORDS, ents=GOLD))


@given(arrays(np.int64, st.tuples(st.integers(0, 8), st.just(3)), elements=st.integers(0, 35)))
def test_counts_come_back(counts):
    packed = pack_counts(counts)
    columns = [[int(digit, 36) for digit in packed[name]] for name in ("right", "found", "gold")]
    assert np.array_equal(np.array(columns).T.reshape(-1, 3), counts)


def test_more_than_a_digit_counts_as_the_largest():
    assert pack_counts(np.array([[36, 99, 35]])) == {"right": "z", "found": "z", "gold": "z"}


def test_scores_and_counts_of_a_target():
    found = score_cell({"swa": [example((0, 2, "PER", 0.9), (5, 6, "ORG", 0.6))]})
    assert found["counts"] == {"swa": {"right": "1", "found": "2", "gold": "3"}}
    row = found["scores"]["swa"]
    assert (row["precision"], row["recall"]) == (0.5, pytest.approx(1 / 3))
    assert (row["f1"], row["sentences"]) == (pytest.approx(0.4), 1)


def test_slices_say_where_a_model_gains_and_fails():
    examples = {"swa": [example((0, 2, "PER", 0.9), (5, 6, "ORG", 0.6))]}
    slices = score_cell(examples, {"swa": {"Bob", "Ana Lee"}})["slices"]
    assert slices["class"] == {"PER": [1, 1, 2], "ORG": [0, 1, 0], "LOC": [0, 0, 1]}
    assert slices["length"] == {"2": [1, 1, 1], "1": [0, 1, 2]}
    assert slices["seen"] == {"seen": [1, 1, 2], "unseen": [0, 1, 1]}


def test_a_model_of_labels_has_seen_no_silver():
    assert "seen" not in score_cell({"swa": [example((0, 2, "PER", 0.9))]})["slices"]


def test_a_long_entity_stands_with_all_long_ones():
    slices = score_cell({"swa": [example((0, 4, "PER", 0.9))]})["slices"]
    assert slices["length"]["3+"] == [0, 1, 0]


def test_calibration_has_a_row_a_bin():
    rows = calibration([(0.95, True), (0.91, False), (0.2, False)])
    assert len(rows) == 10
    assert rows[9] == [2, pytest.approx(1.86), 1]
    assert rows[1] == [1, pytest.approx(0.2), 0]
    assert sum(row[0] for row in rows) == 3
    assert calibration([]) == []


def test_texts_of_silver():
    doc = Doc(VOCAB, words=WORDS, ents=GOLD)
    assert texts_of([doc]) == {"Ana Lee", "Bob", "Lagos"}
