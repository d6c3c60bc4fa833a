import subprocess
import sys

import pytest
import spacy
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example

from spacy_xner.evaluation.scorer import make_xner_scorer

NLP = spacy.blank("xx")
WORDS = ["a", "b", "c", "d"]


def make_example(gold, predicted, scores):
    y = Doc(NLP.vocab, words=WORDS, ents=gold)
    x = Doc(NLP.vocab, words=WORDS, ents=predicted)
    x.spans["xner"] = SpanGroup(
        x, spans=[Span(x, e.start, e.end, e.label) for e in x.ents], attrs={"scores": scores}
    )
    return Example(x, y)


def test_scores_by_hand():
    right = make_example(["B-PER", "I-PER", "O", "B-LOC"], ["B-PER", "I-PER", "O", "O"], [0.9])
    wrong = make_example(["O", "O", "O", "O"], ["O", "B-LOC", "O", "O"], [0.6])
    scores = make_xner_scorer()([right, wrong])
    assert scores["ents_p"] == scores["ents_r"] == scores["ents_f"] == 0.5
    assert scores["ents_per_type"]["PER"] == {"p": 1.0, "r": 1.0, "f": 1.0}
    assert scores["xner_ece"] == pytest.approx(0.5 * 0.1 + 0.5 * 0.6)


def test_nothing_to_score_is_none():
    unannotated = make_example(None, ["B-PER", "O", "O", "O"], [0.5])
    empty = {"ents_p": None, "ents_r": None, "ents_f": None, "ents_per_type": None}
    assert make_xner_scorer()([unannotated]) == {**empty, "xner_ece": None}
    assert make_xner_scorer()([]) == {**empty, "xner_ece": None}


def test_examples_may_be_a_generator():
    eg = make_example(["B-PER", "O", "O", "O"], ["B-PER", "O", "O", "O"], [1.0])
    scores = make_xner_scorer()(eg for _ in range(2))
    assert (scores["ents_f"], scores["xner_ece"]) == (1.0, 0.0)


def test_other_group():
    eg = make_example(["B-PER", "O", "O", "O"], ["B-PER", "O", "O", "O"], [0.75])
    eg.x.spans["silver"] = eg.x.spans["xner"].copy()
    del eg.x.spans["xner"]
    assert make_xner_scorer()([eg])["xner_ece"] is None
    assert make_xner_scorer(spans_key="silver")([eg])["xner_ece"] == pytest.approx(0.25)


def test_the_component_says_where_its_spans_are():
    """The scorer is made without knowing `spans_key`, and asked with it."""
    nlp = spacy.blank("xx")
    pipe = nlp.add_pipe("xner", config={"spans_key": "mine"})
    eg = make_example(["B-PER", "O", "O", "O"], ["B-PER", "O", "O", "O"], [0.75])
    eg.x.spans["mine"] = eg.x.spans["xner"].copy()
    del eg.x.spans["xner"]
    assert pipe.score([eg])["xner_ece"] == pytest.approx(0.25)
    assert pipe.score([eg], spans_key="xner")["xner_ece"] is None
    assert make_xner_scorer("xner")([eg], spans_key="mine")["xner_ece"] == pytest.approx(0.25)


def test_scorer_runs_in_the_core_installation():
    """The packaged student is evaluated where the training extra is not installed."""
    code = (
        "import sys\n"
        "blocked = ('seqeval', 'sklearn', 'torch', 'transformers', 'spacy_transformers')\n"
        "sys.modules.update(dict.fromkeys(blocked))\n"  # None: importing it is an ImportError
        "from spacy_xner.evaluation.scorer import make_xner_scorer\n"
        "print(make_xner_scorer()([]))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "xner_ece" in result.stdout


def test_scorer_imports_no_training_package():
    code = (
        "import sys, spacy\n"
        "before = set(sys.modules)\n"
        "import spacy_xner.evaluation.scorer\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(new & {'seqeval', 'sklearn', 'scipy', 'torch', 'transformers'}))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == ""
