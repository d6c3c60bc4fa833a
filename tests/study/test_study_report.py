"""The page as a text: its answers, what it embeds, and what it lets in."""

import base64
import hashlib
import json
import re
import sys

import pytest
from handmade import call
from hypothesis import given
from hypothesis import strategies as st
from made_cells import (
    SENTENCES,
    payload,
    silver_doc,
    whole_study,
    write,
    write_silver_folder,
)
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_xner.errors import XnerError
from spacy_xner.shards import write_docs
from spacy_xner.study.plots import plot_curves
from spacy_xner.study.report import embed, headlines, render, sentence
from spacy_xner.study.results import expected_file, read_cells
from spacy_xner.study.silver_sample import LONGEST, describe_sentence, sample_silver
from spacy_xner.study.summary import summarise

HOSTILE = "</script><script>alert(1)</script><!--\u2028'\"&{{data}}<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """A folder with the cells of a whole study."""
    return write(tmp_path_factory.mktemp("study") / "cells", *whole_study())


@pytest.fixture(scope="module")
def summary(cells):
    return summarise(read_cells(cells), samples=2000)


def data_of(page):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return json.loads(text)


def answer(**changes):
    found = {
        "question": 1,
        "setting": "rich",
        "mode": "one",
        "k": 4,
        "a": "weighted",
        "b": "single-mean",
        "comparison": {
            "difference": 0.031,
            "interval": [0.02, 0.042],
            "adjusted": 0.0041,
            "seeds": 3,
            "sign": {"wins": 8, "losses": 1, "ties": 0, "p_value": 0.0391},
        },
        "verdict": "better",
        "preliminary": False,
    }
    return found | changes


# Words


def test_an_answer_in_words():
    assert sentence(answer()) == (
        "With 4 sources, the weighted student is better than the mean single-source student by "
        "3.1 points (95 % interval +2.0 to +4.2; p = 0.004, corrected for the number of "
        "comparisons). It is ahead on 8 of 9 languages (sign test, p = 0.039)."
    )


def test_answers_of_all_kinds():
    found = answer()["comparison"]
    assert "not measured yet" in sentence(answer(comparison=None, verdict="missing"))
    unsure = {**found, "difference": -0.004, "interval": [-0.02, 0.0001]}
    text = sentence(answer(comparison=unsure, verdict="open"))
    assert "is not told apart from" in text
    assert "−0.4 points (95 % interval −2.0 to 0.0;" in text
    worse = {**found, "difference": -0.05, "interval": [-0.07, -0.03]}
    assert "worse than the mean single-source student by 5.0 points" in sentence(
        answer(comparison=worse, verdict="worse")
    )
    few = sentence(answer(comparison={**found, "seeds": 1}, preliminary=True, k=1))
    assert few.startswith("With 1 source, ")
    assert few.endswith("Preliminary: 1 seed, where three are needed.")


def test_headlines_tell_the_largest_number_of_sources():
    several = [answer(question=2, b="direct", k=k) for k in (1, 4)]
    several.append(answer(question=2, b="direct", k=8, comparison=None, verdict="missing"))
    first, second = headlines({"questions": several})
    assert first["answers"][0]["text"] == "Not measured yet."
    (told,) = second["answers"]
    assert told["text"].startswith("With 4 sources")
    assert told["where"] == "rich, one model for all targets"


def test_headlines_leave_out_what_is_only_planned_elsewhere():
    absent = answer(setting="family", comparison=None, verdict="missing")
    assert len(headlines({"questions": [answer(), absent]})[0]["answers"]) == 1
    assert len(headlines({"questions": [absent]})[0]["answers"]) == 1


def test_headlines_of_a_whole_study(summary):
    texts = [x["text"] for part in headlines(summary["sections"][0]) for x in part["answers"]]
    assert any("better than the mean single-source student" in text for text in texts)
    # An interval without zero (+0.6 to +3.7), but one of many comparisons.
    (unsure,) = [x for x in texts if "teachers is not told apart from the weighted student" in x]
    assert "interval +" in unsure


# What is embedded


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)


@given(JSON)
def test_embedded_json_is_the_same_and_cannot_end_its_element(data):
    text = embed(data)
    assert json.loads(text) == data
    assert text.isascii()
    assert not set("<>&\n\r") & set(text)


def test_no_number_that_javascript_cannot_read():
    with pytest.raises(ValueError, match="JSON"):
        embed({"a": float("nan")})


def test_a_hostile_cell_stays_text(tmp_path):
    bad = payload("weighted", study=HOSTILE, setting=HOSTILE, targets=(HOSTILE, "b"))
    bad["cell"]["sources"] = [HOSTILE, "en"]
    bad["provenance"] = {"commit": HOSTILE, "machine": {HOSTILE: HOSTILE}, "date": HOSTILE}
    bad["slices"] = {HOSTILE: {HOSTILE: [1, 1, 1]}}
    found = summarise(read_cells(write(tmp_path, bad)), samples=5)
    page = render(found, title=HOSTILE)
    assert page.count("<script") == 2
    assert page.count("</script>") == 2
    assert "<img" not in page
    assert data_of(page)["title"] == HOSTILE
    assert data_of(page)["summary"] == found


def test_the_policy_allows_this_script_and_style_and_nothing_else(summary):
    page = render(summary)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.S)
    script = re.findall(r"<script>(.*?)</script>", page, re.S)[-1]
    for text, rule in ((style, "style-src"), (script, "script-src")):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    # The name of the SVG namespace is no address that anything is fetched from.
    assert set(re.findall(r"https?://[^\s\"']+", page)) == {"http://www.w3.org/2000/svg"}
    assert "{{" not in page


# Silver


def test_a_sentence_with_its_votes():
    found = describe_sentence(silver_doc(*SENTENCES[0]))
    assert found["tokens"][0] == ["Amina", True]
    assert found["spans"][1] == {"start": 3, "end": 4, "label": "LOC", "score": 0.61}
    assert found["votes"]["en"] == found["spans"]
    assert found["votes"]["es"] == [{"start": 3, "end": 4, "label": "LOC", "score": 0.55}]
    assert found["weights"] == {"en": 0.75, "es": 0.25}
    assert found["id"] == "made:0"


def test_a_sample_of_each_target(tmp_path):
    many = [(f"Number {i} is Ana .", [(3, 4, "PER", 0.9)]) for i in range(50)]
    folder = write_silver_folder(tmp_path, [*many, ("long " * (LONGEST + 1), [])])
    found = sample_silver(folder, sentences=10)
    assert list(found) == ["hau", "swa"]
    # At equal distances, from the first sentence on.
    assert [row["tokens"][1][0] for row in found["hau"]] == [str(i) for i in range(0, 50, 5)]
    assert len(sample_silver(folder, sentences=100)["hau"]) == 50


def test_folders_that_are_no_silver(tmp_path):
    with pytest.raises(XnerError, match="X601"):
        sample_silver(tmp_path / "nowhere")
    with pytest.raises(XnerError, match="X007"):
        sample_silver(tmp_path)
    (tmp_path / "swa").mkdir()
    write_docs(tmp_path / "swa" / "gold.spacy", [Doc(Vocab(), words=["x"])])
    with pytest.raises(XnerError, match="X005"):
        sample_silver(tmp_path)


@pytest.mark.parametrize("scores", [[], [float("nan"), 0.5]])
def test_scores_that_cannot_be_shown(scores):
    doc = silver_doc(*SENTENCES[0])
    doc.spans["silver"].attrs["scores"] = scores
    with pytest.raises(XnerError, match="X005"):
        describe_sentence(doc)


def test_a_weight_that_cannot_be_shown():
    doc = silver_doc(*SENTENCES[0])
    doc.user_data["xner"]["teacher_weights"] = [float("inf"), 0.0]
    with pytest.raises(XnerError, match="X005"):
        describe_sentence(doc)


# Pictures


def test_curves_are_drawn(summary, tmp_path):
    pytest.importorskip("matplotlib")
    names = [path.name for path in plot_curves(summary, tmp_path / "new")]
    assert names == [
        f"scaling-made-rich-one-{field}.{ending}"
        for field in ("f1", "cost")
        for ending in ("svg", "png")
    ]
    assert "<svg" in (tmp_path / "new" / names[0]).read_text()
    assert (tmp_path / "new" / names[1]).read_bytes().startswith(b"\x89PNG")


def test_names_of_pictures_stay_in_the_folder(tmp_path):
    pytest.importorskip("matplotlib")
    outside = {"study": "../../x", "setting": "../y"}
    steps = [("ranked", ("en", "es")), ("all", ("en", "es", "fr"))]
    made = [payload("weighted", order=order, sources=names, **outside) for order, names in steps]
    cells = read_cells(write(tmp_path / "cells", *made))
    drawn = plot_curves(summarise(cells, samples=5), tmp_path / "out")
    assert drawn
    assert all(path.resolve().parent == tmp_path / "out" for path in drawn)


def test_without_curves_nothing_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    assert plot_curves({"sections": []}, tmp_path / "none") == []
    assert not (tmp_path / "none").exists()


def test_without_matplotlib(monkeypatch, summary, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(XnerError, match=r"X435.*spacy-xner\[plot\]"):
        plot_curves(summary, tmp_path)


# The command


def test_the_page_is_there_even_if_pictures_cannot_be_drawn(monkeypatch, cells, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    page, figures = tmp_path / "a.html", tmp_path / "figures"
    code, told = call("report", cells, "-o", page, "--samples", 5, "--figure-folder", figures)
    assert code == 1 and "X435" in told
    assert "</html>" in page.read_text("utf8")


def test_the_command_writes_page_summary_and_pictures(cells, tmp_path):
    pytest.importorskip("matplotlib")
    silver = write_silver_folder(tmp_path / "silver")
    page, summary = tmp_path / "new" / "report.html", tmp_path / "new" / "summary.json"
    options = ["--silver", silver, "--figure-folder", tmp_path / "figures", "--summary", summary]
    more = ["--title", "A study", "--samples", 20]
    code, output = call("report", cells, "--output", page, *options, *more)
    assert code == 0, output
    data = data_of(page.read_text("utf8"))
    assert data["title"] == "A study"
    assert data["summary"] == json.loads(summary.read_text("utf8"))
    assert list(data["silver"]) == ["hau", "swa"]
    assert len(list((tmp_path / "figures").iterdir())) == 4


def test_the_command_tells_what_is_missing(tmp_path):
    cells = write(tmp_path / "cells", payload("weighted"))
    expected = tmp_path / "expected.json"
    expected.write_text(json.dumps([payload("weighted")["cell"], payload("uniform")["cell"]]))
    arguments = ("report", cells, "-o", tmp_path / "a.html", "--expected", expected)
    code, output = call(*arguments, "--samples", 5)
    assert code == 0
    assert "1 of the expected cells are missing" in output
    data = data_of((tmp_path / "a.html").read_text("utf8"))
    assert data["silver"] is None
    assert [x["system"] for x in data["summary"]["sections"][0]["missing"]] == ["uniform"]


def test_a_study_that_has_no_silver_yet_has_a_page_all_the_same(tmp_path):
    cells, silver = write(tmp_path / "cells", payload("weighted")), tmp_path / "silver"
    silver.mkdir()
    arguments = ("report", cells, "-o", tmp_path / "a.html", "--samples", 5, "--silver")
    code, output = call(*arguments, silver)
    assert code == 0 and "No silver annotations" in output
    data = data_of((tmp_path / "a.html").read_text("utf8"))
    assert data["silver"] is None
    assert data["summary"]["sections"][0]["expected"] == 0
    code, output = call(*arguments, tmp_path / "nowhere")
    assert code == 1 and "X601" in output


def test_the_list_beside_the_results_is_read_unless_another_is_named(tmp_path):
    cells = write(tmp_path / "cells", payload("weighted"))
    expected_file(cells).write_text(json.dumps([payload("uniform")["cell"]]))
    other = tmp_path / "other.json"
    other.write_text("[]")
    for more, missing in ((), 1), (("--expected", other), 0):
        page = tmp_path / "a.html"
        assert call("report", cells, "-o", page, "--samples", 5, *more)[0] == 0
        (section,) = data_of(page.read_text("utf8"))["summary"]["sections"]
        assert len(section["missing"]) == missing


NO_TARGET = {**payload("weighted")["cell"], "targets": [["amh"]]}


@pytest.mark.parametrize(
    "text", ["{", "{}", "[1]", "[{}]", '[{"study": NaN}]', json.dumps([NO_TARGET])]
)
def test_the_command_refuses_other_lists(tmp_path, text):
    cells = write(tmp_path / "cells", payload("weighted"))
    (tmp_path / "expected.json").write_text(text)
    output = tmp_path / "a.html"
    code, told = call("report", cells, "-o", output, "--expected", tmp_path / "expected.json")
    assert code == 1
    assert "[X808]" in told
    assert not output.exists()


def test_the_command_without_cells(tmp_path):
    code, told = call("report", tmp_path, "-o", tmp_path / "a.html")
    assert code == 1
    assert "[X805]" in told
