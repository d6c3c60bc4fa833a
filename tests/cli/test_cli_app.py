"""The command line as a whole: help, entry points, errors."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from spacy_xner.cli import app
from spacy_xner.cli._app import command
from spacy_xner.errors import Errors, XnerError, config_errors, reason
from spacy_xner.util import load_pipeline, setup_gpu, write_json

GROUP = typer.main.get_command(app)
NAMES = [
    [name, *sub]
    for name, found in GROUP.commands.items()
    for sub in ([[key] for key in found.commands] if hasattr(found, "commands") else [[]])
]


def test_all_commands_are_there():
    assert {" ".join(name) for name in NAMES} == {
        "aggregate",
        "annotate",
        "calibrate",
        "convert",
        "encoder offline",
        "encoder trim",
        "ensemble",
        "evaluate",
        "export",
        "inspect",
        "leakage",
        "llm base",
        "llm train",
        "neighbours",
        "peers",
        "report",
        "similarity rank",
        "similarity train",
        "similarity weights",
        "smoke",
        "train",
        "verify",
        "weights",
    }


@pytest.mark.parametrize("name", NAMES, ids=" ".join)
def test_help(name):
    result = CliRunner().invoke(app, [*name, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output
    found = GROUP
    for part in name:
        found = found.commands[part]
    assert found.help
    assert all(p.help for p in found.params if p.name not in ("help", "ctx")), name


@pytest.mark.parametrize(
    "program", [["-m", "spacy", "xner"], ["-c", "from spacy_xner.cli import main; main()"]]
)
def test_entry_points(program):
    done = subprocess.run([sys.executable, *program, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "annotate" in done.stdout
    assert "Traceback" not in done.stderr


def test_an_error_is_one_message_and_exit_code_1():
    done = subprocess.run(
        [Path(sys.executable).with_name("xner"), "inspect", "no/such/file.spacy"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "[X601]" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_importing_the_command_line_is_light():
    """A slow or broken plug-in would slow down or break every `spacy` command."""
    code = (
        "import sys, spacy_xner.cli\n"
        "heavy = {'spacy', 'torch', 'transformers', 'thinc', 'seqeval'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_becomes_of_exceptions():
    group = typer.Typer(pretty_exceptions_enable=False)

    @command("fail", group=group)
    def fail(kind: str) -> None:
        if kind == "ours":
            raise XnerError(Errors.X601.format(path="here"))
        if kind == "disk":
            raise OSError(28, "No space left on device", "there.spacy")
        if kind == "bug":
            raise KeyError("a bug")

    def run(kind):
        return CliRunner().invoke(group, [kind])

    assert run("none").exit_code == 0
    ours = run("ours")
    assert (ours.exit_code, "[X601]" in ours.output) == (1, True)
    disk = run("disk")
    assert disk.exit_code == 1
    assert "No space left on device" in disk.output
    assert "there.spacy" in disk.output
    assert isinstance(run("bug").exception, KeyError)  # a mistake of ours is not hidden


def test_a_gpu_where_there_is_none():
    setup_gpu(-1)
    with pytest.raises(XnerError, match=r"X602.*GPU 97") as error:
        setup_gpu(97)
    assert "--gpu-id" in str(error.value)


def test_pipelines_that_cannot_be_loaded(world, tmp_path):
    with pytest.raises(XnerError, match="X603"):
        load_pipeline("xx_no_such_package")
    (tmp_path / "config.cfg").write_text("[nlp")
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(XnerError, match="X604"):
        load_pipeline(tmp_path)
    assert load_pipeline(world / "tagger").pipe_names == ["xner"]


def test_json_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "a.json"
    write_json(path, {"ä": 1})
    assert path.read_text("utf8") == '{\n  "ä": 1\n}\n'
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": float("nan")})
    assert path.read_text("utf8") == '{\n  "ä": 1\n}\n'


def test_reasons_are_short():
    assert reason(KeyError("a")) == "KeyError 'a'"
    assert reason(EOFError()) == "EOFError"
    assert reason(ValueError("")) == "ValueError"
    assert reason(OSError("no file")) == "no file"
    assert reason(ValueError("\n\nwrong\nblock -> key\n{'a': 1}\n")) == "wrong block -> key"
    assert reason(ValueError("no 'x'\n\nAvailable names: y, z")) == "no 'x'"


def test_only_errors_of_a_config_are_taken_for_such():
    with pytest.raises(KeyError), config_errors(Path("a.cfg")):
        raise KeyError("ours")
    with pytest.raises(XnerError, match=r"X607.*a\.cfg.*no module"), config_errors(Path("a.cfg")):
        raise ImportError("no module")
