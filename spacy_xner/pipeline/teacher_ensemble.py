"""`teacher_ensemble`: combines teachers on raw text into silver annotations."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import srsly
from numpy.typing import NDArray
from spacy.language import Language
from spacy.pipeline.pipe import Pipe
from spacy.tokens import Doc
from spacy.util import minibatch
from spacy.vocab import Vocab

from ..decode import decode
from ..ensemble.pair_pooling import pool_vectors
from ..ensemble.pooling import Pool
from ..ensemble.votes import Votes, fill_unheard, fill_untaught, leave_out_silent, split
from ..ensemble.weights import Weights
from ..errors import Errors, XnerError
from ..labels import projection
from ..safety import read_metadata
from ..silver import SPANS_KEY, Silver, set_hard_reading, write_silver
from ..spans import set_scored_spans
from ..teachers.base import SimilarityTeacher, Teacher, abstains, evaluates

SPECIFICATION = "ensemble.json"


@Language.factory(
    "teacher_ensemble",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type", "doc.spans"],
    default_config={
        "teachers": {},
        "labels": ["LOC", "ORG", "PER"],
        "weights": {"@misc": "spacy-xner.UniformWeights.v1"},
        "pool": {"@misc": "spacy-xner.LinearPool.v1"},
        "threshold": 0.5,
        "keep_votes": True,
        "keep_similarity": False,
        "scorer": {"@scorers": "spacy-xner.xner_scorer.v1", "spans_key": SPANS_KEY},
    },
)
def make_teacher_ensemble(
    nlp: Language,
    name: str,
    # Not dict[str, Teacher]: the config is validated before the blocks become objects.
    teachers: dict[str, Any],
    labels: list[str],
    weights: Weights,
    pool: Pool,
    threshold: float,
    keep_votes: bool,
    keep_similarity: bool,
    scorer: Callable | None,
) -> "TeacherEnsemble":
    """Make a `teacher_ensemble`; the settings are described at `TeacherEnsemble`."""
    return TeacherEnsemble(
        nlp.vocab,
        name,
        teachers=teachers,
        labels=labels,
        weights=weights,
        pool=pool,
        threshold=threshold,
        keep_votes=keep_votes,
        keep_similarity=keep_similarity,
        scorer=scorer,
    )


class TeacherEnsemble(Pipe):
    """Annotates documents with the weighted opinion of several teachers.

    Writes silver annotations (`silver.py`): label distributions and weights in
    `doc.user_data["xner"]`, the hard reading in `doc.ents` and `doc.spans["silver"]`, and by option
    each teacher's own entities in `doc.spans["silver/<teacher>"]`. It can be used by itself as the
    only component of a pipeline.

    vocab (Vocab): The shared vocabulary.
    name (str): Name of the instance.
    teachers (Dict[str, Teacher]): By name. They are loaded when the first document comes.
    labels (Sequence[str]): The entity types of the silver annotations.
    weights (Weights): Who is heard; see `ensemble/weights.py`.
    pool (Pool): How voices are combined; see `ensemble/pooling.py`.
    threshold (float): Entities and tokens below this probability are marked missing in `doc.ents`.
    keep_votes (bool): Write a span group for each teacher.
    keep_similarity (bool): Write the pooled vectors of the teachers' similarity evaluators.
    scorer (Callable): Scores examples.
    """

    def __init__(
        self,
        vocab: Vocab,
        name: str = "teacher_ensemble",
        *,
        teachers: dict[str, Teacher],
        labels: Sequence[str],
        weights: Weights,
        pool: Pool,
        threshold: float = 0.5,
        keep_votes: bool = True,
        keep_similarity: bool = False,
        scorer: Callable | None = None,
    ) -> None:
        if not 0.0 <= threshold <= 1.0:
            expected = "a number from 0 to 1"
            raise XnerError(Errors.X308.format(key="threshold", value=threshold, expected=expected))
        self.vocab = vocab
        self.name = name
        self.teachers = dict(teachers)
        self._labels = tuple(labels)
        self.weights = weights
        self.pool = pool
        self.threshold = threshold
        self.keep_votes = keep_votes
        self.keep_similarity = keep_similarity
        self.scorer = scorer
        self._saved_hashes: dict[str, str | None] = {}
        self._columns: dict[str, tuple[NDArray[np.float64], NDArray[np.bool_]]] = {}

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity types of the silver annotations."""
        return self._labels

    def load(self) -> None:
        """Load all teachers and check that each fits; called with the first document.

        RAISES (XnerError): X404 without teachers, X401 for one that cannot be loaded, X402 for one
            with other labels, X406 for one that changed since the ensemble was saved, X409 for a
            class that nobody was taught, X440 if the evaluators of all teachers are missing.
        """
        if self._columns:
            return
        if not self.teachers:
            raise XnerError(Errors.X404)
        columns = {name: self._load_teacher(name) for name in self.teachers}
        for i, label in enumerate(self.labels):
            if not any(taught[1 + 2 * i] for _, taught in columns.values()):
                found = {"label": label, "teachers": list(self.teachers)}
                raise XnerError(Errors.X409.format(**found))
        if self.keep_similarity and not any(map(evaluates, self.teachers.values())):
            raise XnerError(Errors.X440.format(teachers=list(self.teachers)))
        self._columns = columns

    def _load_teacher(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        teacher = self.teachers[name]
        try:
            teacher.load()
            if self.keep_similarity and evaluates(teacher):
                cast(SimilarityTeacher, teacher).vectors([])  # loads the evaluator too
        except XnerError as err:
            raise XnerError(
                str(err).replace("'?'", f"'{name}'").replace(".?]", f".{name}]")
            ) from err
        expected = self._saved_hashes.get(name)
        found = _identity(teacher.specification())
        if expected is not None and found != expected:
            raise XnerError(Errors.X406.format(name=name, found=found, expected=expected))
        matrix, taught = projection(teacher.labels, self.labels, teacher.label_map)
        if not taught[1:].any():
            details = {"labels": list(self.labels), "name": name, "found": list(teacher.labels)}
            raise XnerError(Errors.X402.format(**details))
        return matrix, taught

    @contextmanager
    def memory_zone(self, mem: Any = None) -> Iterator[Any]:
        """Free what the teachers' vocabularies learn inside the block; see `Language.memory_zone`.

        mem (Optional[cymem.Pool]): Not used: each teacher has a pool of its own.
        """
        self.load()  # outside of all zones
        with ExitStack() as stack:
            for teacher in self.teachers.values():
                if hasattr(teacher, "memory_zone"):
                    stack.enter_context(teacher.memory_zone())
            yield mem

    def __call__(self, doc: Doc) -> Doc:
        """Annotate one document in place."""
        return next(self.pipe([doc], batch_size=1), doc)

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 256) -> Iterator[Doc]:
        """Annotate a stream of documents in place, in order.

        stream (Iterable[Doc]): Documents, also without tokens.
        batch_size (int): Documents that each teacher is given at once.
        YIELDS (Doc): The same objects. A batch that fails goes to the error handler.
        """
        error_handler = self.get_error_handler()
        for docs in minibatch(stream, size=batch_size):
            try:
                self.set_annotations(docs, self.predict(docs))
                yield from docs
            except Exception as err:  # spaCy's contract: the handler decides
                error_handler(self.name, self, docs, err)

    def predict(self, docs: Sequence[Doc]) -> Votes:
        """Ask all teachers.

        docs (Sequence[Doc]): Left as they are.
        RETURNS (Votes): In the ensemble's labels.
        RAISES (XnerError): X407 if a teacher gives arrays of a wrong shape, or no distributions,
            X442 if its evaluator does.
        """
        self.load()
        lengths = tuple(len(doc) for doc in docs)
        rows = []
        for name, teacher in self.teachers.items():
            answers = teacher.distributions(docs)
            matrix, _ = self._columns[name]
            shapes = [(length, len(matrix)) for length in lengths]
            found = [answer.shape for answer in answers]
            if found != shapes:
                details = {"name": name, "found": found[:5], "expected": shapes[:5]}
                raise XnerError(Errors.X407.format(**details))
            probs = np.concatenate(answers)
            sums = np.concatenate([np.full(len(a), float(not abstains(a))) for a in answers])
            if not np.allclose(probs.sum(axis=1), sums, atol=1e-3):  # also where it is no number
                details = {"name": name, "found": "rows of other sums", "expected": shapes[:5]}
                raise XnerError(Errors.X407.format(**details))
            rows.append(probs @ matrix)
        taught = np.stack([taught for _, taught in self._columns.values()])
        vectors = self._vectors(docs) if self.keep_similarity else None
        return Votes(tuple(self.teachers), self.labels, np.stack(rows), taught, lengths, vectors)

    def _vectors(self, docs: Sequence[Doc]) -> dict[str, NDArray[np.float64]]:
        """Of the teachers that have an evaluator; the others are left out."""
        found = {}
        for name, teacher in self.teachers.items():
            if not evaluates(teacher):
                continue
            answers = cast(SimilarityTeacher, teacher).vectors(docs)
            shapes = [rows.shape for rows in answers]
            if [s[0] for s in shapes] != [len(doc) for doc in docs] or len(
                {s[1:] for s in shapes}
            ) > 1:
                details = {
                    "name": name,
                    "found": shapes[:5],
                    "expected": [len(d) for d in docs[:5]],
                }
                raise XnerError(Errors.X442.format(**details))
            found[name] = np.concatenate(answers)
        return found

    def set_annotations(self, docs: Sequence[Doc], votes: Votes) -> None:
        """Weight, pool, decode and write.

        A document on which nobody is heard gets weight 0, and all its tokens are marked missing.

        docs (Sequence[Doc]): Annotated in place.
        votes (Votes): What `predict` gave.
        """
        weights = leave_out_silent(self.weights(docs, votes), votes)
        pooled = fill_unheard(self.pool(fill_untaught(votes, weights), weights), weights)
        distributions = split(pooled, votes.lengths)
        doc_weights = split(weights, votes.lengths)
        similarity: Sequence[NDArray[np.float64] | None] = [None] * len(docs)
        if votes.vectors:
            similarity = split(pool_vectors(votes.vectors, votes.names, weights), votes.lengths)
        entities = decode(distributions, self.labels)
        for doc, rows, ents, shares, alike in zip(
            docs, distributions, entities, doc_weights, similarity, strict=True
        ):
            mean = shares.mean(axis=0) if len(doc) else np.zeros(len(votes.names))
            heard = float(shares.any() or not len(doc))
            silver = Silver(
                labels=self.labels,
                distribution=rows,
                token_weights=np.full(len(doc), heard),
                doc_weight=heard,
                teacher_weights=dict(zip(votes.names, mean.tolist(), strict=True)),
                similarity=alike,
            )
            write_silver(doc, silver)
            # Below every threshold where nobody is heard.
            confidence = rows.max(axis=1, initial=0.0) if heard else np.full(len(doc), -1.0)
            set_hard_reading(doc, ents if heard else [], confidence, threshold=self.threshold)
        if self.keep_votes:
            readers = votes.readers
            for k, name in enumerate(votes.names):
                taught = votes.taught[k, 1::2]
                unknown = [x for x, known in zip(self.labels, taught, strict=True) if not known]
                answers = decode(split(votes.probs[k], votes.lengths), self.labels)
                for doc, ents, reads in zip(docs, answers, readers[:, k], strict=True):
                    if not reads:  # no group: it abstains, and does not say O everywhere
                        continue
                    # What a teacher does not know, it does not deny.
                    attrs = {"untaught": unknown} if unknown else {}
                    set_scored_spans(doc, f"{SPANS_KEY}/{name}", ents, **attrs)

    def to_disk(self, path: Path | str, *, exclude: Iterable[str] = ()) -> None:
        """Write the teachers' specifications (not their weights) to a folder."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        self.load()
        specification = {}
        for name, teacher in self.teachers.items():
            entry = teacher.specification()
            if "path" in entry and Path(entry["path"]).exists():
                entry["relative_path"] = os.path.relpath(entry["path"], folder)
            specification[name] = entry
        srsly.write_json(folder / SPECIFICATION, {"teachers": specification})

    def from_disk(self, path: Path | str, *, exclude: Iterable[str] = ()) -> "TeacherEnsemble":
        """Remember which teachers the ensemble was saved with; they are checked when loaded."""
        folder = Path(path)
        for name, entry in read_metadata(folder / SPECIFICATION)["teachers"].items():
            self._saved_hashes[name] = _identity(entry)
            if name in self.teachers and "relative_path" in entry:
                self.teachers[name].relocate(folder / entry["relative_path"])
        self._columns.clear()
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The teachers' specifications as bytes."""
        self.load()
        return srsly.json_dumps(
            {name: teacher.specification() for name, teacher in self.teachers.items()}
        ).encode()

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> "TeacherEnsemble":
        """The counterpart of `to_bytes`."""
        for name, entry in srsly.json_loads(data).items():
            self._saved_hashes[name] = _identity(entry)
        self._columns.clear()
        return self


def _identity(specification: Mapping[str, Any]) -> str | None:
    """The hash of a teacher, and that of its evaluator if it lies elsewhere."""
    own = specification.get("sha256")
    other = specification.get("evaluator", {}).get("sha256")
    return f"{own} {other}" if other else own
