"""Hold a pipeline for a run, and load it anew now and then."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from spacy.language import Language

from ..annotate import find_ensemble, run_key, run_parts
from ..corpora.raw_text import STDIN
from ..errors import Errors, XnerError
from ..teachers.faults import faults_of
from .blocks import Block
from .shard import Entry, annotate_block

RENEWED = 50_000
"""Texts after which the pipeline is loaded anew.

A memory zone frees the words of a block, but spaCy's tables of words double in size whenever they
have seen enough different ones, freed or not: some 20 to 50 bytes a word, vocabulary and table.
"""


class Annotator:
    """A pipeline that annotates blocks, in memory that does not grow with their number.

    faults: By teacher, what it could not answer; complete once the annotator is closed.

    model (str): Folder or package name of the pipeline.
    output (Path): Folder of the shards.
    key (str), max_failures (float): See `annotate_block`.
    identity (str): What the pipeline must be, see `pipeline_identity`; "" for what it is at first.
    threads (int): Of torch, 0 for its own choice.
    gpu_id (int): GPU to use, -1 for the CPU.
    nlp (Optional[Language]): The pipeline, if it is loaded already. Who hands it over keeps no
        reference, or it cannot be freed.
    """

    def __init__(
        self,
        model: str,
        output: Path,
        *,
        key: str,
        max_failures: float = 0.01,
        identity: str = "",
        threads: int = 0,
        gpu_id: int = -1,
        nlp: Language | None = None,
    ) -> None:
        self.model = model
        self.output = output
        self.settings = {"key": key, "max_failures": max_failures}
        self.identity = identity
        self.how = {"threads": threads, "gpu_id": gpu_id}
        self.faults: dict[str, Counter[str]] = {}
        self._nlp = nlp
        self._texts = 0

    def annotate(self, block: Block) -> Entry:
        """Write the shard of a block.

        RAISES (XnerError): What `load_annotator` and `annotate_block` raise.
        """
        if self._texts >= RENEWED:
            self.close()
        nlp = self.load()
        self._texts += len(block.items)
        return annotate_block(nlp, block, self.output, **self.settings)  # type: ignore[arg-type]

    def load(self) -> Language:
        """The pipeline, which is loaded if it is not.

        RAISES (XnerError): X467 if it is another one than before, and see `load_annotator`.
        """
        if self._nlp is None:
            nlp = load_annotator(self.model, **self.how)
            found = pipeline_identity(run_parts(nlp, STDIN))
            if found != (self.identity or found):
                raise XnerError(Errors.X467.format(path=self.model))
            self.identity, self._nlp = found, nlp
        else:
            find_ensemble(self._nlp).load()
        return self._nlp

    def engine(self, blocks: Iterable[Block]) -> Iterator[Entry]:
        """One block after another in this process; see `run.Engine`."""
        return map(self.annotate, blocks)

    def close(self) -> None:
        """Let go of the pipeline, and remember what its teachers could not answer."""
        if self._nlp is not None:
            for name, teacher in find_ensemble(self._nlp).teachers.items():
                self.faults.setdefault(name, Counter()).update(faults_of(teacher))
        self._nlp = None
        self._texts = 0


def pipeline_identity(parts: Mapping[str, str]) -> str:
    """A hash of a pipeline and its teachers, whatever it reads, from what `run_parts` found."""
    return run_key({name: parts[name] for name in ("pipeline", "teachers")})


def load_annotator(model: str, *, threads: int = 0, gpu_id: int = -1) -> Language:
    """Load a pipeline with a `teacher_ensemble` and all its teachers.

    model (str): Folder or package name.
    threads (int): Of torch, 0 for its own choice.
    gpu_id (int): GPU to use, -1 for the CPU.
    RAISES (XnerError): X603, X604 and X410, and what `TeacherEnsemble.load` raises.
    """
    from ..util import load_pipeline, setup_gpu

    setup_gpu(gpu_id)
    nlp = load_pipeline(model)
    # Before the first memory zone: what is loaded inside one would be freed with it.
    find_ensemble(nlp).load()
    if threads and "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    return nlp
