"""Prompted language models as teachers, by way of spacy-llm.

The steps of spacy-llm's component (prompt, ask, parse) are taken here one by one, with its task and
its model. Its own `__call__` writes prompts and documents to the log, asks for a whole batch before
it parses, and stops at the first error.
"""

import hashlib
import json
import logging
import warnings
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import spacy
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_config

from ..errors import Errors, XnerError, reason
from ..hashing import hash_file, named_files
from ..labels import iob2_tags
from ..safety import check_pipeline
from ..spans import blank_copy
from .answers import missing_spans, named_spans
from .faults import ABSTAINED, ERRORS, MALFORMED, NOT_IN_TEXT, REFUSALS, AnswerError, as_fault
from .frequencies import sample_distributions, tag_columns
from .pipeline import SpanTeacher, Tokens, package_folder
from .responses import Responses, response_key
from .secrets import find_secret, mask, masked_logs

logger = logging.getLogger(__name__)


class PromptedTeacher(SpanTeacher):
    """A spaCy pipeline with an `llm` component of spacy-llm and one of its NER tasks.

    An answer that fails is counted in `faults` and left out. A document without any answer is one
    on which the teacher abstains.

    path (str): Path or package name of a saved pipeline, or a config (.cfg) as spacy-llm assembles
        it. Keys come from the environment; a config that holds one is refused.
    samples (int): How often each prompt is asked. More than one needs a model that draws its
        answers (temperature above 0).
    cache (Optional[Path]): Folder for the model's answers; None keeps none.

    For the other arguments see `SpanTeacher`.
    """

    def __init__(
        self,
        path: str,
        *,
        label_map: dict[str, str],
        tokens: Tokens,
        samples: int,
        certainty: float,
        labels: Sequence[str] = (),
        cache: Path | None = None,
    ) -> None:
        if samples < 1:
            found = {"key": "samples", "value": samples, "expected": "1 or more"}
            raise XnerError(Errors.X308.format(**found))
        super().__init__(
            path, label_map=label_map, tokens=tokens, certainty=certainty, labels=labels
        )
        self.samples = samples
        self.faults: Counter[str] = Counter()
        self._responses = Responses(cache)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that were given, else those of the NER tasks.

        RAISES (XnerError): X452 if there are none.
        """
        from spacy_llm.tasks.ner import NERTask

        if self._labels:
            return self._labels
        tasks = [getattr(pipe, "task", None) for _, pipe in self.nlp.pipeline]
        labels = {label for task in tasks if isinstance(task, NERTask) for label in task.labels}
        if not labels:
            raise XnerError(Errors.X452.format(path=self.path, found=self.nlp.pipe_names))
        return tuple(sorted(labels))

    def specification(self) -> dict[str, Any]:
        """As of any pipeline, and the number of samples. The hash of a config is that of its text
        and of all files that it names.
        """  # noqa: D205
        return {**super().specification(), "samples": self.samples}

    def _open(self) -> Language:
        """Load the pipeline.

        RAISES (XnerError): X450 without spacy-llm, X607 if a config cannot be read, X451 if it
            holds a key, X401 if the pipeline cannot be loaded.
        """
        if find_spec("spacy_llm") is None:
            raise XnerError(Errors.X450)
        for file in self._configs():
            try:
                setting = find_secret(load_config(file))
            except Exception as err:  # a parser quotes the line that it cannot read
                details = {"path": file, "reason": mask(reason(err))}
                raise XnerError(Errors.X607.format(**details)) from None
            if setting:
                raise XnerError(Errors.X451.format(setting=setting, path=file))
        try:
            with warnings.catch_warnings(record=True) as caught, masked_logs():
                nlp = self._assemble()
        except Exception as err:  # of the config, of the files that it names, or of a server
            # Not `from err`: its text may quote an address with a key.
            details = {"name": "?", "path": self.path, "reason": mask(reason(err))}
            raise XnerError(Errors.X401.format(**details)) from None
        for warning in caught:
            warnings.warn(mask(str(warning.message)), warning.category, stacklevel=2)
        return nlp

    def _configs(self) -> list[Path]:
        path = Path(self.path)
        if path.is_file():
            return [path]
        return sorted((path if path.is_dir() else package_folder(self.path)).rglob("config.cfg"))

    def _assemble(self) -> Language:
        if not Path(self.path).is_file():
            if Path(self.path).is_dir():
                check_pipeline(Path(self.path))
            return spacy.load(self.path)
        from spacy_llm.util import assemble

        return assemble(self.path)

    def _hash(self, nlp: Language) -> str | None:
        if nlp.path:
            return super()._hash(nlp)
        files = [self.path, *named_files(nlp.config)]
        data = [hash_file(Path(name), algorithm="sha256") for name in files]
        return hashlib.sha256(json.dumps(data).encode()).hexdigest()

    @cached_property
    def _models(self) -> dict[str, dict[str, Any]]:
        """The block of each prompted component's model, with the values of its variables."""
        components = self.nlp.config.interpolate()["components"]
        return {name: components[name]["model"] for name, p in self.nlp.pipeline if _is_prompted(p)}

    def _read(self, docs: list[Doc]) -> list[NDArray[np.float64]]:
        return [self._sampled(doc) for doc in docs]

    def _sampled(self, doc: Doc) -> NDArray[np.float64]:
        tags = iob2_tags(self.labels)
        samples = []
        for number in range(self.samples if len(doc) else 0):
            try:
                copy = self._annotated(blank_copy(doc, self.nlp.vocab), number)
                samples.append(tag_columns(copy, tags))
            except AnswerError as fault:
                self.faults[fault.kind] += 1
                logger.info("Left out an answer of '%s': %s", self.path, fault)
        if not samples:
            self.faults[ABSTAINED] += bool(len(doc))
            return np.zeros((len(doc), len(tags)))
        return sample_distributions(np.stack(samples), len(tags), self.certainty)

    def _annotated(self, doc: Doc, sample: int) -> Doc:
        for name, pipe in self.nlp.pipeline:
            doc = self._prompted(name, pipe, doc, sample) if _is_prompted(pipe) else pipe(doc)
        return doc

    def _prompted(self, name: str, pipe: Any, doc: Doc, sample: int) -> Doc:
        """What spacy-llm's component does with one document.

        RAISES (AnswerError): If one of the answers cannot be used.
        """
        from spacy_llm.ty import supports_sharding

        task, model = pipe.task, pipe._model
        sharded = supports_sharding(task)
        try:
            if sharded:
                length = getattr(model, "context_length", None)
                ((prompts, shards),) = task.generate_prompts([doc], context_length=length)
                prompts, shards = list(prompts), list(shards)
            else:
                prompts, shards = list(task.generate_prompts([doc])), [doc]
        except Exception as err:  # a document that fits into no prompt
            raise AnswerError(ERRORS, type(err).__name__) from err
        keys = [response_key(self._models[name], prompt, sample) for prompt in prompts]
        answers = []
        for key, prompt, shard in zip(keys, prompts, shards, strict=True):
            answers.append(self._answer(task, model, prompt, key))
            named = named_spans(task, answers[-1]) or []
            self.faults[NOT_IN_TEXT] += missing_spans(task, named, shard.text)
        try:
            (result,) = task.parse_responses([shards] if sharded else shards, [answers])
            if len(result) != len(doc):
                raise ValueError("other tokens")
        except Exception as err:  # parsers are no more prepared for strange text than models are
            self._responses.remove(keys)
            raise AnswerError(MALFORMED, type(err).__name__) from err
        # Parts that were joined again may have other spaces; entities are read by token.
        return result

    def _answer(self, task: Any, model: Any, prompt: Any, key: bytes) -> str:
        """The kept answer, else that of the model, which is then kept if it can be read.

        RAISES (AnswerError): If there is none, or no line of it can be read.
        """
        known = self._responses.get(key)
        if known is not None:
            return known
        try:
            with masked_logs():
                ((answer,),) = model([[prompt]])
        except Exception as err:
            raise as_fault(err) from err
        if answer is None or not str(answer).strip():
            raise AnswerError(REFUSALS, "empty")
        # A lone surrogate, which JSON allows, could be neither kept nor logged.
        answer = str(answer).encode("utf8", "replace").decode("utf8")
        if named_spans(task, answer) is None:
            raise AnswerError(MALFORMED, "no line can be read")
        self._responses.add(key, answer)
        return answer


def _is_prompted(pipe: Any) -> bool:
    from spacy_llm.pipeline.llm import LLMWrapper

    return isinstance(pipe, LLMWrapper)


def make_prompted_teacher(
    path: str,
    label_map: dict[str, str] | None = None,
    tokens: Tokens = "teacher",
    samples: int = 1,
    certainty: float = 0.9,
    labels: list[str] | None = None,
    cache: str | None = None,
) -> PromptedTeacher:
    """Registered as `spacy-xner.PromptedTeacher.v1`; for the settings see `PromptedTeacher`."""
    return PromptedTeacher(
        path,
        label_map=dict(label_map or {}),
        tokens=tokens,
        samples=samples,
        certainty=certainty,
        labels=labels or (),
        cache=Path(cache) if cache else None,
    )
