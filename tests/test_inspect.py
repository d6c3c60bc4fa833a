import json

import numpy as np
import pytest
from spacy.tokens import Doc, Span, SpanGroup
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_xner.cli import app
from spacy_xner.decode import ScoredEntity
from spacy_xner.errors import XnerError
from spacy_xner.inspect import describe, teacher_votes
from spacy_xner.shards import write_docs
from spacy_xner.silver import Silver, read_silver, set_hard_reading, write_silver

# Columns: O, B-LOC, I-LOC, B-PER, I-PER. In 255ths, so that storing them loses nothing.
SURE = np.array([0, 0, 0, 255, 0]) / 255
TORN = np.array([0, 102, 0, 153, 0]) / 255
OUT = np.array([255, 0, 0, 0, 0]) / 255
TORN_ENTROPY = -(0.4 * np.log(0.4) + 0.6 * np.log(0.6))


def silver_doc(words, rows, entities, *, votes=None, threshold=0.5, shares=(0.5, 0.5)):
    doc = Doc(Vocab(), words=words)
    rows = np.array(rows).reshape(len(words), 5)
    teachers = dict(zip("ab", shares, strict=True))
    write_silver(doc, Silver(("LOC", "PER"), rows, np.ones(len(words)), 1.0, teachers))
    found = [ScoredEntity(*entity) for entity in entities]
    best = rows.max(axis=1) if len(words) else np.zeros(0)
    set_hard_reading(doc, found, best, threshold=threshold)
    for name, spans in (votes or {}).items():
        group = [Span(doc, a, b, label=label) for a, b, label in spans]
        doc.spans[f"silver/{name}"] = SpanGroup(doc, spans=group)
    doc.user_data["id"] = " ".join(words)
    return doc


@pytest.fixture
def docs():
    one = silver_doc(
        ["Ana", "met", "Bob"],
        [SURE, OUT, TORN],
        [(0, 1, "PER", 1.0), (2, 3, "PER", 0.6)],
        votes={"a": [(0, 1, "PER"), (2, 3, "PER")], "b": [(0, 1, "PER"), (2, 3, "LOC")]},
        threshold=0.7,
        shares=(0.75, 0.25),
    )
    two = silver_doc(["Lagos"], [TORN], [(0, 1, "LOC", 0.4)], votes={"a": [], "b": []})
    return [one, two]


def test_figures_of_a_hand_made_set(docs):
    found = describe(docs)
    assert (found["docs"], found["tokens"]) == (2, 4)
    assert found["entities"] == {
        "LOC": {"count": 1, "score": pytest.approx(0.4)},
        "PER": {"count": 2, "score": pytest.approx(0.8)},
    }
    assert found["missing"] == pytest.approx(2 / 4)
    assert found["entropy"] == pytest.approx(2 * TORN_ENTROPY / 4)
    assert found["confidence"] == pytest.approx(((1 + 1 + 0.6) / 3 + 0.6) / 2)
    assert found["weights"] == {"a": pytest.approx(0.625), "b": pytest.approx(0.375)}
    # Two entities each, one of them the same.
    assert found["agreement"] == {"a b": pytest.approx(0.5)}


def test_most_disputed_first(docs):
    found = describe(docs)["disputed"]
    assert [entry["text"].strip() for entry in found] == ["Lagos", "Ana met Bob"]
    assert found[0]["entropy"] == pytest.approx(TORN_ENTROPY)
    assert found[1]["entropy"] == pytest.approx(TORN_ENTROPY / 3)
    assert found[1]["id"] == "Ana met Bob"
    assert found[1]["votes"] == {
        "a": [(0, 1, "PER"), (2, 3, "PER")],
        "b": [(0, 1, "PER"), (2, 3, "LOC")],
    }


@pytest.mark.parametrize("top", [0, 1, 3])
def test_only_the_top_is_kept_however_many_come(top):
    doubt = {60: 100 / 255, 61: 90 / 255, 200: 120 / 255, 399: 80 / 255}
    shares = [doubt.get(i, 0.0) for i in range(400)]
    many = (silver_doc([f"w{i}"], [OUT - p * OUT + p * SURE], []) for i, p in enumerate(shares))
    found = describe(many, top=top)
    assert found["docs"] == 400
    expected = ["w200", "w60", "w61"][:top]
    assert [entry["text"].strip() for entry in found["disputed"]] == expected


def test_documents_without_tokens_or_votes():
    found = describe([silver_doc([], [], [])])
    assert (found["tokens"], found["entropy"], found["missing"]) == (0, 0.0, 0.0)
    assert found["agreement"] == {}
    assert describe([])["docs"] == 0


def test_agreement_where_nobody_found_anything():
    found = describe([silver_doc(["rain"], [OUT], [], votes={"a": [], "b": []})])
    assert found["agreement"] == {"a b": None}


def test_pairs_of_teachers_have_one_order():
    """Whatever the order of the groups in a document."""
    spans = [(0, 1, "PER")]
    one = silver_doc(["Ana"], [SURE], [], votes={"a": spans, "b": spans})
    two = silver_doc(["Ana"], [SURE], [], votes={"b": spans, "a": []})
    assert describe([one, two])["agreement"] == {"a b": pytest.approx(2 / 3)}


def test_votes_of_a_document(docs):
    assert teacher_votes(docs[1]) == {"a": set(), "b": set()}
    assert teacher_votes(Doc(Vocab(), words=["x"])) == {}


def test_documents_that_are_not_silver(docs):
    with pytest.raises(XnerError, match=r"X005.*document 3"):
        describe([*docs, Doc(Vocab(), words=["x"])])
    docs[0].spans["silver"].attrs["scores"] = [1.0]
    with pytest.raises(XnerError, match=r"X005.*document 1.*scores?"):
        describe(docs)
    del docs[0].spans["silver"]
    with pytest.raises(XnerError, match=r"X005.*document 1"):
        describe(docs)


def inspect(*arguments):
    result = CliRunner().invoke(app, ["inspect", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_table(docs, tmp_path):
    write_docs(tmp_path / "part-00000.spacy", docs)
    code, output = inspect(tmp_path, "--output", tmp_path / "deep" / "figures.json")
    assert code == 0, output
    assert "2 documents, 4 tokens" in output
    lines = [line.split() for line in output.splitlines()]
    assert ["LOC", "1", "0.400"] in lines
    assert ["PER", "2", "0.800"] in lines
    assert ["a", "0.625"] in lines
    assert ["a", "b", "50.0"] in lines
    assert "tokens marked missing 50.00 %" in " ".join(output.split())
    assert output.index("Lagos") < output.index("Ana met Bob")
    assert "b: 0-1 PER, 2-3 LOC" in output
    saved = json.loads((tmp_path / "deep" / "figures.json").read_text("utf8"))
    assert saved["entities"]["PER"]["count"] == 2


def test_table_without_disputed_sentences(docs, tmp_path):
    write_docs(tmp_path / "a.spacy", docs)
    code, output = inspect(tmp_path / "a.spacy", "--top", "0")
    assert code == 0
    assert "Lagos" not in output


def test_what_cannot_be_inspected(docs, tmp_path):
    assert inspect(tmp_path / "none")[0] == 1
    write_docs(tmp_path / "plain.spacy", [Doc(Vocab(), words=["x"])])
    code, output = inspect(tmp_path / "plain.spacy")
    assert (code, "[X005]" in output) == (1, True)
    docs[0].user_data["xner"]["version"] = 2
    write_docs(tmp_path / "newer.spacy", docs)
    code, output = inspect(tmp_path / "newer.spacy")
    assert (code, "[X004]" in output) == (1, True)


def test_where_nobody_was_heard_nobody_disputes(docs):
    silent = silver_doc(["Kofi", "left"], [[0.2] * 5] * 2, [], shares=(0.0, 0.0))
    write_silver(silent, read_silver(silent)._replace(doc_weight=0.0))
    found = describe([silent, *docs])["disputed"]
    assert found[-1]["text"] == "Kofi left "
