"""What decides the annotations that a pipeline with a `teacher_ensemble` gives."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spacy.language import Language

from .corpora.raw_text import STDIN, text_files
from .errors import Errors, XnerError
from .evaluation.provenance import package_versions
from .hashing import hash_file, hash_json, named_files
from .pipeline.teacher_ensemble import TeacherEnsemble


def find_ensemble(nlp: Language) -> TeacherEnsemble:
    """The `teacher_ensemble` of a pipeline.

    RAISES (XnerError): X410 if the pipeline has none.
    """
    for _, pipe in nlp.pipeline:
        if isinstance(pipe, TeacherEnsemble):
            return pipe
    raise XnerError(Errors.X410.format(found=nlp.pipe_names))


def run_parts(nlp: Language, source: Path, **settings: Any) -> dict[str, str]:
    """All that decides what the shards of a run hold, a SHA-256 for each part of it.

    nlp (Language): The pipeline with the ensemble.
    source (Path): File or folder of text. What standard input holds is not known before it is read.
    settings: Whatever else matters, JSON-able.
    RETURNS (Dict[str, str]): "version", "pipeline", "teachers", "input" and "settings".
    """
    tokenizer: Any = nlp.tokenizer  # spaCy's, or another that can be saved: a pipeline needs that
    teachers = find_ensemble(nlp).teachers
    files = [] if source == STDIN else text_files(source)
    parts = {
        "version": package_versions().get("spacy-xner"),
        "pipeline": [
            [nlp.config["nlp"], nlp.config["components"]],
            hashlib.sha256(tokenizer.to_bytes()).hexdigest(),
            # What a block of the config reads, such as learnt weights, counts by its contents.
            [[name, _sha256(Path(name))] for name in named_files(nlp.config["components"])],
        ],
        "teachers": {name: teacher.specification() for name, teacher in teachers.items()},
        "input": [[file.name, _sha256(file)] for file in files],
        "settings": settings,
    }
    return {name: hash_json(part) for name, part in parts.items()}


def run_key(parts: Mapping[str, str]) -> str:
    """One SHA-256 over what `run_parts` found, hexadecimal."""
    return hash_json(dict(parts))


def _sha256(file: Path) -> str:
    return hash_file(file, algorithm="sha256")
