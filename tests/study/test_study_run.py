"""A study on a tiny encoder: every kind of cell, stopped, gone on with, and refused."""

import importlib.util
import inspect
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from handmade import call
from spacy.tokens import Doc
from spacy.vocab import Vocab
from tiny_checkpoint import LETTERS, WIDTH, save_tiny_checkpoint, sentences
from tiny_language_model import save_tiny_language_model

from spacy_xner.encoders.features import load_token_features
from spacy_xner.ensemble.guest_weights import make_guest_weights
from spacy_xner.ensemble.nn_rank import rank_sources
from spacy_xner.errors import XnerError
from spacy_xner.shards import read_docs, write_docs
from spacy_xner.study.cells import FORMAT, Cell
from spacy_xner.study.compute import compute, mean_weights
from spacy_xner.study.grid import ranking_cell
from spacy_xner.study.identity import is_done, recipes_of
from spacy_xner.study.parts import POOLS, Place, sample
from spacy_xner.study.plan import RECIPES, Recipe, make_study_plan
from spacy_xner.study.results import expected_file
from spacy_xner.study.run import missing, run_study, tasks_of
from spacy_xner.training.run import MIN_STEPS

pytest.importorskip("peft")
ROOT = Path(__file__).parents[2]
SOURCES, TARGETS = ["north", "south", "islands"], ["islands", "capes"]
CONFIGS = {
    "teacher": "teacher",
    "direct": "teacher",
    "student": "student_trf",
    "ner": "student_ner",
    "tasks": "teacher_evaluator",
    "mtmt": "student_mtmt",
    "llm": "teacher_llm",
}


def labelled(letters, count, *, seed):
    """The first word of each sentence is a person, the last a place, the second an organisation."""
    vocab, docs = Vocab(), []
    for text in sentences(letters, count, seed=seed):
        words = text.split()
        tags = ["B-PER", "B-ORG", *["O"] * (len(words) - 3), "B-LOC"]
        docs.append(Doc(vocab, words=words, ents=tags))
    return docs


def write_corpora(folder):
    letters = {**LETTERS, "capes": "stuvwx"}
    for kind in ("source", "test", "unlabelled"):
        (folder / kind).mkdir(parents=True)
    for name in SOURCES:
        write_docs(folder / "source" / f"{name}-train.spacy", labelled(letters[name], 12, seed=1))
        write_docs(folder / "source" / f"{name}-dev.spacy", labelled(letters[name], 4, seed=2))
    for name in TARGETS:
        write_docs(folder / "test" / f"{name}-test.spacy", labelled(letters[name], 5, seed=3))
        lines = [json.dumps({"tokens": s.split()}) for s in sentences(letters[name], 6, seed=4)]
        (folder / "unlabelled" / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def make_plan(**changes):
    recipes = {
        name: {
            "config": str(ROOT / "configs" / f"{CONFIGS[name]}.cfg"),
            "epochs": 1.0,
            "overrides": {"training.max_steps": 2, "training.eval_frequency": 2},
        }
        for name in RECIPES
    }
    recipes["tasks"]["overrides"]["system.width"] = WIDTH
    settings = {
        "name": "tiny",
        "settings": ["rich", "family"],
        "systems": [
            "direct", "pooled", "ensemble", "uniform", "weighted", "ner", "supervised", "mtmt",
            "hybrid",
        ],
        "seeds": [0],
        "scales": [1, 2],
        "orders": 0,
        "sizes": {"source": 8, "target": 4, "test": 4, "supervised": 0, "llm": 2},
        "recipes": recipes,
    }  # fmt: skip
    return make_study_plan(**{**settings, **changes})


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return Place(
        plan=make_plan(),
        sources=tuple(SOURCES),
        targets=tuple(TARGETS),
        corpus=write_corpora(folder / "corpus"),
        encoder=str(save_tiny_checkpoint(folder / "encoder")),
        llm=str(save_tiny_language_model(folder / "llm")),
        work=folder / "work",
        results=folder / "results",
    )


@pytest.fixture(scope="module")
def said(place):
    """The whole study, once, from the folder of the project as its commands are run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        told = []
        failures = run_study(place, jobs=2, tell=told.append)
        assert not failures, failures
    return told


def results(place):
    return {
        f"{path.parent.name}/{path.stem}": json.loads(path.read_text())
        for path in place.results.rglob("*.json")
    }


@pytest.fixture
def here(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_every_kind_of_cell_has_a_result(place, said):
    found = results(place)
    kinds = {(result["cell"]["setting"], result["cell"]["system"]) for result in found.values()}
    rich = ("ranking", "direct", "ensemble", "uniform", "weighted", "ner", "supervised", "mtmt")
    family = ("direct", "uniform", "weighted", "ner")
    expected = {("rich", name) for name in (*rich, "pooled", "hybrid")} | {
        ("family", name) for name in ("ranking", *family)
    }
    assert kinds == expected
    # Two rich sources: each alone, and both; nothing is computed under two names.
    assert sum(r["cell"]["system"] == "weighted" for r in found.values()) == 2 + 1 + 2 + 2


def test_the_plan_is_written_for_the_report(place, said):
    planned = json.loads(expected_file(place.results).read_text())
    assert len(planned) == len(results(place))
    assert {json.dumps(cell) for cell in planned} == {
        json.dumps(result["cell"]) for result in results(place).values()
    }


def test_a_result_says_all_about_its_cell(place, said):
    found = results(place)["rich/weighted-all-2-all-seed0"]
    assert found["cell"]["targets"] == TARGETS
    assert found["cell"]["sizes"]["test"] == 4
    for target in TARGETS:
        assert found["scores"][target]["sentences"] == 4
        assert {len(column) for column in found["counts"][target].values()} == {4}
        assert sum(found["weights"][target].values()) == pytest.approx(1.0)
    assert set(found["slices"]) >= {"class", "length", "seen"}
    assert {"train_seconds", "teachers_seconds", "annotate_seconds", "score_seconds"} <= set(
        found["cost"]
    )
    assert found["provenance"]["seed"] == 0
    assert found["provenance"]["packages"]["spacy"]


def test_all_cells_have_the_same_gold(place, said):
    gold = [
        r["counts"]["capes"]["gold"]
        for r in results(place).values()
        if "capes" in r.get("counts", {})
    ]
    assert len(gold) > 5
    assert len(set(gold)) == 1


def test_the_language_model_is_heard_as_one_of_the_teachers(place, said):
    weights = results(place)["rich/hybrid-all-2-all-seed0"]["weights"]["capes"]
    assert weights["llm"] == pytest.approx(1 / 3, abs=1e-3)


def test_models_of_cells_are_not_kept(place, said):
    assert not list((place.work / "cells").glob("*"))
    assert (place.work / "teacher").is_dir()


def test_silver_annotations_of_one_cell_are_kept_for_the_report(place, said):
    weights = results(place)["rich/weighted-all-2-all-seed0"]["weights"]
    assert sorted(path.name for path in place.silver.iterdir()) == sorted(TARGETS)
    for target in TARGETS:
        docs = list(read_docs(place.silver / target / "part.spacy", Vocab()))
        assert mean_weights(docs) == pytest.approx(weights[target])


def test_the_teacher_of_a_pooled_student_is_the_direct_model(place, said):
    """Trained once: both cells report the same cost of it."""
    found = results(place)
    direct = found["rich/direct-all-2-all-seed0"]["cost"]
    student = found["rich/pooled-all-2-all-seed0"]["cost"]
    assert student["teachers_seconds"] == direct["train_seconds"] > 0
    assert student["annotate_seconds"] > 0
    assert found["rich/pooled-all-2-all-seed0"]["weights"]["capes"] == {"pooled": 1.0}
    # Of one source, it is the teacher.
    assert [path.name for path in (place.work / "pooled").iterdir()] == ["north-south-seed0"]


def test_direct_transfer_from_one_source_is_its_teacher(place):
    (single, several, own) = (
        Cell("rich", system, sources, order, tuple(TARGETS), 0)
        for system, sources, order in (
            ("direct", ("north",), "single"),
            ("direct", ("north", "south"), "all"),
            ("supervised", ("islands",), "single"),
        )
    )
    assert [recipes_of(cell) for cell in (single, several, own)] == [
        ("teacher",), ("direct",), ("direct",)
    ]  # fmt: skip


def test_a_second_run_computes_nothing(place, said, here):
    before = {path: path.stat().st_mtime_ns for path in place.results.rglob("*.json")}
    told = []
    assert run_study(place, tell=told.append) == {}
    assert told == ["0 cells to compute", "0 cells computed, 0 left"]
    assert {path: path.stat().st_mtime_ns for path in place.results.rglob("*.json")} == before


def test_a_lost_result_is_computed_again_and_is_the_same(place, said, here):
    (path,) = place.results.rglob("uniform-all-2-all-seed0.json")
    before = json.loads(path.read_text())
    path.unlink()
    told = []
    assert run_study(place, tell=told.append) == {}
    after = json.loads(path.read_text())
    assert {k: after[k] for k in ("key", "cell", "scores", "counts", "weights")} == {
        k: before[k] for k in ("key", "cell", "scores", "counts", "weights")
    }
    assert told[0] == "1 cells to compute"


def test_results_of_other_sizes_are_not_mixed(place, said):
    plan = replace(place.plan, sizes={**place.plan.sizes, "test": 3})
    (file,) = place.results.rglob("uniform-all-2-all-seed0.json")
    cell = Cell("rich", "uniform", ("north", "south"), "all", tuple(TARGETS), 0)
    assert is_done(place, cell)
    with pytest.raises(XnerError, match="X801"):
        is_done(replace(place, plan=plan), cell)
    assert file.is_file()


def test_what_fails_is_told_and_the_rest_goes_on(place, said, here, tmp_path):
    recipes = {**place.plan.recipes, "ner": Recipe(Path("configs/none.cfg"), 1.0)}
    plan = replace(place.plan, recipes=recipes, systems=("uniform", "ner"), settings=("rich",))
    other = replace(place, plan=plan, results=tmp_path / "results")
    failures = run_study(other, systems=["uniform", "ner"])
    assert list(failures) == ["rich-ner-all-2-all-seed0"]
    assert "none.cfg" in failures["rich-ner-all-2-all-seed0"]
    assert {path.name for path in other.results.rglob("*.json")} == {
        "ranking-all-2-all-seed0.json",
        "uniform-all-2-all-seed0.json",
    }


def test_a_sample_is_the_same_each_time_and_from_everywhere():
    found = sample(range(1000), 100)
    assert found == sample(range(1000), 100) == sorted(set(found))
    assert found[0] < 100 and found[-1] > 900
    assert sample([1, 2], 0) == sample([1, 2], 5) == [1, 2]


def test_without_its_teachers_no_cell_is_computed(place, said, here, tmp_path):
    """Those of an earlier recipe lie there still, and must not be heard."""
    recipes = {**place.plan.recipes, "teacher": Recipe(Path("configs/none.cfg"), 1.0)}
    plan = replace(place.plan, recipes=recipes, systems=("direct", "uniform"), settings=("rich",))
    other = replace(place, plan=plan, results=tmp_path / "results")
    failures = run_study(other, systems=["uniform"])
    assert set(failures) == {
        "teacher-north-seed0",
        "teacher-south-seed0",
        "rich-uniform-all-2-all-seed0",
    }
    assert not list(other.results.rglob("uniform-*.json"))


def test_who_leaves_the_hybrid_out_needs_no_language_model(place, said, here):
    without = replace(place, llm="nowhere")
    with pytest.raises(XnerError, match="X801"):
        run_study(without)
    told = []
    assert run_study(without, systems=["weighted"], tell=told.append) == {}
    assert told[0] == "0 cells to compute"
    assert len(json.loads(expected_file(place.results).read_text())) == len(results(place))


def test_an_unknown_system_is_refused(place):
    with pytest.raises(XnerError, match="X308"):
        run_study(place, systems=["magic"])


def test_a_seed_outside_the_plan_is_refused(place):
    with pytest.raises(XnerError, match=r"X308.*seeds = \[7\]"):
        run_study(place, seeds=[7])


def test_a_missing_corpus_is_found_before_anything_is_trained(place, tmp_path):
    shutil.copytree(place.corpus, tmp_path / "corpus")
    other = replace(
        place, corpus=tmp_path / "corpus", work=tmp_path / "work", results=tmp_path / "results"
    )
    for path in (other.train_file("north"), other.text_file("capes"), other.test_file("capes")):
        kept = path.read_bytes()
        path.unlink()
        with pytest.raises(XnerError, match=f"X601.*{path.name}"):
            run_study(other)
        path.write_bytes(kept)
    assert not other.work.exists()


@pytest.mark.parametrize("role", ["sources", "targets"])
def test_somebody_must_teach_and_somebody_learn(place, role):
    with pytest.raises(XnerError, match=f"X308.*{role} = none"):
        run_study(replace(place, **{role: ()}))


@pytest.mark.parametrize(
    ("text", "code"), [("<<<<<<< HEAD\n{}", "X809"), ("[]", "X809"), ("{}", "X802")]
)
def test_a_damaged_result_is_named_and_kept(place, said, here, tmp_path, text, code):
    shutil.copytree(place.results, tmp_path, dirs_exist_ok=True)
    damaged = tmp_path / "rich" / "direct-all-2-all-seed0.json"
    assert damaged.is_file()
    damaged.write_text(text)
    with pytest.raises(XnerError, match=f"{code}.*{damaged.name}"):
        run_study(replace(place, results=tmp_path))
    assert damaged.read_text() == text


def test_seeds_can_be_chosen(place, said, here, tmp_path):
    shutil.copytree(place.results, tmp_path, dirs_exist_ok=True)
    two = replace(place, plan=replace(place.plan, seeds=(0, 1)), results=tmp_path)
    rankings = [ranking_cell(x, place.sources, place.targets) for x in ("rich", "family")]
    assert {cell.seed for cell in missing(two, rankings)} == {1}
    assert not missing(two, rankings, seeds=[0])
    told = []
    assert run_study(two, seeds=[0], tell=told.append) == {}
    assert told == ["0 cells to compute", "0 cells computed, 0 left"]


def test_rich_targets_hear_no_ranking_of_other_targets(place, said):
    """Relatives among the neighbours would leave the rich sources the rest."""
    found = results(place)
    assert found["rich/ranking-all-2-all-seed0"]["cell"]["sources"] == ["north", "south"]
    assert found["family/ranking-all-3-all-seed0"]["cell"]["sources"] == SOURCES
    weights = found["rich/weighted-all-2-all-seed0"]["weights"]["capes"]
    ranking = found["rich/ranking-all-2-all-seed0"]["ranking"]["capes"]
    assert weights == pytest.approx(ranking, abs=1e-3)


@pytest.mark.parametrize("changed", ["config", "text", "labels", "test", "ensemble", "ranking"])
def test_a_result_of_other_inputs_is_refused(place, said, here, changed, tmp_path, monkeypatch):
    cell = Cell("rich", "weighted", ("north", "south"), "all", tuple(TARGETS), 0)
    corpus = Path(shutil.copytree(place.corpus, tmp_path / "corpus"))
    other = replace(
        place, corpus=corpus, results=Path(shutil.copytree(place.results, tmp_path / "results"))
    )
    assert is_done(other, cell)
    if changed == "config":
        config = tmp_path / "student.cfg"
        config.write_text(place.plan.recipes["student"].config.read_text() + "\n")
        recipes = {**place.plan.recipes, "student": replace(place.plan.recipes["student"])}
        recipes["student"] = replace(recipes["student"], config=config)
        other = replace(other, plan=replace(place.plan, recipes=recipes))
    elif changed == "ensemble":
        (tmp_path / "ensemble.cfg").write_text((ROOT / "configs/ensemble.cfg").read_text() + "\n")
        monkeypatch.setattr("spacy_xner.study.identity.ENSEMBLE", tmp_path / "ensemble.cfg")
    elif changed == "ranking":
        path = other.results / "rich/ranking-all-2-all-seed0.json"
        found = json.loads(path.read_text())
        found["ranking"]["capes"] = {"north": 0.9, "south": 0.1}
        path.write_text(json.dumps(found))
    else:
        file = {
            "text": other.text_file("capes"),
            "labels": other.train_file("north"),
            "test": other.test_file("capes"),
        }[changed]
        file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(XnerError, match="X801"):
        is_done(other, cell)


def test_what_no_key_holds_is_as_it_was_for_the_cells_of_this_format():
    """Constants of the code decide cells too. Who changes one makes other cells: raise FORMAT."""
    ranking = {
        name: option.default
        for function in (load_token_features, rank_sources)
        for name, option in inspect.signature(function).parameters.items()
        if name in ("num_hidden_layers", "pool", "target_tokens", "neighbours")
    }
    guests = inspect.signature(make_guest_weights).parameters["share"].default
    assert (FORMAT, MIN_STEPS, POOLS, guests, ranking) == (
        1,
        150,
        {"uniform": "linear", "weighted": "log-linear"},
        None,
        {"num_hidden_layers": 8, "pool": 5000, "target_tokens": 2000, "neighbours": 10},
    )


def test_inputs_that_change_meanwhile_spoil_a_cell(place, said, here, tmp_path, monkeypatch):
    cell = Cell("rich", "weighted", ("north",), "single", tuple(TARGETS), 0)
    other = replace(place, results=Path(shutil.copytree(place.results, tmp_path / "results")))
    (other.results / cell.file).unlink()
    keys = iter(["before", "after"])
    monkeypatch.setattr("spacy_xner.study.compute.cell_key", lambda *_: next(keys))
    with pytest.raises(XnerError, match="X810"):
        compute(other, cell)
    assert not (other.results / cell.file).exists()


def test_costs_are_those_of_the_cell(place, said):
    """A model of one target pays for what its teachers say about that one."""
    found = results(place)
    joint = found["rich/weighted-all-2-all-seed0"]["cost"]
    single = found["rich/weighted-all-2-capes-seed0"]["cost"]
    assert joint["teachers_seconds"] == single["teachers_seconds"] > 0
    assert single["annotate_seconds"] < joint["annotate_seconds"]
    assert "annotate_seconds" not in found["rich/direct-all-2-all-seed0"]["cost"]


def test_a_direct_model_waits_for_the_teacher_that_it_is(place):
    both = ("north", "south")
    direct, pooled, weighted = (
        Cell("rich", system, both, "all", tuple(TARGETS), 0)
        for system in ("direct", "pooled", "weighted")
    )
    tasks = {task.name: task for task in tasks_of(place, [direct, pooled, weighted, weighted])}
    assert list(tasks) == [
        "pooled-north-south-seed0",
        "rich-direct-all-2-all-seed0",
        "rich-pooled-all-2-all-seed0",
        "teacher-north-seed0",
        "teacher-south-seed0",
        "rich-weighted-all-2-all-seed0",
    ]
    for name in ("direct", "pooled"):
        assert tasks[f"rich-{name}-all-2-all-seed0"].needs == {"pooled-north-south-seed0"}
    (alone,) = tasks_of(place, [direct])
    assert not alone.needs


def test_two_runs_in_one_folder_are_refused(place, said, here):
    from spacy_xner.locks import lock_folder

    with lock_folder(place.work), pytest.raises(XnerError, match="X701"):
        run_study(place)


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("study", ROOT / "scripts" / "study.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_says_what_is_wrong(script, tmp_path):
    folders = [tmp_path / name for name in ("corpus", "work", "results")]
    options = ["--sources", "en", "--targets", "sw", "--encoder", "offline", "--built", tmp_path]
    code, output = call(tmp_path / "none.cfg", *folders, *options, on=script.app)
    assert code == 1
    assert "X601" in output


def test_seeds_are_numbers(script):
    assert script.numbers("") == []
    assert script.numbers("0 12") == [0, 12]
    with pytest.raises(typer.BadParameter, match="Found '0 x', expected numbers"):
        script.numbers("0 x")
