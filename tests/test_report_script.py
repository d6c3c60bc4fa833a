"""scripts/report.py prints scores, their calibration and what a threshold would change."""

import importlib.util
import json
from pathlib import Path

import pytest
from handmade import call

SCRIPT = Path(__file__).parents[1] / "scripts/report.py"
WHEEL = Path("packages/xx_s-1/dist/xx_s-1.whl")


@pytest.fixture
def report(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("report_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)
    WHEEL.parent.mkdir(parents=True)
    WHEEL.touch()

    def run(scores=None):
        if scores is not None:
            Path("scores.json").write_text(json.dumps(scores), encoding="utf8")
        return call("scores.json", "packages", "--package", "xx_s-1", on=module.app)

    return run


SYSTEMS = {
    "student": {"languages": {"sw": {"micro": {"f1": 0.5}, "ece": 0.125}}, "macro": {"f1": 0.5}}
}
MACRO = {"precision": [0.5, 0.5, 0.75], "recall": [0.5, 0.4, 0.25], "f1": [0.5, 0.45, 0.375]}
CURVE = {"thresholds": [0.0, 0.05, 0.1], "macro": {**MACRO, "entities": [9, 7, 3]}}


def test_tables(report):
    code, output = report({"systems": SYSTEMS, "curves": {"student": CURVE, "other": None}})
    assert code == 0, output
    assert output.index("| student | 50.0 | 50.0 |") < output.index("| student | 12.5 | 12.5 |")
    assert "| 0.0 | 50.0 | 50.0 | 50.0 | 9 | | 0.1 | 75.0 | 25.0 | 37.5 | 3 |" in output
    assert "of the student" in output and "of the other" not in output
    assert output.endswith(f"--find-links {WHEEL.parent} {WHEEL}")


def test_scores_of_before_and_none(report):
    code, output = report({"systems": SYSTEMS})
    assert (code, "12.5" in output, "threshold" in output) == (0, True, False), output
    Path("scores.json").unlink()
    code, output = report()
    assert (code, "|" in output, str(WHEEL) in output) == (0, False, True), output
    WHEEL.unlink()
    code, output = report()
    assert (code, "[X601]" in output) == (1, True), output
