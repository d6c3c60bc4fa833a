"""What cells are made from, each made once and kept in the folder of work."""

import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..annotate import find_ensemble
from ..corpora.raw_text import read_text
from ..ensemble.blocks import PoolName, WeightsName, pool_block, weights_block
from ..ensemble.build import build_ensemble
from ..jobs.texts import to_docs
from ..safety import read_metadata
from ..shards import read_docs, write_bytes, write_docs
from ..teachers.cached import keep_answers
from ..training.development import write_development
from ..training.run import STAMP, train_pipeline
from .plan import Plan, Recipe
from .remembered import RememberedTeacher

T = TypeVar("T")
COST = "cost.json"
ENSEMBLE = Path("configs/ensemble.cfg")
LLM = "llm"
RANKING = "rank.json"
# What is watched while a model trains decides nothing, and costs time.
WATCHED = 60
# How teachers are combined, by system; "weighted" is what the project does by default.
HOW: dict[str, tuple[WeightsName, PoolName]] = {
    "uniform": ("uniform", "linear"),
    "weighted": ("rank", "log-linear"),
}


@dataclass(frozen=True)
class Place:
    """Where a study finds and leaves things.

    corpus: Folder of prepared corpora: "source", "unlabelled", "test". encoder: Folder or hub name.
    llm: The same of a language model. work: Folder for what is made on the way. results: Folder for
    the cells. gpu_id: -1 for the CPU.
    """

    plan: Plan
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

    def test_file(self, language: str) -> Path:
        """The test set of a language."""
        return self.corpus / "test" / f"{language}-test.spacy"

    @property
    def influence(self) -> Path:
        """Folder of the sources' weights."""
        return self.work / "influence"


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


@contextmanager
def measured(folder: Path, name: str) -> Iterator[None]:
    """Note in a folder how much processor time the block took, added to what is there."""
    start = time.process_time()
    yield
    found = cost(folder)
    found[name] = found.get(name, 0.0) + time.process_time() - start
    write_bytes(folder / COST, json.dumps(found).encode())


def cost(folder: Path) -> dict[str, float]:
    """What `measured` noted in a folder: seconds by name."""
    try:
        return dict(read_metadata(folder / COST))
    except FileNotFoundError:
        return {}


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
) -> Path:
    """Train a pipeline, unless the same one lies there already.

    recipe (Recipe): How.
    output (Path): Folder of the pipeline.
    folder (Path), names (Sequence[str]): The files or sub-folders of a folder that it learns from.
    sources (Sequence[str]): Languages, of whose development sets a little is watched.
    encoder (Optional[str]): In place of the study's.
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
    how: dict[str, Any] = {"epochs": recipe.epochs, "gpu_id": place.gpu_id}
    if train_pipeline(recipe.config, output, overrides=settings, **how):
        seconds = {"train_seconds": time.process_time() - start}
        write_bytes(output / COST, json.dumps(seconds).encode())
    return output / "model-last"


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


def make_teacher(
    place: Place, source: str, targets: Sequence[str], seed: int, kind: str = "teacher"
) -> None:
    """Train the teacher of a source, and ask it about the unlabelled text of the targets.

    RAISES (XnerError): See `train_model`.
    """
    output = teacher_folder(place, source, seed, kind)
    train_on_labels(place, kind, [source], output, seed=seed)
    nlp = make_ensemble(place, [source], targets[0], seed, system="uniform", kind=kind)
    ask(place, nlp, [target for target in targets if target != source], output)


def make_llm(place: Place, sources: Sequence[str], targets: Sequence[str], seed: int) -> Path:
    """Fine-tune a language model on the labels of the sources, and ask it as `make_teacher` does.

    RETURNS (Path): Its folder.
    """
    output = llm_folder(place, sources, seed)
    train_on_labels(place, LLM, sources, output, seed=seed, size=LLM, encoder=place.llm)
    nlp = build_ensemble(ENSEMBLE, {LLM: str(output / "model-last")})
    remember(place, nlp, {LLM: output})
    ask(place, nlp, targets, output)
    return output


def llm_folder(place: Place, sources: Sequence[str], seed: int) -> Path:
    """Where the language model of some sources lies."""
    return place.work / LLM / f"{'-'.join(sources)}-seed{seed}"


def make_ensemble(
    place: Place,
    sources: Sequence[str],
    target: str,
    seed: int,
    *,
    system: str,
    kind: str = "teacher",
    llm: Path | None = None,
) -> Language:
    """An ensemble whose teachers answer from memory what they were asked before.

    system (str): A name in `HOW`.
    llm (Optional[Path]): Folder of a language model that is heard as well, as much as an average
        teacher.
    """
    folders = {source: teacher_folder(place, source, seed, kind) for source in sources}
    weights, pool = HOW[system] if len(sources) > 1 else HOW["uniform"]
    if llm is not None:
        folders[LLM] = llm
    nlp = build_ensemble(
        ENSEMBLE,
        {name: str(folder / "model-last") for name, folder in folders.items()},
        weights=weights_block(weights, place.influence, target, sources, 0),
        pool=pool_block(pool),
        guests=[LLM] if llm is not None else [],
        keep_similarity=kind == "tasks",
    )
    remember(place, nlp, folders)
    return nlp


def remember(place: Place, nlp: Language, folders: Mapping[str, Path]) -> None:
    """Let the teachers of an ensemble keep what they are and what they answer."""
    pipe = find_ensemble(nlp)
    known = {
        name: RememberedTeacher(
            teacher, stamp=folders[name] / STAMP, memory=folders[name] / "teacher.json"
        )
        for name, teacher in pipe.teachers.items()
    }
    pipe.teachers = keep_answers(known, place.work / "answers")


def ask(place: Place, nlp: Language, targets: Sequence[str], output: Path) -> None:
    """Ask an ensemble about the unlabelled text of the targets, and note what it costs."""
    pipe = find_ensemble(nlp)
    with measured(output, "annotate_seconds"):
        for target in targets:
            pipe.predict(list(unlabelled(place, nlp, target)))


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
