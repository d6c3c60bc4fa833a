import sys
import warnings

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example

from spacy_xner.errors import XnerError
from spacy_xner.evaluation.bootstrap import f1_from_counts, sentence_counts
from spacy_xner.evaluation.scorer import make_xner_scorer
from spacy_xner.evaluation.strict import strict_scores
from spacy_xner.labels import entities_to_tags, tags_to_entities

NLP = spacy.blank("xx")
LABELS = ["PER", "LOC", "ORG"]
ZEROS = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}


@st.composite
def tag_pairs(draw):
    """Gold and predicted tags of some sentences, both valid IOB2."""
    any_tag = st.sampled_from(["O", "O", *(f"{p}-{label}" for label in LABELS for p in "BI")])
    pairs = []
    for length in draw(st.lists(st.integers(1, 6), min_size=1, max_size=5)):
        raw = [draw(st.lists(any_tag, min_size=length, max_size=length)) for _ in range(2)]
        pairs.append([entities_to_tags(length, tags_to_entities(tags)) for tags in raw])
    gold, predicted = zip(*pairs, strict=True)
    return list(gold), list(predicted)


@given(tag_pairs())
def test_counts_seqeval_and_spacy_agree(pair):
    gold, predicted = pair
    strict = strict_scores(gold, predicted, LABELS)["micro"]["f1"]
    counts = sentence_counts(map(tags_to_entities, gold), map(tags_to_entities, predicted))
    examples = [
        Example(
            Doc(NLP.vocab, words=["w"] * len(g), ents=p),
            Doc(NLP.vocab, words=["w"] * len(g), ents=g),
        )
        for g, p in zip(gold, predicted, strict=True)
    ]
    assert f1_from_counts(counts) == pytest.approx(strict)
    assert (make_xner_scorer()(examples)["ents_f"] or 0.0) == pytest.approx(strict)


def test_scores_by_hand():
    gold = [["B-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "O"]]
    predicted = [["B-PER", "O", "O", "B-LOC"], ["O", "B-ORG"]]
    scores = strict_scores(gold, predicted, LABELS)
    assert scores["micro"] == pytest.approx(
        {"precision": 1 / 3, "recall": 1 / 3, "f1": 1 / 3, "support": 3}
    )
    assert scores["per_type"]["LOC"] == pytest.approx(
        {"precision": 1.0, "recall": 0.5, "f1": 2 / 3, "support": 2}
    )
    assert scores["per_type"]["PER"]["support"] == 1
    assert scores["per_type"]["ORG"] == ZEROS


def test_an_entity_must_begin_with_b():
    """Strict: what the default mode of seqeval would count as an entity is none here."""
    scores = strict_scores([["B-PER", "I-PER"]], [["I-PER", "I-PER"]], LABELS)
    assert scores["micro"]["f1"] == 0.0
    scores = strict_scores([["B-PER", "O"]], [["B-PER", "I-LOC"]], LABELS)
    assert scores["micro"]["f1"] == 1.0


def test_other_classes_count_as_o():
    gold = [["B-DATE", "I-DATE", "B-PER", "O"]]
    predicted = [["O", "B-MISC", "B-PER", "B-DATE"]]
    scores = strict_scores(gold, predicted, LABELS)
    assert scores["micro"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1}
    assert list(scores["per_type"]) == LABELS


@pytest.mark.parametrize(
    "gold, predicted",
    [([], []), ([[]], [[]]), ([["O", "O"]], [["O", "I-PER"]]), ([["B-DATE"]], [["B-DATE"]])],
)
def test_nothing_to_score_is_zero_without_a_warning(gold, predicted):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = strict_scores(gold, predicted, LABELS)
    assert scores == {"micro": ZEROS, "per_type": dict.fromkeys(LABELS, ZEROS)}


def test_absent_classes_give_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = strict_scores([["B-PER", "O"]], [["O", "B-LOC"]], LABELS)
    assert scores["micro"]["support"] == 1


def test_not_a_tag():
    with pytest.raises(XnerError, match="X001"):
        strict_scores([["PER"]], [["O"]], LABELS)


def test_without_seqeval(monkeypatch):
    monkeypatch.setitem(sys.modules, "seqeval.metrics", None)
    with pytest.raises(XnerError, match=r"X505.*spacy-xner\[train\]"):
        strict_scores([["O"]], [["O"]], LABELS)
