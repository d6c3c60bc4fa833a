"""What README.md and docs/ name exists: files, commands, settings, functions, error codes.

Blocks marked ```python runnable are executed; the other Python blocks compile.
"""

import ast
import configparser
import importlib
import importlib.util
import inspect
import json
import re
import shlex
from functools import cache
from pathlib import Path

import pytest
import spacy
import srsly
import typer

from spacy_xner.cli import app
from spacy_xner.errors import Errors

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text("utf8") for page in PAGES}
API = TEXTS["docs/api.md"]
BLOCK = re.compile(r"^```(\w+)( runnable)?\n(.*?)^```$", re.M | re.S)
# Made by the project, or by the reader of docs/new-language.md.
MADE = ("corpus/", "encoders/", "training/", "silver/", "metrics/", "packages/", "assets/nyanja")
MINE = {"my_teacher", "student_mine"}


def blocks(language):
    """Page, is it marked runnable, and code, of each block in a language."""
    return [
        pytest.param(page, bool(mark), code, id=f"{page}-{i}")
        for page, text in TEXTS.items()
        for i, (found, mark, code) in enumerate(BLOCK.findall(text))
        if found == language
    ]


def inline(text):
    """What stands between single backticks, outside of code blocks."""
    return re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))


def slug(heading):
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def resolve(name):
    """The object that a dotted name stands for."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        module = ".".join(parts[:end])
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            found = None
        if found:
            value = importlib.import_module(module)
            for part in parts[end:]:
                value = getattr(value, part)
            return value
    raise ModuleNotFoundError(name)


def sections(text, pattern):
    """Body by heading, of the headings of level 3 that match a pattern."""
    parts = re.split(r"^#{2,3} (.+)\n", text, flags=re.M)
    return {
        h: body for h, body in zip(parts[1::2], parts[2::2], strict=True) if re.match(pattern, h)
    }


def table(body):
    """The first two cells of each row of a Markdown table, without head and backticks."""
    rows = [line.split("|")[1:3] for line in body.splitlines() if line.startswith("| `")]
    return [[cell.strip().replace("`", "") for cell in row] for row in rows]


@cache
def entry_points():
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.optionxform = str
    parser.read(ROOT / "setup.cfg", encoding="utf8")
    lines = {
        group: dict(re.split(r" *= *", line) for line in value.strip().splitlines())
        for group, value in parser["options.entry_points"].items()
    }
    return {
        name: target.replace(":", ".")
        for group, found in lines.items()
        if group not in ("console_scripts", "spacy_cli", "spacy_factories")
        for name, target in found.items()
    }


@cache
def commands():
    """Click command by name, e.g. "encoder trim"."""
    found, stack = {}, [("", typer.main.get_command(app))]
    while stack:
        name, command = stack.pop()
        if hasattr(command, "commands"):
            stack += [(f"{name} {key}".strip(), sub) for key, sub in command.commands.items()]
        else:
            found[name] = command
    return found


def options(command):
    found = [p for p in command.params if p.param_type_name == "option"]
    return {o for p in found for o in [*p.opts, *p.secondary_opts]}


@cache
def project():
    return srsly.read_yaml(ROOT / "project.yml")


# Files and links


@pytest.mark.parametrize("page", TEXTS)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", BLOCK.sub("", TEXTS[page])):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", file.read_text("utf8")), re.M)
            assert anchor in map(slug, headings), target


@pytest.mark.parametrize("page", TEXTS)
def test_files_exist(page):
    folders = r"(?:assets|benchmarks|configs|docs|scripts|spacy_xner|tests)"
    checked = 0
    for path in re.findall(rf"(?<![\w./-]){folders}/[\w./-]*\w", TEXTS[page]):
        if not path.startswith(MADE):
            assert (ROOT / path).exists(), path
            checked += 1
    assert checked or page == "docs/methods.md"


def test_config_names_exist():
    found = re.findall(r"--vars\.(teacher|student) (\w+)", "".join(TEXTS.values()))
    for name in (f"student_{name}" if kind == "student" else name for kind, name in found):
        assert name in MINE or (ROOT / "configs" / f"{name}.cfg").is_file(), name
    for path in (ROOT / "configs").glob("*.cfg"):
        assert re.search(rf"\b{path.stem}\b", "".join(TEXTS.values())), path


# Commands


def check_command(line):
    """Check the words of one command; True if it was one that this project defines."""
    words = shlex.split(line, comments=True)
    while words and re.match(r"[A-Z_]+=", words[0]):
        del words[0]
    if words[:1] == ["spacy"] and words[1:2] == ["xner"]:
        del words[0]
    if not words:
        return False
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text("utf8"), re.M), line
    elif words[0] == "xner":
        name = max(
            (n for n in commands() if " ".join(words[1:]).startswith(n)), default=None, key=len
        )
        assert name, line
        known = options(commands()[name])
        for word in words[1:]:
            if word.startswith("-") and "." not in word:
                assert word in known, f"{word} in {line}"
        if overrides := [word for word in words if re.match(r"--\w+\.", word)]:
            assert name == "train", line
            config = spacy.util.load_config(ROOT / words[2])
            for override in overrides:
                section, key = override[2:].rsplit(".", 1)
                assert key in config[section], override
    elif words[:2] == ["spacy", "project"]:
        if words[2] == "run":
            names = {command["name"] for command in project()["commands"]}
            assert words[3] in names | set(project()["workflows"]), line
            assert words[4] == ".", f"a dot must stand before overrides: {line}"
        for word in words:
            if word.startswith("--"):
                assert word.removeprefix("--vars.") in project()["vars"], f"{word} in {line}"
    elif words[0] == "python":
        spec = importlib.util.spec_from_file_location("script", ROOT / words[1])
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        known = options(typer.main.get_command(module.app))
        assert {word for word in words if word.startswith("--")} <= known, line
    else:
        assert words[0] in ("mv", "pip", "source", "spacy"), line
        return False
    return True


@pytest.mark.parametrize("page, _, code", blocks("bash"))
def test_commands_in_blocks(page, _, code):
    for line in code.replace("\\\n", " ").splitlines():
        check_command(line)


@pytest.mark.parametrize("page", TEXTS)
def test_commands_and_options_in_the_text(page):
    known = {o for command in commands().values() for o in options(command)}
    variables = {f"--vars.{name}" for name in project()["vars"]}
    for span in inline(TEXTS[page]):
        if re.match(r"(xner [a-z]|spacy project|make )", span):
            check_command(re.sub(r" (\.\.\.|[A-Z].*)$", "", span))
        elif span.startswith("-"):
            for word in re.findall(r"(?<!\S)-[\w.-]+", span):
                assert word in known | variables | {"--help", "--paths.train", "-", "-1"}, span


def test_a_wrong_option_is_noticed():
    for line in (
        "xner train x.cfg --epoch 3",
        "spacy project run all --vars.seed 1",
        "make nothing",
    ):
        with pytest.raises(AssertionError):
            check_command(line)


def test_api_lists_each_command_with_all_its_options():
    found = sections(API, "`xner [a-z]")
    named = {re.sub(r" [A-Z.]+", "", heading.strip("`")): body for heading, body in found.items()}
    assert set(named) == {f"xner {name}" for name in commands()}
    for name, command in commands().items():
        cells = {o for row in table(named[f"xner {name}"]) for o in row[0].split(", ")}
        assert cells == options(command), name


def test_all_project_variables_are_described():
    rows = dict(table(sections(TEXTS["docs/new-language.md"], "All variables")["All variables"]))
    assert rows == {name: str(value) for name, value in project()["vars"].items()}


def test_own_language_is_run_as_documented():
    """tests/test_project.py walks the road of docs/new-language.md with the options given there."""
    tree = ast.parse((ROOT / "tests/test_project.py").read_text("utf8"))
    functions = {n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    body = functions["test_own_language_needs_a_text_and_two_settings"]
    tested = []
    for node in ast.walk(body):
        if isinstance(node, ast.List):
            tested += [element.value for element in node.elts]
    lines = TEXTS["docs/new-language.md"].splitlines()
    documented = [shlex.split(x)[5:] for x in lines if x.startswith("spacy project run all . ")]
    assert "nyanja" in tested and tested in documented


def test_readme_has_the_two_commands_and_room_for_results():
    readme = TEXTS["README.md"]
    assert "make run" in readme and "make test" in readme
    assert readme.count("<!-- results -->") == readme.count("<!-- /results -->") == 1
    assert readme.index("<!-- results -->") < readme.index("<!-- /results -->")


# Names, settings, functions


def test_registered_names_exist_and_are_documented():
    for page, text in TEXTS.items():
        for name in re.findall(r"spacy-xner\.\w+\.v\d+", text):
            assert name in entry_points(), f"{name} in {page}"
    assert set(entry_points()) == {h.strip("`") for h in sections(API, "`spacy-xner")}


def is_default(cell, value):
    """Does a cell of a table say what the default is? Registered functions go by their names."""
    if value is inspect.Parameter.empty:
        return cell == "required"
    if isinstance(value, dict) and any(key.startswith("@") for key in value):
        return cell in value.values()
    return cell != "required" and json.loads(cell) == value


@pytest.mark.parametrize("name", entry_points())
def test_settings_of_registered_functions(name):
    rows = dict(table(sections(API, "`spacy-xner")[f"`{name}`"].split("\nA `teacher")[0]))
    parameters = inspect.signature(resolve(entry_points()[name])).parameters
    assert set(rows) == set(parameters)
    for key, parameter in parameters.items():
        assert is_default(rows[key], parameter.default), key


@pytest.mark.parametrize("name", ["xner", "similarity_evaluator", "teacher_ensemble"])
def test_settings_of_components(name):
    defaults = spacy.blank("xx").get_factory_meta(name).default_config
    rows = dict(table(sections(API, f"`{name}`$")[f"`{name}`"]))
    assert set(rows) == set(defaults)
    for key, default in defaults.items():
        assert is_default(rows[key], default), key


def test_functions_exist_with_the_parameters_shown():
    checked = 0
    for text in TEXTS.values():
        for name, listed in re.findall(r"`(spacy_xner(?:\.\w+)+)(?:\(([^)]*)\))?`", text):
            value = resolve(name)
            if listed:
                shown = [x.strip("* ") for x in listed.split(",") if x.strip() != "*"]
                assert shown == list(inspect.signature(value).parameters), name
                checked += 1
    assert checked >= 15


# Code


@pytest.mark.parametrize("page, runnable, code", blocks("python"))
def test_python_blocks_compile_and_import_what_exists(page, runnable, code):
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("spacy_xner"):
            for alias in node.names:
                resolve(f"{node.module}.{alias.name}")


@pytest.mark.parametrize("page", [page for page in TEXTS if "```python runnable" in TEXTS[page]])
def test_runnable_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the blocks of a page may read what earlier ones wrote
    for language, mark, code in BLOCK.findall(TEXTS[page]):
        if language == "python" and mark:
            exec(compile(code, page, "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("page, _, code", blocks("json"))
def test_json_blocks_are_json(page, _, code):
    try:
        json.loads(code)
    except ValueError:
        for line in code.splitlines():
            json.loads(line)


# Errors


def test_error_codes_are_unique_raised_and_known():
    files = (ROOT / "spacy_xner/messages").glob("*.py")
    defined = [
        code
        for file in files
        for code in re.findall(r"^    (X\d{3}) = ", file.read_text("utf8"), re.M)
    ]
    assert len(defined) == len(set(defined))
    folders = ("spacy_xner", "scripts", "benchmarks")
    sources = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    used = {
        code for file in sources for code in re.findall(r"Errors\.(X\d{3})", file.read_text("utf8"))
    }
    assert used == set(defined)
    for code in defined:
        assert getattr(Errors, code).startswith(f"[{code}] ")
    for page, text in TEXTS.items():
        assert set(re.findall(r"\bX\d{3}\b", text)) <= set(defined), page
