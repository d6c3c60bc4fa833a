"""spaCy pipelines as teachers: `xner` pipes give distributions, any other gives its entities."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import spacy
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import get_package_path

from ..align import project_tokens, project_vectors
from ..errors import Errors, XnerError, reason
from ..hashing import hash_folder
from ..labels import iob2_tags
from ..pipeline.find import find_evaluator, find_xner, run_before
from ..pipeline.reading import read_rows
from ..safety import check_pipeline
from ..spans import blank_copy
from .base import abstains
from .frequencies import sample_distributions, tag_columns
from .sharing import share_parameters

if TYPE_CHECKING:
    from ..pipeline.xner import Xner

Tokens = Literal["target", "teacher"]


class PipelineTeacher(ABC):
    """A spaCy pipeline that teaches. It is loaded when it is first needed.

    path (str): Path or package name of the pipeline.
    label_map (Dict[str, str]): Its label to the ensemble's label; "" for none.
    tokens (str): "target": the teacher reads the ensemble's tokens. "teacher": it reads the raw
        text with its own tokenizer, and its answers are aligned by character positions.
    evaluator (Optional[str]): Path or package name of a pipeline with a `similarity_evaluator`,
        loaded when it is first asked; None for the one in the teacher's own pipeline, if any.
    """

    def __init__(
        self,
        path: str,
        *,
        label_map: dict[str, str],
        tokens: Tokens,
        evaluator: str | None = None,
    ) -> None:
        self.path = path
        self.label_map = label_map
        self.tokens = tokens
        self.evaluator = evaluator
        self._nlp: Language | None = None
        self._evaluating: Language | None = None
        self._specification: dict[str, Any] = {}

    @property
    def nlp(self) -> Language:
        """The teacher's pipeline, loaded on first use."""
        if self._nlp is None:
            self.load()
        if self._nlp is None:
            raise XnerError(Errors.X401.format(name="?", path=self.path, reason="not loaded"))
        return self._nlp

    def load(self) -> None:
        """Load the pipeline; large parameters that another teacher already holds are shared.

        RAISES (XnerError): X401 if it cannot be loaded, X408 if nothing in it sets entities, and
            what `safety.check_pipeline` raises.
        """
        if self._nlp is not None:
            return
        nlp = self._nlp = self._open()
        try:
            labels = list(self.labels)
        except XnerError:
            self._nlp = None
            raise
        self._specification = {
            "path": self.path,
            "kind": type(self).__name__,
            "name": f"{nlp.meta['lang']}_{nlp.meta['name']}",
            "version": nlp.meta["version"],
            "sha256": self._hash(nlp),
            "labels": labels,
            "label_map": self.label_map,
            "tokens": self.tokens,
        }
        if self.evaluator:
            digest = hash_folder(package_folder(self.evaluator))
            self._specification["evaluator"] = {"path": self.evaluator, "sha256": digest}

    def _open(self) -> Language:
        return _load(self.path)

    def _hash(self, nlp: Language) -> str | None:
        return hash_folder(nlp.path) if nlp.path else None

    def relocate(self, path: Path) -> None:
        """Use another path where the configured one leads nowhere from the working directory."""
        if not Path(self.path).exists() and path.exists():
            if self.evaluator and not Path(self.evaluator).exists():  # it has moved along
                moved = path / os.path.relpath(self.evaluator, self.path)
                self.evaluator = str(moved.resolve())
            self.path = str(path.resolve())

    def specification(self) -> dict[str, Any]:
        """Path, name, version, labels, and a SHA-256 over the files of the pipeline."""
        self.load()
        return dict(self._specification)

    @contextmanager
    def memory_zone(self) -> Iterator[None]:
        """Free what the teacher's own vocabulary learns inside the block.

        See `Language.memory_zone`.
        """
        with ExitStack() as stack:
            for nlp in {id(x): x for x in (self._nlp, self._evaluating) if x is not None}.values():
                if not getattr(
                    nlp.vocab, "in_memory_zone", False
                ):  # nor is it, where teachers share a pipeline
                    stack.enter_context(nlp.memory_zone())
            yield

    def distributions(self, docs: Sequence[Doc]) -> list[NDArray[np.float64]]:
        """Label distributions for the tokens of the given documents; see `Teacher`."""
        copies = [self._copy(doc, self.nlp) for doc in docs]
        rows = self._read(copies)
        return [
            # Projected, silence would become an O wherever the tokens differ.
            np.zeros((len(doc), row.shape[1])) if abstains(row) else project_tokens(row, copy, doc)
            for row, copy, doc in zip(rows, copies, docs, strict=True)
        ]

    @property
    def has_evaluator(self) -> bool:
        """Is there an evaluator, by its path or in the teacher's pipeline?"""
        return bool(self.evaluator) or find_evaluator(self.nlp) is not None

    def vectors(self, docs: Sequence[Doc]) -> list[NDArray[np.float64]]:
        """The evaluator's vectors for the tokens of the given documents; see `SimilarityTeacher`.

        RAISES (XnerError): X441 if there is no evaluator, X401 if it cannot be loaded.
        """
        if self._evaluating is None:
            self._evaluating = _load(self.evaluator) if self.evaluator else self.nlp
        nlp = self._evaluating
        pipe = find_evaluator(nlp)
        if pipe is None:
            path = self.evaluator or self.path
            raise XnerError(Errors.X441.format(found=nlp.pipe_names, path=path))
        copies = [self._copy(doc, nlp) for doc in docs]
        rows = pipe.predict(run_before(nlp, pipe, copies))
        return [
            project_vectors(row, copy, doc)
            for row, copy, doc in zip(rows, copies, docs, strict=True)
        ]

    def _copy(self, doc: Doc, nlp: Language) -> Doc:
        """The same text in a pipeline's own vocabulary.

        Static vectors are looked up there, and on a foreign document they would be another word's.
        """
        if self.tokens == "teacher":
            return nlp.tokenizer(doc.text)  # `make_doc` has a limit of its own
        return blank_copy(doc, nlp.vocab)

    @property
    @abstractmethod
    def labels(self) -> tuple[str, ...]:
        """Entity types, in the teacher's names."""

    @abstractmethod
    def _read(self, docs: list[Doc]) -> list[NDArray[np.float64]]:
        """Distributions for documents in the teacher's vocabulary."""


def _load(path: str) -> Language:
    """Load a pipeline and share its large parameters."""
    if Path(path).is_dir():
        check_pipeline(Path(path))
    try:
        nlp = spacy.load(path)
    except Exception as err:  # msgpack, numpy and torch each raise their own on damaged data
        raise XnerError(Errors.X401.format(name="?", path=path, reason=reason(err))) from err
    share_parameters(nlp)
    return nlp


def package_folder(path: str) -> Path:
    """Where a pipeline lies, without loading it.

    path (str): Path or package name.
    RETURNS (Path): A folder.
    RAISES (XnerError): X401 if there is none.
    """
    if Path(path).is_dir():
        return Path(path)
    try:
        return get_package_path(path)
    except Exception as err:  # importing it may raise anything
        raise XnerError(Errors.X401.format(name="?", path=path, reason=reason(err))) from err


class XnerTeacher(PipelineTeacher):
    """A pipeline with an `xner` component: gives its distributions."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the `xner` component."""
        return tuple(self._xner.labels)

    @property
    def _xner(self) -> "Xner":
        pipe = find_xner(self.nlp)
        if pipe is None:
            raise XnerError(Errors.X408.format(name=self.path))
        return pipe

    def _read(self, docs: list[Doc]) -> list[NDArray[np.float64]]:
        return self._xner.predict(run_before(self.nlp, self._xner, docs))

    def token_vectors(self, docs: Sequence[Doc]) -> list[NDArray[np.float64]]:
        """What its tagger reads of each token of the given documents.

        docs (Sequence[Doc]): Not changed; the teacher reads their tokens.
        RETURNS (List[Array of shape (tokens, width)]): One array a document.
        RAISES (XnerError): X324 if its architecture has no such part.
        """
        pipe = self._xner
        encoder = pipe.model.maybe_get_ref("tok2vec")
        if encoder is None:
            found = "its 'xner' has no part 'tok2vec'"
            raise XnerError(Errors.X324.format(path=self.path, reason=found))
        copies = run_before(self.nlp, pipe, [blank_copy(doc, self.nlp.vocab) for doc in docs])
        return read_rows(
            encoder,
            copies,
            lambda rows: rows,
            width=encoder.get_dim("nO"),
            batch_words=pipe.batch_words,
        )


class SpanTeacher(PipelineTeacher):
    """Any pipeline that sets `doc.ents`: its decisions become distributions of a stated certainty.

    certainty (float): Probability of the tag that the teacher chose; the rest is spread evenly.
    labels (Sequence[str]): What it was taught, where its components do not say.
    """

    def __init__(
        self,
        path: str,
        *,
        label_map: dict[str, str],
        tokens: Tokens,
        certainty: float,
        labels: Sequence[str] = (),
        evaluator: str | None = None,
    ) -> None:
        if not 0.0 < certainty <= 1.0:
            found = {"key": "certainty", "value": certainty, "expected": "a number in (0, 1]"}
            raise XnerError(Errors.X308.format(**found))
        super().__init__(path, label_map=label_map, tokens=tokens, evaluator=evaluator)
        self.certainty = certainty
        self._labels = tuple(labels)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that were given, else those of all components that set `doc.ents`."""
        if self._labels:
            return self._labels
        names = [
            name
            for name in self.nlp.pipe_names
            if "doc.ents" in self.nlp.get_pipe_meta(name).assigns
        ]
        labels = {label for name in names for label in self.nlp.pipe_labels.get(name, [])}
        if not labels:
            raise XnerError(Errors.X408.format(name=self.path))
        return tuple(sorted(labels))

    def specification(self) -> dict[str, Any]:
        """As of any pipeline, and the certainty, on which the distributions hang too."""
        return {**super().specification(), "certainty": self.certainty}

    def _read(self, docs: list[Doc]) -> list[NDArray[np.float64]]:
        tags = iob2_tags(self.labels)
        return [
            sample_distributions(tag_columns(doc, tags)[None], len(tags), self.certainty)
            for doc in self.nlp.pipe(docs)
        ]


def make_xner_teacher(
    path: str,
    label_map: dict[str, str] | None = None,
    tokens: Tokens = "target",
    evaluator: str | None = None,
) -> XnerTeacher:
    """Registered as `spacy-xner.XnerTeacher.v1`; for the settings see `PipelineTeacher`."""
    return XnerTeacher(path, label_map=dict(label_map or {}), tokens=tokens, evaluator=evaluator)


def make_span_teacher(
    path: str,
    label_map: dict[str, str] | None = None,
    tokens: Tokens = "teacher",
    certainty: float = 0.9,
    labels: list[str] | None = None,
    evaluator: str | None = None,
) -> SpanTeacher:
    """Registered as `spacy-xner.SpanTeacher.v1`; the settings are described at `SpanTeacher`."""
    return SpanTeacher(
        path,
        label_map=dict(label_map or {}),
        tokens=tokens,
        certainty=certainty,
        evaluator=evaluator,
        labels=labels or (),
    )
