"""The comparison with skweak compares what it says it compares; skweak itself runs where it is."""

import importlib.util
import json
import os
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab
from test_benchmarks import ROOT, RUNNER, load

from spacy_xner.aggregate import Method, aggregate
from spacy_xner.evaluation.bootstrap import f1_from_counts
from spacy_xner.shards import read_docs, write_docs

SKWEAK = os.environ.get("XNER_SKWEAK_PYTHON")
LABELS = ["LOC", "ORG", "PER"]
RECORDS = [
    {"tokens": 5, "votes": {"en": [[0, 2, "PER"]], "es": []}, "untaught": {"es": ["ORG"]}},
    {"tokens": 3, "votes": {"en": [[2, 3, "ORG"]], "es": [[1, 3, "LOC"]]}, "untaught": {}},
    {"tokens": 0, "votes": {"en": [], "es": []}, "untaught": {}},
]


@pytest.fixture(scope="module")
def bench():
    return load("against_skweak")


@pytest.fixture
def runner(monkeypatch):
    """skweak's side, with an aggregator that believes everybody in the place of skweak's own."""

    class Union:
        def __init__(self, name, *, labels):
            self.name, self.labels = name, labels

        def fit_and_aggregate(self, docs):
            print("told of an iteration")
            for doc in docs:
                known = {
                    (s.start, s.end, s.label_)
                    for group in doc.spans.values()
                    for s in group
                    if s.label_ in self.labels
                }
                doc.spans[self.name] = [Span(doc, *span) for span in sorted(known)]
            return docs

    stubs = {"HMM": "skweak.generative", "SequentialMajorityVoter": "skweak.voting"}
    monkeypatch.setitem(sys.modules, "skweak", ModuleType("skweak"))
    for name, path in stubs.items():
        module = ModuleType(path)
        setattr(module, name, Union)
        monkeypatch.setitem(sys.modules, path, module)
    path = ROOT / "benchmarks" / "skweak_runner.py"
    found = importlib.util.spec_from_file_location("skweak_runner", path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def lists(value):
    """As JSON gives it back."""
    return json.loads(json.dumps(value))


# Reading


@pytest.fixture
def folders(bench, tmp_path):
    """Votes on two languages, one in shards and one in a file, and their gold documents."""
    silver, gold = tmp_path / "silver", tmp_path / "gold"
    (silver / "swa").mkdir(parents=True)
    gold.mkdir()
    docs = bench.make_docs(RECORDS, LABELS)
    write_docs(silver / "swa" / "part-00000.spacy", docs[:2])
    write_docs(silver / "swa" / "part-00001.spacy", docs[2:])
    write_docs(silver / "hau.spacy", docs[:2])
    (silver / "notes.txt").write_text("not a language")
    answers = [Doc(Vocab(), words=["w"] * record["tokens"]) for record in RECORDS]
    for doc in answers:
        doc.set_ents([Span(doc, 0, 2, label="PER")] if len(doc) == 5 else [])
    write_docs(gold / "swa-test.spacy", answers)
    write_docs(gold / "hau.spacy", answers[:2])
    return silver, gold


def test_votes_and_gold_are_read_by_language(bench, folders):
    labels, corpora, gold = bench.read_corpora(*folders)
    assert labels == LABELS
    assert lists(corpora) == {"hau": RECORDS[:2], "swa": RECORDS}
    assert {name: [len(doc) for doc in docs] for name, docs in gold.items()} == {
        "hau": [5, 3],
        "swa": [5, 3, 0],
    }
    assert [ent.label_ for ent in gold["swa"][0].ents] == ["PER"]


def test_gold_of_other_documents_is_refused(bench, folders):
    silver, gold = folders
    docs = list(read_docs(gold / "hau.spacy", Vocab()))
    for wrong, index in ((docs[:1], 1), (docs[::-1], 0), ([*docs, docs[0]], 2)):
        write_docs(gold / "hau.spacy", wrong)
        with pytest.raises(bench.XnerError, match=rf"X503.*'hau' \(document {index}:"):
            bench.read_corpora(silver, gold)
    (gold / "hau.spacy").unlink()
    with pytest.raises(bench.XnerError, match="X601.*hau-test.spacy"):
        bench.read_corpora(silver, gold)


# Our side


@pytest.mark.parametrize("method", Method)
def test_our_side_is_what_the_command_does(bench, tmp_path, method):
    labels, corpora, _ = bench.draw_corpora(1, 40, 4)
    records = corpora["seed 0"]
    write_docs(tmp_path / "in.spacy", bench.make_docs(records, labels))
    aggregate(tmp_path / "in.spacy", tmp_path / "out", method=method)
    expected = [
        [(span.start, span.end, span.label_) for span in doc.spans["silver"]]
        for doc in read_docs(tmp_path / "out", Vocab())
    ]
    found = bench.measure(records, labels, method)
    assert found["entities"] == expected and any(expected)
    assert found["seconds"] > 0 and found["build"] > 0


def test_drawn_teachers_are_worse_one_after_the_other(bench):
    labels, corpora, gold = bench.draw_corpora(2, 150, 4)
    assert set(labels) == set(LABELS) and list(corpora) == ["seed 0", "seed 1"]
    assert corpora["seed 0"] != corpora["seed 1"]
    for name, records in corpora.items():
        bench.check_tokens(name, bench.make_docs(records, labels), gold[name])
        f1 = []
        for teacher in sorted(records[0]["votes"]):
            found = {name: [record["votes"][teacher] for record in records]}
            f1.append(f1_from_counts(bench.score(found, {name: gold[name]}, labels)[name]))
        assert f1 == sorted(f1, reverse=True) and f1[0] > 0.85 > 0.7 > f1[-1]
        scores = bench.teacher_scores({name: records}, gold, labels)
        assert scores == {"mean": pytest.approx(np.mean(f1)), "oracle": f1[0]}


def test_only_exact_spans_of_the_classes_that_count_are_right(bench):
    doc = Doc(Vocab(), words=["w"] * 6, ents=["B-PER", "I-PER", "O", "B-LOC", "B-DATE", "O"])
    found = {"swa": [[[0, 2, "PER"], [2, 4, "LOC"], [4, 5, "DATE"], [5, 6, "ORG"]]]}
    counts = bench.score(found, {"swa": [doc]}, ["PER", "LOC", "ORG"])["swa"]
    assert counts.tolist() == [[1, 3, 2]]
    assert f1_from_counts(counts) == pytest.approx(2 / 5)


# skweak's side without skweak


def test_the_runner_gives_skweak_the_same_spans(runner):
    plain, marked = (runner.make_docs(RECORDS, mark=mark) for mark in (False, True))
    groups = [
        {k: [(s.start, s.end, s.label_) for s in g] for k, g in d.spans.items()} for d in plain
    ]
    names = sorted({name for group in groups for name in group})
    # None of the names is the beginning or the end of another one.
    assert len(names) == 2 and len({len(name) for name in names}) == 1
    expected = [list(record["votes"].values()) for record in RECORDS]
    assert lists([[group[name] for name in names] for group in groups]) == expected
    assert [len(doc) for doc in plain] == [5, 3, 0]
    # Who has found nothing has read the document all the same; there is no place in an empty one.
    found = [[(s.start, s.end, s.label_) for s in d.spans[names[1]]] for d in marked]
    assert found == [[(0, 1, runner.READ)], [(1, 3, "LOC")], []]
    assert [len(doc.spans[names[0]]) for doc in marked] == [1, 1, 0]


def test_the_runner_measures_every_method_on_every_corpus(runner, tmp_path, capsys):
    data = {"labels": LABELS, "corpora": {"swa": RECORDS, "hau": RECORDS[:1]}}
    (tmp_path / "in.json").write_text(json.dumps(data))
    runner.metadata = type("Versions", (), {"version": staticmethod(lambda name: f"{name} 1")})
    runner.main(str(tmp_path / "in.json"), str(tmp_path / "out.json"))
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["versions"]["skweak"] == "skweak 1"
    assert set(result["methods"]) == set(runner.METHODS)
    for found in result["methods"].values():
        assert found["hau"]["entities"] == [[[0, 2, "PER"]]]
        assert found["swa"]["entities"][1] == [[1, 3, "LOC"], [2, 3, "ORG"]]
        assert all(row["seconds"] > 0 and row["build"] > 0 for row in found.values())
    assert capsys.readouterr().out == ""


def test_both_sides_warm_up_alike(bench, runner):
    assert bench.WARMUP == runner.WARMUP
    pinned = re.findall(r"(\S+)==", bench.ENVIRONMENT)
    assert set(pinned) == {"skweak", "spacy", "hmmlearn", "numpy", "pandas"}


# Comparing


def test_figures_by_hand(bench, monkeypatch):
    """Ours is right on both documents in 1 and 2 seconds, theirs on one in 4 and 4."""
    doc = Doc(Vocab(), words=["w"] * 4, ents=["B-PER", "O", "B-LOC", "O"])
    right = [[0, 1, "PER"], [2, 3, "LOC"]]
    records = [{"tokens": 4, "votes": {"en": right, "es": []}, "untaught": {}}] * 2
    seconds = {"xner": iter((1.0, 2.0)), "skweak": iter((4.0, 4.0))}
    order = []

    def run_side(side, data, python):
        order.append(side)
        found = right if side == "xner" else right[:1]
        row = {"seconds": next(seconds[side]), "build": 1.0, "entities": [found, found]}
        return {"versions": {"skweak": "0"}, "methods": {"a": {"swa": row}}}

    monkeypatch.setattr(bench, "run_side", run_side)
    result = bench.compare(
        ["LOC", "PER"], {"swa": records}, {"swa": [doc, doc]},
        python=Path("python"), scored=["LOC", "PER"], rounds=2, samples=50,
    )  # fmt: skip
    assert order == ["xner", "skweak"] * 2
    ours, theirs = result["systems"]["xner a"], result["systems"]["skweak a"]
    assert (ours["f1"], theirs["f1"]) == (1.0, pytest.approx(2 / 3))
    assert ours["docs_per_second"]["aggregation"] == {"rounds": [2.0, 1.0], "median": 1.5}
    assert ours["docs_per_second"]["with_documents"]["rounds"] == [1.0, pytest.approx(2 / 3)]
    assert result["speed_ratios"] == {"xner a / skweak a": 3.0}
    difference = result["differences"]["xner a - skweak a"]
    assert difference["difference"] == pytest.approx(1 / 3)
    assert result["teachers"] == {"mean": 0.5, "oracle": 1.0}
    assert (result["docs"], result["tokens"]) == (2, 8)


def fake_python(folder, body):
    """An interpreter that runs its own program whatever script it is given."""
    (folder / "program.py").write_text(body)
    program = folder / "python"
    program.write_text(f'#!/bin/sh\nshift 2\nexec "{sys.executable}" "{folder}/program.py" "$@"\n')
    program.chmod(0o755)
    return program


def test_the_command_writes_what_both_sides_found(bench, folders, tmp_path):
    """The other side's aggregator believes the first teacher."""
    body = """
import json, os, sys
data = json.load(open(sys.argv[1]))
assert os.environ["OMP_NUM_THREADS"] == "1"
rows = {
    language: {"seconds": 2.0, "build": 1.0, "entities": [r["votes"]["en"] for r in records]}
    for language, records in data["corpora"].items()
}
figures = {"versions": {"skweak": "0"}, "methods": {"first": rows}}
json.dump(figures, open(sys.argv[2], "w"))
"""
    silver, gold = folders
    output = tmp_path / "new" / "skweak.json"
    options = {"--python": fake_python(tmp_path, body), "--silver": silver, "--gold": gold}
    arguments = [str(x) for pair in options.items() for x in pair]
    found = RUNNER.invoke(
        bench.app, ["compare", *arguments, "--rounds", "1", "--output", str(output)]
    )
    assert found.exit_code == 0, found.output
    result = json.loads(output.read_text())
    assert list(result["systems"]) == [*(f"xner {method}" for method in Method), "skweak first"]
    theirs = result["systems"]["skweak first"]
    # Gold is one person; the first teacher also sees an organisation.
    assert theirs["languages"] == pytest.approx({"hau": 2 / 3, "swa": 2 / 3})
    assert theirs["docs_per_second"]["aggregation"]["median"] == pytest.approx(5 / 4)
    assert theirs["docs_per_second"]["with_documents"]["median"] == pytest.approx(5 / 6)
    assert len(result["differences"]) == len(Method)
    assert set(result["provenance"]["data"]) == {"silver", "gold"}


@pytest.mark.parametrize("message", ["ModuleNotFoundError: No module named 'skweak'", ""])
def test_a_failing_environment_is_explained(bench, tmp_path, message):
    body = f"import sys\nsys.exit({message!r} or 3)\n"
    python = fake_python(tmp_path, body)
    with pytest.raises(bench.typer.BadParameter) as caught:
        bench.run_side("skweak", {"labels": LABELS, "corpora": {"swa": RECORDS}}, python)
    assert (message or "no message") in str(caught.value)
    assert bench.ENVIRONMENT in str(caught.value)


def test_wrong_arguments_are_named(bench, tmp_path):
    found = RUNNER.invoke(bench.app, ["compare", "--python", str(tmp_path / "no"), "--synthetic"])
    assert found.exit_code == 1 and "X601" in found.output
    found = RUNNER.invoke(bench.app, ["compare", "--python", sys.executable])
    assert found.exit_code == 2 and "--synthetic" in found.output
    options = ["--silver", str(tmp_path), "--gold", str(tmp_path)]
    found = RUNNER.invoke(bench.app, ["compare", "--python", sys.executable, *options])
    assert found.exit_code == 1 and "X007" in found.output


# With skweak


@pytest.mark.skipif(
    not SKWEAK, reason="XNER_SKWEAK_PYTHON names no interpreter that has skweak, see benchmarks/"
)
def test_skweak_learns_whom_to_believe(bench):
    labels, corpora, gold = bench.draw_corpora(1, 200, 4)
    result = bench.run_side("skweak", {"labels": labels, "corpora": corpora}, Path(SKWEAK))
    assert result["versions"]["skweak"] == "0.3.3"
    scores = {
        method: f1_from_counts(
            bench.score({"seed 0": found["seed 0"]["entities"]}, gold, labels)["seed 0"]
        )
        for method, found in result["methods"].items()
    }
    assert set(scores) == {"voter", "hmm", "hmm-read"}
    assert min(scores["hmm"], scores["hmm-read"]) > scores["voter"] > 0.3
    assert scores["hmm"] > bench.teacher_scores(corpora, gold, labels)["mean"]
