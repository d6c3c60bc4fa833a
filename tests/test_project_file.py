"""project.yml, without running it: every command calls its script as the script wants it."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
import typer
from build.__main__ import main_parser
from spacy.cli._util import app as spacy_app
from weasel.util import load_project_config

import spacy_xner.cli.plugin  # noqa: F401  # adds its commands to spaCy's

ROOT = Path(__file__).parents[1]
CONFIG = load_project_config(ROOT)
COMMANDS = {command["name"]: command for command in CONFIG["commands"]}
CALLS = [(name, line) for name, command in COMMANDS.items() for line in command["script"]]


def script_app(path):
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return typer.main.get_command(module.app)


def test_every_step_of_a_workflow_is_a_command():
    steps = [step for workflow in CONFIG["workflows"].values() for step in workflow]
    assert steps
    assert set(steps) <= set(COMMANDS)


def test_every_command_says_what_it_does():
    assert all(command.get("help") for command in COMMANDS.values())


def test_every_variable_is_set_and_used():
    text = (ROOT / "project.yml").read_text("utf8")
    used = set(re.findall(r"\$\{vars\.(\w+)\}", text))
    assert used == set(CONFIG["vars"])


def test_settings_name_files_that_are_there():
    given = CONFIG["vars"]
    assert (ROOT / "assets" / f"{given['benchmark']}.json").is_file()
    for name in (given["teacher"], f"student_{given['student']}"):
        assert (ROOT / "configs" / f"{name}.cfg").is_file()


@pytest.mark.parametrize(("name", "line"), CALLS, ids=[name for name, _ in CALLS])
def test_a_command_fits_what_it_calls(name, line, tmp_path, monkeypatch):
    """weasel runs no shell: the line is split, and every word must be understood."""
    words = shlex.split(line)
    folders = [word for word in words[2:] if "/" in word] + CONFIG["directories"]
    for folder in folders:  # `spacy package` wants them to be there
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path)
    assert words[0] == "python"
    if words[1:3] == ["-m", "build"]:
        known = main_parser().parse_args(words[3:])
        assert (known.srcdir, known.distributions) == (".", ["wheel"])
        return
    if words[1] == "-m":
        assert words[2] == "spacy"
        command, arguments = typer.main.get_command(spacy_app), words[3:]
        while hasattr(command, "commands"):
            command, arguments = command.commands[arguments[0]], arguments[1:]
    else:
        path = ROOT / words[1]
        assert path.is_file(), path
        assert path.parent.name == "scripts"
        command, arguments = script_app(path), words[2:]
    context = command.make_context(name, list(arguments), resilient_parsing=False)
    assert not context.args


def test_paths_of_one_command_are_those_of_the_next():
    """What is read was written by an earlier step, or comes with the project."""
    written = {"assets", "configs", "scripts"}
    for step in CONFIG["workflows"]["all"]:
        for line in COMMANDS[step]["script"]:
            for word in shlex.split(line):
                folder = word.split("/")[0]
                if "/" in word and folder in CONFIG["directories"] and step != "prepare":
                    assert folder in written or folder == OUTPUTS.get(step), (step, word)
        written.add(OUTPUTS.get(step, ""))


OUTPUTS = {
    "prepare": "corpus",
    "encoder": "encoders",
    "teachers": "training",
    "annotate": "silver",
    "student": "training",
    "evaluate": "metrics",
    "package": "packages",
}


def package_steps():
    """The command "package": recording, the student's wheel, comparing, the library's wheel."""
    return [shlex.split(line) for line in COMMANDS["package"]["script"]]


def test_wheels_of_student_and_library_lie_together():
    """pip finds the library beside the student (--find-links)."""
    _, student, _, library = package_steps()
    name, version = (student[student.index(f"--{key}") + 1] for key in ("name", "version"))
    folder = f"{student[5]}/xx_{name}-{version}/dist"
    assert library[library.index("--outdir") + 1] == folder
    assert f"{student[5]}/xx_{name}-{version}" == "packages/" + report_option("--package")


def test_what_is_packaged_is_compared_with_what_was_recorded():
    record, student, compare, _ = package_steps()
    assert record[3:] == ["xner", "smoke", student[4], "--record"]
    name, version = (student[student.index(f"--{key}") + 1] for key in ("name", "version"))
    assert compare[3:5] == ["xner", "smoke"]
    assert compare[5] == f"{student[5]}/xx_{name}-{version}/xx_{name}/xx_{name}-{version}"


def report_option(name):
    (line,) = COMMANDS["report"]["script"]
    words = shlex.split(line)
    return words[words.index(name) + 1]


def test_every_script_belongs_to_a_command():
    called = {shlex.split(line)[1] for _, line in CALLS}
    scripts = {f"scripts/{path.name}" for path in (ROOT / "scripts").glob("*.py")}
    assert scripts <= called | {"-m"}


def test_every_asset_has_an_address_or_lies_in_the_mirror_and_a_checksum():
    assert CONFIG["assets"]
    for asset in CONFIG["assets"]:
        assert re.fullmatch(r"[0-9a-f]{32}", asset["checksum"]), asset
        assert asset["dest"].startswith("assets/masakhaner/")
        url = asset.get("url") or ""
        assert not url or re.search(r"/[0-9a-f]{40}/", url), "not pinned to a commit"
