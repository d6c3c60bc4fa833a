"""What cells are made from, each made once and kept in the folder of work."""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..annotate import find_ensemble
from ..checksums import SUMS
from ..corpora.raw_text import read_text
from ..ensemble.blocks import PoolName, pool_block
from ..ensemble.build import build_ensemble
from ..ensemble.language_weights import weights_of
from ..ensemble.nn_rank import select
from ..errors import Errors, XnerError
from ..jobs.texts import to_docs
from ..safety import read_metadata
from ..shards import read_docs, write_docs
from ..teachers.cached import keep_answers
from ..training.development import write_development
from ..training.run import train_pipeline
from ..util import write_json
from .cells import Cell
from .grid import ranking_cell
from .plan import Plan, Recipe
from .remembered import RememberedTeacher

T = TypeVar("T")
COST = "cost.json"
ENSEMBLE = Path("configs/ensemble.cfg")
LLM, POOLED = "llm", "pooled"
LAST = "model-last"
# What is watched while a model trains decides nothing, and costs time.
WATCHED = 60
# How the teachers of a system are pooled; "weighted" is what the project does by default.
POOLS: dict[str, PoolName] = {"uniform": "linear", "weighted": "log-linear"}


@dataclass(frozen=True)
class Place:
    """Where a study finds and leaves things.

    sources, targets: Languages, see `grid.cells`. corpus: Folder of prepared corpora: "source",
    "unlabelled", "test". encoder: Folder or hub name. llm: The same of a language model. work:
    Folder for what is made on the way. results: Folder for the cells. gpu_id: -1 for the CPU.
    """

    plan: Plan
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    corpus: Path
    encoder: str
    llm: str
    work: Path
    results: Path
    gpu_id: int = -1

    def train_file(self, language: str) -> Path:
        """The labels of a language."""
        return self.corpus / "source" / f"{language}-train.spacy"

    def text_file(self, language: str) -> Path:
        """The unlabelled text of a language."""
        return self.corpus / "unlabelled" / f"{language}.jsonl"

    @property
    def silver(self) -> Path:
        """Silver annotations by target, of the cell whose sentences the report shows."""
        return self.work / "silver"

    def test_file(self, language: str) -> Path:
        """The test set of a language."""
        return self.corpus / "test" / f"{language}-test.spacy"


def target_weights(
    place: Place, setting: str, sources: Sequence[str], target: str
) -> dict[str, float]:
    """The weight of each source for a target, by the ranking of a setting.

    RAISES (XnerError): X601 if the ranking is not computed, X422 if it lacks a source.
    """
    path = place.results / ranking_cell(setting, place.sources, place.targets).file
    if not path.is_file():
        raise XnerError(Errors.X601.format(path=path))
    known = read_metadata(path)["ranking"][target]
    return select(weights_of(sources, known, path=path), top=None, equal=False)


def sample(items: Sequence[T], size: int) -> list[T]:
    """Some of a corpus, the same ones for all cells: its beginning may be of one kind of text.

    items (Sequence[T]): All.
    size (int): How many at most, 0 for all.
    RETURNS (List[T]): In their order.
    """
    if not 0 < size < len(items):
        return list(items)
    chosen = random.Random(size).sample(range(len(items)), size)
    return [items[i] for i in sorted(chosen)]


def cost(folder: Path) -> dict[str, Any]:
    """What a model cost: "train_seconds", and "annotate_seconds" by target."""
    try:
        return dict(read_metadata(folder / COST))
    except FileNotFoundError:
        return {}


def note_cost(folder: Path, **seconds: Any) -> None:
    """Add to what a model cost."""
    write_json(folder / COST, {**cost(folder), **seconds})


def train_model(
    place: Place,
    recipe: Recipe,
    output: Path,
    *,
    seed: int,
    folder: Path,
    names: Sequence[str],
    sources: Sequence[str],
    encoder: str | None = None,
    against: Sequence[Path] = (),
) -> Path:
    """Train a pipeline, unless the same one lies there already.

    recipe (Recipe): How.
    output (Path): Folder of the pipeline.
    folder (Path), names (Sequence[str]): The files or sub-folders of a folder that it learns from.
    sources (Sequence[str]): Languages, of whose development sets a little is watched.
    encoder (Optional[str]): In place of the study's.
    against (Sequence[Path]): Test sets, of which the corpus may hold no sentence.
    RETURNS (Path): The last checkpoint.
    RAISES (XnerError): See `train_pipeline`.
    """
    watched = output / "dev.spacy"
    files = (place.corpus / "source" / f"{name}-dev.spacy" for name in sources)
    write_development(files, watched, each=max(1, WATCHED // len(sources)))
    settings = {
        "paths.train": str(folder),
        "paths.dev": str(watched),
        "paths.encoder": encoder or place.encoder,
        "system.seed": seed,
        "corpora.train.folders": list(names),
        **recipe.overrides,
    }
    start = time.process_time()

    def finish(_: Path) -> None:
        """Before the run counts as done: a kill in between would lose it."""
        (output / COST).unlink(missing_ok=True)
        note_cost(output, train_seconds=time.process_time() - start)

    how: dict[str, Any] = {"epochs": recipe.epochs, "gpu_id": place.gpu_id, "against": against}
    train_pipeline(recipe.config, output, overrides=settings, finish=finish, **how)
    return output / LAST


def direct_recipe(cell: Cell) -> str:
    """The recipe of a model of labels: of a single source, it is that source's teacher."""
    single = cell.system == "direct" and len(cell.sources) == 1
    return "teacher" if single else "direct"


def train_on_labels(
    place: Place,
    kind: str,
    sources: Sequence[str],
    output: Path,
    *,
    seed: int,
    size: str = "source",
    encoder: str | None = None,
) -> Path:
    """Train a pipeline on the labels of one or more languages, taken together.

    kind (str): Name of the recipe.
    size (str): Name of the size: so many sentences of each language.
    RETURNS (Path): The last checkpoint.
    """
    limit = place.plan.sizes[size]
    folder = place.work / "labelled"
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{source}-{limit}.spacy" for source in sources]
    # Written each time: the same bytes, unless the corpus has changed.
    for source, name in zip(sources, names, strict=True):
        docs = list(read_docs(place.train_file(source), Vocab()))
        write_docs(folder / name, sample(docs, limit))
    how: dict[str, Any] = {"folder": folder, "names": names, "sources": sources}
    return train_model(place, place.plan.recipes[kind], output, seed=seed, encoder=encoder, **how)


def teacher_folder(place: Place, source: str, seed: int, kind: str = "teacher") -> Path:
    """Where the teacher of a source lies; "tasks" are those with an evaluator."""
    return place.work / kind / f"{source}-seed{seed}"


def make_teacher(place: Place, source: str, seed: int, kind: str = "teacher") -> None:
    """Train the teacher of a source, and ask it about the unlabelled text of the targets.

    RAISES (XnerError): See `train_model`.
    """
    output = teacher_folder(place, source, seed, kind)
    train_on_labels(place, kind, [source], output, seed=seed)
    ask(place, source, output, similarity=kind == "tasks")


def pooled_folder(place: Place, sources: Sequence[str], seed: int) -> Path:
    """Where the one teacher lies that learnt from all of some sources."""
    return place.work / POOLED / f"{'-'.join(sources)}-seed{seed}"


def make_pooled(place: Place, sources: Sequence[str], seed: int) -> None:
    """Train one model on the labels of all sources, and ask it as `make_teacher` does.

    RAISES (XnerError): See `train_model`.
    """
    output = pooled_folder(place, sources, seed)
    train_on_labels(place, "direct", sources, output, seed=seed)
    ask(place, POOLED, output)


def llm_folder(place: Place, sources: Sequence[str], seed: int) -> Path:
    """Where the language model of some sources lies."""
    return place.work / LLM / f"{'-'.join(sources)}-seed{seed}"


def make_llm(place: Place, sources: Sequence[str], seed: int) -> None:
    """Fine-tune a language model on the labels of the sources, and ask it as `make_teacher` does.

    RAISES (XnerError): See `train_model`.
    """
    output = llm_folder(place, sources, seed)
    train_on_labels(place, LLM, sources, output, seed=seed, size=LLM, encoder=place.llm)
    ask(place, LLM, output)


def teacher_folders(
    place: Place, cell: Cell, *, kind: str = "teacher", llm: bool = False
) -> dict[str, Path]:
    """Where the teachers of a cell lie, by name. For the arguments see `make_ensemble`."""
    if cell.system == "pooled":
        return {POOLED: pooled_folder(place, cell.sources, cell.seed)}
    folders = {name: teacher_folder(place, name, cell.seed, kind) for name in cell.sources}
    return {**folders, LLM: llm_folder(place, cell.sources, cell.seed)} if llm else folders


def make_ensemble(
    place: Place,
    cell: Cell,
    target: str,
    *,
    how: str = "weighted",
    kind: str = "teacher",
    llm: bool = False,
) -> Language:
    """The ensemble of a cell; its teachers answer from memory what they were asked before.

    how (str): A name in `POOLS`.
    kind (str): Of the teachers.
    llm (bool): Hear the language model of the same sources too, as much as an average teacher.
    """
    folders = teacher_folders(place, cell, kind=kind, llm=llm)
    weights: dict[str, Any] = {"@misc": "spacy-xner.UniformWeights.v1"}
    if how == "weighted" and len(cell.sources) > 1:
        found = target_weights(place, cell.setting, cell.sources, target)
        weights = {"@misc": "spacy-xner.FixedWeights.v1", "weights": found}
    nlp = build_ensemble(
        ENSEMBLE,
        {name: str(folder / LAST) for name, folder in folders.items()},
        weights=weights,
        pool=pool_block(POOLS[how]),
        guests=[LLM] if llm else [],
        keep_similarity=kind == "tasks",
    )
    remember(place, nlp, folders)
    return nlp


def remember(place: Place, nlp: Language, folders: Mapping[str, Path]) -> None:
    """Let the teachers of an ensemble keep what they are and what they answer."""
    pipe = find_ensemble(nlp)
    known = {
        name: RememberedTeacher(
            teacher, stamp=folders[name] / LAST / SUMS, memory=folders[name] / "teacher.json"
        )
        for name, teacher in pipe.teachers.items()
    }
    pipe.teachers = keep_answers(known, place.work / "answers")


def ask(place: Place, name: str, output: Path, *, similarity: bool = False) -> None:
    """Ask a teacher about the unlabelled text of each target, once, and note what it costs.

    name (str): Of the teacher; a source is not asked about itself.
    output (Path): Its folder.
    similarity (bool): Ask its evaluator too.
    """
    nlp = build_ensemble(ENSEMBLE, {name: str(output / LAST)})
    remember(place, nlp, {name: output})
    teacher: Any = find_ensemble(nlp).teachers[name]
    teacher.load()
    asked: dict[str, float] = cost(output).get("annotate_seconds", {})
    for target in place.targets:
        if target == name or target in asked:
            continue
        docs = list(unlabelled(place, nlp, target))
        start = time.process_time()
        teacher.distributions(docs)
        if similarity:
            teacher.vectors(docs)
        asked[target] = time.process_time() - start
        note_cost(output, annotate_seconds=asked)


def unlabelled(place: Place, nlp: Language, target: str) -> Iterator[Doc]:
    """The text of a target, as documents of a pipeline."""
    texts = list(read_text(place.text_file(target)))
    return to_docs(nlp, sample(texts, place.plan.sizes["target"]))


def test_docs(place: Place, target: str, vocab: Vocab) -> list[Doc]:
    """The test set of a target, with its labels."""
    docs = list(read_docs(place.test_file(target), vocab))
    return sample(docs, place.plan.sizes["test"])


def write_silver(place: Place, nlp: Language, target: str, output: Path) -> list[Doc]:
    """Annotate the text of a target, and write and return the documents."""
    output.mkdir(parents=True, exist_ok=True)
    docs = list(nlp.pipe(unlabelled(place, nlp, target)))
    write_docs(output / "part.spacy", docs)
    return docs
