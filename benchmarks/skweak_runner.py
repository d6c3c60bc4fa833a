"""skweak's side of against_skweak.py: runs in skweak's environment and needs nothing of ours."""

import contextlib
import io
import json
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from skweak.generative import HMM
from skweak.voting import SequentialMajorityVoter
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

WARMUP = 20  # documents; the same in against_skweak.py
GROUP = "aggregated"
# skweak leaves a source without spans out of a document, as if it had not read it, and it ignores
# labels that it was not told of: a span of such a label says "I have read this and found nothing".
READ = "READ"
METHODS: dict[str, tuple[Any, bool]] = {
    "voter": (SequentialMajorityVoter, False),
    "hmm": (HMM, False),
    "hmm-read": (HMM, True),
}


def make_docs(records: list[dict[str, Any]], *, mark: bool) -> list[Doc]:
    """Documents with one span group a teacher.

    records (List[Dict]): "tokens", how many there are, and "votes", spans by teacher.
    mark (bool): Give those who found nothing a span that only says that they have read it.
    """
    vocab = Vocab()
    names = sorted({name for record in records for name in record["votes"]})
    # skweak takes sources for relatives where the name of one begins or ends with the other's.
    sources = {name: f"source{k:03}" for k, name in enumerate(names)}
    docs = []
    for record in records:
        doc = Doc(vocab, words=["w"] * record["tokens"])
        for name, votes in record["votes"].items():
            spans = [Span(doc, start, end, label=label) for start, end, label in votes]
            if mark and len(doc) and not spans:
                spans = [Span(doc, 0, 1, label=READ)]
            doc.spans[sources[name]] = spans
        docs.append(doc)
    return docs


def measure(records: list[dict[str, Any]], labels: list[str], method: str) -> dict[str, Any]:
    """Fit one aggregator with skweak's own settings on a corpus, and apply it there.

    RETURNS (Dict): "seconds" of both, "build" seconds of making the documents, and "entities".
    """
    make, mark = METHODS[method]
    start = time.perf_counter()
    docs = make_docs(records, mark=mark)
    built = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):  # it tells of each iteration
        docs = make(GROUP, labels=labels).fit_and_aggregate(docs)
    end = time.perf_counter()
    entities = [[(span.start, span.end, span.label_) for span in doc.spans[GROUP]] for doc in docs]
    return {"seconds": end - built, "build": built - start, "entities": entities}


def main(source: str, target: str) -> None:
    """Read the votes, measure all methods on all corpora, and write the figures."""
    data = json.loads(Path(source).read_text(encoding="utf8"))
    labels, corpora = data["labels"], data["corpora"]
    methods: dict[str, dict[str, Any]] = {}
    for method in METHODS:
        measure(next(iter(corpora.values()))[:WARMUP], labels, method)
        methods[method] = {
            name: measure(records, labels, method) for name, records in corpora.items()
        }
    packages = ("skweak", "spacy", "hmmlearn", "numpy", "pandas")
    versions = {package: metadata.version(package) for package in packages}
    result = {"versions": versions, "methods": methods}
    Path(target).write_text(json.dumps(result), encoding="utf8")


if __name__ == "__main__":
    main(*sys.argv[1:])
