import json

import pytest
import spacy
from spacy.tokens import Doc

from spacy_xner.errors import XnerError
from spacy_xner.evaluation.report import entity_sets, evaluate, predict

LABELS = ["PER", "LOC", "ORG"]
NAMES = {"Amina": "PER", "Dar": "LOC", "Juma": "PER", "today": "DATE"}


def test_scores_by_hand(make_pipeline, gold):
    # Found: Amina and Dar (right), Juma without Ali (wrong); today is right but does not count.
    report = evaluate(make_pipeline(NAMES), {"swa": gold}, LABELS)
    row = report["languages"]["swa"]
    assert row["micro"] == pytest.approx(
        {"precision": 2 / 3, "recall": 2 / 4, "f1": 4 / 7, "support": 4}
    )
    assert row["per_type"]["PER"]["f1"] == 0.5
    assert row["per_type"]["LOC"]["f1"] == 1.0
    assert row["per_type"]["ORG"] == {"precision": 0, "recall": 0, "f1": 0, "support": 1}
    assert row["spacy"]["ents_p"] == pytest.approx(3 / 4)  # with the date
    assert row["ece"] == pytest.approx(0.75 - 2 / 3)  # without the date
    assert (row["sentences"], row["tokens"]) == (3, 11)
    assert row["words_per_second"] > 0
    assert "comparison" not in report
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_macro_is_the_mean_over_languages(make_pipeline, gold):
    report = evaluate(make_pipeline(NAMES), {"swa": gold, "hau": gold[:1]}, LABELS)
    assert report["languages"]["hau"]["micro"]["f1"] == 1.0
    assert report["macro"]["f1"] == pytest.approx((4 / 7 + 1) / 2)
    assert report["macro"]["ece"] == pytest.approx(((0.75 - 2 / 3) + 0.25) / 2)


def test_without_scores_there_is_no_ece(make_pipeline, gold):
    report = evaluate(make_pipeline(NAMES, scores=False), {"swa": gold}, LABELS)
    assert report["languages"]["swa"]["ece"] is None
    assert report["macro"]["ece"] is None


def test_comparison(make_pipeline, gold):
    good, bad = make_pipeline({**NAMES, "Umoja": "ORG"}), make_pipeline({"Dar": "LOC"})
    report = evaluate(good, {"swa": gold, "hau": gold}, LABELS, against=bad, samples=20)
    comparison = report["comparison"]
    assert list(comparison["languages"]) == ["swa", "hau"]
    row = comparison["languages"]["swa"]
    assert row["f1_a"] == pytest.approx(report["languages"]["swa"]["micro"]["f1"])
    assert row["f1_b"] == pytest.approx(2 * 1 / (1 + 4))
    assert comparison["macro"]["difference"] == pytest.approx(row["difference"])
    itself = evaluate(good, {"swa": gold}, LABELS, against=good, samples=20)["comparison"]
    assert itself["macro"]["difference"] == 0


def test_prediction_does_not_see_the_gold(make_pipeline, gold):
    examples, _ = predict(make_pipeline({"x": "PER"}), gold)
    assert [eg.y for eg in examples] == gold
    assert not any(eg.x.ents for eg in examples)
    assert [eg.x.text for eg in examples] == [doc.text for doc in gold]


def test_predictions_on_missing_gold_do_not_count(make_pipeline):
    nlp = make_pipeline({"a": "PER", "b": "PER"})
    doc = Doc(nlp.vocab, words=["a", "b", "c"], ents=["", "B-PER", "O"])
    examples, _ = predict(nlp, [doc])
    gold, predicted = entity_sets(examples, LABELS)
    assert gold == predicted == [{(1, 2, "PER")}]
    row = evaluate(nlp, {"swa": [doc]}, LABELS)["languages"]["swa"]
    assert row["micro"]["f1"] == row["spacy"]["ents_f"] == 1.0


def test_empty_and_odd_documents(make_pipeline, gold):
    nlp = make_pipeline(NAMES)
    odd = [Doc(nlp.vocab, words=words) for words in ([], [" "], ["\N{GRINNING FACE}", "\u200f"])]
    row = evaluate(nlp, {"swa": [*odd, *gold]}, LABELS)["languages"]["swa"]
    assert row["micro"]["f1"] == pytest.approx(4 / 7)
    assert row["sentences"] == 6


@pytest.mark.parametrize("labels", [["PERSON"], ["per"]])
def test_labels_that_the_gold_lacks(make_pipeline, gold, labels):
    with pytest.raises(XnerError, match="X502.*'swa'.*DATE, LOC, ORG, PER"):
        evaluate(make_pipeline(NAMES), {"swa": gold}, labels)


def test_gold_without_annotation(make_pipeline):
    docs = [spacy.blank("xx")("Amina")]
    for gold in ([], docs):
        with pytest.raises(XnerError, match="X502.*none"):
            evaluate(make_pipeline(NAMES), {"swa": gold}, LABELS)


def test_pipelines_that_change_tokens(make_pipeline, gold):
    nlp = make_pipeline({"Juma Ali": "PER"}, scores=False)
    nlp.add_pipe("merge_entities")
    with pytest.raises(XnerError, match="X503.*'swa'.*document 1"):
        evaluate(nlp, {"swa": gold}, LABELS)
