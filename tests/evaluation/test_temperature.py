from pathlib import Path

import numpy as np
import pytest
import spacy
from handmade import ruler_pipeline, xner_pipeline
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_xner.errors import XnerError
from spacy_xner.evaluation import temperature as module
from spacy_xner.evaluation.temperature import (
    HIGHEST,
    LOWEST,
    calibrate,
    configured_temperature,
    fit_temperature,
    negative_log_likelihood,
    set_temperature,
)
from spacy_xner.pipeline.find import find_xner, run_before

CONFIGS = Path(__file__).parents[2] / "configs"

# The fit, on arrays


def two_tags(margin, right, wrong):
    """Tokens whose first tag leads by a margin, and how many of them it is right for."""
    logits = np.tile([margin, 0.0], (right + wrong, 1))
    target = np.array([[1.0, 0.0]] * right + [[0.0, 1.0]] * wrong)
    return logits, target, np.ones(right + wrong)


@st.composite
def problems(draw):
    """Random tokens: logits, distributions (some one-hot), weights."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    tokens, tags = draw(st.integers(2, 40)), draw(st.integers(2, 7))
    logits = random.normal(size=(tokens, tags)) * draw(st.floats(0.5, 10))
    target = random.dirichlet(np.ones(tags), size=tokens)
    if draw(st.booleans()):
        target = np.eye(tags)[random.integers(tags, size=tokens)]
    return logits, target, random.choice([0.0, 0.5, 1.0], size=tokens, p=[0.2, 0.2, 0.6])


def inside(found):
    return LOWEST * 1.01 < found < HIGHEST / 1.01


@pytest.mark.parametrize(("margin", "right", "wrong"), [(4, 3, 1), (0.5, 9, 1), (30.0, 99, 1)])
def test_by_hand(margin, right, wrong):
    """The probability of the leading tag, 1 / (1 + exp(-margin / T)), becomes its accuracy."""
    problem = two_tags(margin, right, wrong)
    best = fit_temperature(*problem)
    assert best == pytest.approx(margin / np.log(right / wrong), rel=1e-12)
    share = right / (right + wrong)
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert negative_log_likelihood(*problem, best) == pytest.approx(entropy, rel=1e-12)


def test_likelihood_by_hand():
    logits, target = np.array([[0.0, np.log(3)], [0.0, 0.0]]), np.eye(2)
    expected = (np.log(4) + np.log(2)) / 2  # 1/4 for the first tag, 1/2 for the second
    assert negative_log_likelihood(logits, target, np.ones(2)) == pytest.approx(expected)
    colder = -np.log(1 / (1 + 9))  # at T = 1/2 it is 1 to 9
    assert negative_log_likelihood(logits, target, np.array([1.0, 0.0]), 0.5) == pytest.approx(
        colder
    )


@given(problems())
def test_no_temperature_is_better(problem):
    best = fit_temperature(*problem)
    least = negative_log_likelihood(*problem, best)
    for other in (1.0, *np.geomspace(LOWEST, HIGHEST, 50)):
        assert least <= negative_log_likelihood(*problem, other) + 1e-9
    assert LOWEST <= best <= HIGHEST


@given(problems())
def test_the_slope_at_the_best_is_zero(problem):
    """Both the formula of docs/methods.md and a difference quotient."""
    logits, target, weights = problem
    best = fit_temperature(*problem)
    if not inside(best) or not weights.any():
        return
    beta, step = 1 / best, 1e-5 / best
    p = np.exp(beta * logits)
    p /= p.sum(axis=1, keepdims=True)
    formula = weights @ ((p - target) * logits).sum(axis=1)
    assert formula == pytest.approx(0.0, abs=1e-8)
    around = [negative_log_likelihood(*problem, 1 / (beta + d)) for d in (step, -step)]
    assert (around[0] - around[1]) / (2 * step) == pytest.approx(0.0, abs=1e-4)


@given(problems(), st.floats(0.2, 5))
def test_scaled_logits_scale_the_temperature(problem, factor):
    logits, target, weights = problem
    once = fit_temperature(*problem)
    scaled = fit_temperature(factor * logits, target, weights)
    if inside(once) and inside(scaled) and weights.any():
        assert scaled == pytest.approx(factor * once, rel=1e-6)


@given(problems())
def test_tokens_without_weight_and_shifted_logits_change_nothing(problem):
    logits, target, weights = problem
    heard = weights > 0
    best = fit_temperature(*problem)
    assert fit_temperature(logits + 7.0, target, weights) == pytest.approx(best, rel=1e-6)
    if heard.any():
        part = fit_temperature(logits[heard], target[heard], weights[heard])
        assert part == pytest.approx(best, rel=1e-6)


def test_a_weight_counts_as_often():
    logits, target, _ = two_tags(2.0, 2, 1)
    best = fit_temperature(logits, target, np.array([1.0, 0.5, 0.5]))
    assert best == pytest.approx(2 / np.log(3), rel=1e-12)


def test_bounds():
    assert fit_temperature(*two_tags(3.0, 5, 0)) == LOWEST
    assert fit_temperature(*two_tags(3.0, 2, 2)) == HIGHEST
    assert fit_temperature(*two_tags(3.0, 1, 4)) == HIGHEST
    assert fit_temperature(*two_tags(0.0, 3, 1)) == 1.0
    assert fit_temperature(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0)) == 1.0


# The fit, on a pipeline

RIGHT = (["Ana", "met", "Bob", "in", "Lagos"], ["B-PER", "O", "B-PER", "O", "B-LOC"])
WRONG = (["Ana", "met", "Bob", "in", "Lagos"], ["O", "O", "B-PER", "O", "B-PER"])


@pytest.fixture(scope="module")
def nlp():
    return xner_pipeline()


def make(*kinds, vocab=None):
    vocab = vocab or Vocab()
    return [Doc(vocab, words=words, ents=tags) for words, tags in kinds]


@pytest.fixture
def dev():
    return make(*[RIGHT] * 17, *[WRONG] * 5)


def test_calibration_of_a_pipeline(nlp, dev):
    """The measures are those that the pipeline itself has with the temperature."""
    before, after = calibrate(nlp, dev)
    pipe = nlp.get_pipe("xner")
    assert before.temperature == pipe.temperature == 1.0
    assert after.nll < before.nll
    assert after.ece < before.ece
    pipe.temperature = after.temperature
    try:
        rows = pipe.predict([nlp.make_doc("Ana met Bob in Lagos")])[0]
        again = calibrate(nlp, dev)
    finally:
        pipe.temperature = 1.0
    column = {"O": 0, "B-LOC": 1, "I-LOC": 2, "B-PER": 3, "I-PER": 4}
    logs = [
        np.log(rows[i, column[tag]])
        for _, tags in [RIGHT] * 17 + [WRONG] * 5
        for i, tag in enumerate(tags)
    ]
    assert after.nll == pytest.approx(-np.mean(logs), rel=1e-5)
    assert [row.temperature for row in again] == [after.temperature] * 2
    assert again[0] == again[1] == after


def test_error_of_the_scores_is_that_of_the_evaluation(nlp, dev):
    from spacy_xner.evaluation.report import predict, score_language

    examples, _ = predict(nlp, dev)
    ece = score_language(examples, ["LOC", "PER"])["ece"]
    assert calibrate(nlp, dev)[0].ece == pytest.approx(ece, abs=1e-6)


def test_a_threshold_hides_nothing_from_the_error(nlp, dev, monkeypatch):
    expected = calibrate(nlp, dev)
    monkeypatch.setattr(nlp.get_pipe("xner"), "threshold", 1.0)
    assert calibrate(nlp, dev) == expected


def test_the_temperature_of_a_config(nlp, tmp_path):
    nlp.to_disk(tmp_path / "model")
    config = tmp_path / "model/config.cfg"
    assert configured_temperature(config) == 1.0
    assert set_temperature(config.parent, 2.5)
    assert configured_temperature(config) == 2.5
    config.write_text(config.read_text("utf8").replace("temperature = 2.5\n", ""), "utf8")
    assert configured_temperature(config) == 1.0
    assert configured_temperature(CONFIGS / "student_trf.cfg") == 1.0
    assert configured_temperature(CONFIGS / "student_ner.cfg") is None
    with pytest.raises(XnerError, match="X601"):
        configured_temperature(tmp_path / "none.cfg")
    config.write_text("[nlp\n", encoding="utf8")
    with pytest.raises(XnerError, match="X607"):
        configured_temperature(config)


def test_missing_tokens_and_empty_documents_count_for_nothing(nlp, dev):
    silent = Doc(Vocab(), words=["Ana", "met", "Lagos"])  # without any annotation
    more, fewer = calibrate(nlp, [*dev, silent, Doc(Vocab())]), calibrate(nlp, dev)
    for found, expected in zip(more, fewer, strict=True):
        assert found == pytest.approx(expected, rel=1e-9)


def test_labels_go_through_the_map_of_the_component(nlp, dev, monkeypatch):
    words, tags = RIGHT
    other = (words, [tag.replace("PER", "PERSON") for tag in tags])
    monkeypatch.setattr(nlp.get_pipe("xner"), "label_map", {"PERSON": "PER"})
    named = make(*[other] * 17, *[WRONG] * 5)
    assert calibrate(nlp, named) == calibrate(nlp, dev)


def test_what_cannot_be_calibrated(nlp, dev, make_silver):
    with pytest.raises(XnerError, match="X506.*entity_ruler"):
        calibrate(ruler_pipeline({"Ana": "PER"}), dev)
    with pytest.raises(XnerError, match="X507.*document 22"):
        calibrate(nlp, [*dev, make_silver(dev[0])])
    (kept,) = DocBin(docs=[make_silver(dev[0])]).get_docs(Vocab())
    assert not kept.user_data
    with pytest.raises(XnerError, match="X507.*document 0"):
        calibrate(nlp, [kept])
    with pytest.raises(XnerError, match="X508.*0 entities of LOC, PER"):
        calibrate(nlp, make(*[(["nobody", "came"], ["O", "O"])] * 60))
    with pytest.raises(XnerError, match="X508.*95 tokens.*100"):
        calibrate(nlp, dev[:19])
    with pytest.raises(XnerError, match="X508.*0 tokens"):
        calibrate(nlp, [])
    with pytest.raises(XnerError, match=r"X509.*0\.05 and 20"):
        calibrate(nlp, make(*[RIGHT] * 20))


SEEN = []


@Language.component("xner_test_seen")
def seen(doc):
    SEEN.append(doc.text)
    return doc


def test_components_before_it_run_and_others_do_not(dev):
    """The model may read what they write."""
    nlp = xner_pipeline()
    nlp.add_pipe("xner_test_seen", before="xner")
    for name, options in (("early", {"before": "xner"}), ("late", {"after": "xner"})):
        ruler = nlp.add_pipe("entity_ruler", name=name, **options)
        ruler.add_patterns([{"label": name, "pattern": "Lagos" if name == "late" else "met"}])
    pipe = find_xner(nlp)
    assert pipe is nlp.get_pipe("xner")
    (doc,) = run_before(nlp, pipe, [nlp.make_doc("Ana met Bob in Lagos")])
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("met", "early")]
    assert find_xner(spacy.blank("xx")) is None
    SEEN.clear()
    calibrate(nlp, dev)
    assert [doc.text for doc in dev] == SEEN


# Written into a saved pipeline


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_only_the_config_changes(nlp, tmp_path):
    nlp.to_disk(tmp_path)
    before = files(tmp_path)
    assert set_temperature(tmp_path, 1.75)
    after = files(tmp_path)
    config = tmp_path / "config.cfg"
    assert [path for path in before if before[path] != after[path]] == [config]
    assert set(before) == set(after)
    lines = [text[config].decode().splitlines() for text in (before, after)]
    assert [(a, b) for a, b in zip(*lines, strict=True) if a != b] == [
        ("temperature = 1.0", "temperature = 1.75")
    ]
    assert spacy.load(tmp_path).get_pipe("xner").temperature == 1.75


def test_the_same_temperature_leaves_the_file_alone(nlp, tmp_path, monkeypatch):
    nlp.to_disk(tmp_path)
    written = []
    monkeypatch.setattr(module, "write_bytes", lambda path, data: written.append(path))
    assert not set_temperature(tmp_path, 1.0)
    assert not set_temperature(tmp_path, 1.0005)
    assert written == []
    assert set_temperature(tmp_path, 1.002)
    assert written == [tmp_path / "config.cfg"]


def test_the_last_of_several_is_set(nlp, tmp_path):
    two = xner_pipeline()
    two.add_pipe("xner", name="second", source=nlp)
    two.to_disk(tmp_path)
    assert set_temperature(tmp_path, 3.0)
    loaded = spacy.load(tmp_path)
    assert loaded.get_pipe("xner").temperature == 1.0
    assert find_xner(loaded) is loaded.get_pipe("second")
    assert find_xner(loaded).temperature == 3.0


def test_nothing_to_write_into(tmp_path):
    with pytest.raises(XnerError, match="X603"):
        set_temperature(tmp_path / "none", 2.0)
    ruler_pipeline({"Ana": "PER"}).to_disk(tmp_path)
    before = files(tmp_path)
    with pytest.raises(XnerError, match="X506.*entity_ruler"):
        set_temperature(tmp_path, 2.0)
    assert files(tmp_path) == before
