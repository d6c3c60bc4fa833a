import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_xner.evaluation.pair_scorer import average_precision, make_pair_scorer, pair_scores


def test_average_precision_by_hand():
    # Right at ranks 1 and 3 of 4: (1 + 2/3) / 2.
    assert average_precision([0.9, 0.8, 0.7, 0.1], [1, 0, 1, 0]) == pytest.approx(5 / 6)
    assert average_precision([0.1, 0.2], [0, 1]) == 1.0
    # All alike is one step: precision is the share of what is right.
    assert average_precision([0.5] * 4, [1, 0, 0, 0]) == 0.25
    assert average_precision([0.5, 0.2], [0, 0]) is None
    assert average_precision([], []) is None


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.booleans()), min_size=1))
def test_average_precision_is_scikit_learns(items):
    sklearn = pytest.importorskip("sklearn.metrics")
    scores, correct = zip(*items, strict=True)
    if any(correct):
        expected = sklearn.average_precision_score(correct, scores)
        assert average_precision(scores, correct) == pytest.approx(expected)


def test_pair_scores_by_hand():
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    pairs = (np.array([0, 0]), np.array([1, 2]))
    scores = pair_scores(vectors, np.array([0, 0, 1]), pairs, kind="rescaled")
    # 0.995 for a pair that is right, 0.005 for one that is wrong.
    assert scores == pytest.approx({"pairs_ap": 1.0, "pairs_ece": 0.005})
    scores = pair_scores(vectors, np.array([0, 1, 0]), pairs, kind="rescaled")
    assert scores == pytest.approx({"pairs_ap": 0.5, "pairs_ece": 0.995})


def test_scorer_draws_seeded_pairs_across_documents():
    """Of four one-word documents all pairs lie across; the missing one is in none."""
    vocab = Vocab()
    tags = [["B-PER"], ["B-PER"], ["O"], ["O"]]
    gold = [Doc(vocab, words=[str(i)], ents=ents) for i, ents in enumerate(tags)]
    gold.append(Doc(vocab, words=["5"]))
    examples = [Example(Doc(vocab, words=[d.text]), d) for d in gold]
    vectors = (
        [np.array([[1.0, 0.0]])] * 2 + [np.array([[0.0, 1.0]])] * 2 + [np.full((1, 2), np.nan)]
    )
    found = {"vectors": vectors, "labels": ["PER"], "similarity": "published"}
    scores = make_pair_scorer()(examples, **found, pairs=7)
    assert scores["pairs_ap"] == 1.0
    # Six pairs, half alike: |0.731 - 1| and |0.5 - 0|.
    assert scores["pairs_ece"] == pytest.approx(0.5 * (1 - 0.73106) + 0.5 * 0.5, abs=1e-4)
    assert make_pair_scorer(max_pairs=3, seed=4)(examples, **found) == make_pair_scorer(
        max_pairs=3, seed=4
    )(examples, **found)
