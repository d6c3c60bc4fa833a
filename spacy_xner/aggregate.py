"""Aggregate the votes of a whole corpus of silver documents, and write new silver annotations.

The ensemble pools teachers batch by batch. An aggregator first learns from all votes how reliable
each teacher is; the votes are the span groups that `teacher_ensemble` keeps.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from spacy.vocab import Vocab

from .decode import ScoredEntity, decode
from .ensemble.bea import bea_posteriors, bea_twice, resolve_overlaps
from .ensemble.confusion import ABSTAIN, gather, reliability, vote_shares
from .ensemble.sequence import fit_sequence, sequence_posteriors
from .ensemble.votes import Votes, split
from .errors import Errors, XnerError
from .jobs.shard import Entry
from .rewrite import input_files, rewrite
from .shards import read_docs
from .silver import SPANS_KEY, has_silver, read_silver, set_hard_reading, write_silver

# Raised when the same votes would give other shards, so that no old ones are kept.
REVISION = 1


class Method(StrEnum):
    """How votes are aggregated: plain vote, BEA once or twice, hidden Markov model."""

    vote = "vote"
    bea = "bea"
    bea2 = "bea2"
    sequence = "sequence"


class CorpusVotes(NamedTuple):
    """The votes of K teachers on D documents with L labels.

    lengths: Tokens of each document.
    spans: Integers of shape (spans, 5): document, start, end, teacher, label.
    heard: Array of shape (D, K): has the teacher read the document?
    untaught: Array of shape (K, L): a class that the teacher does not know.
    """

    teachers: tuple[str, ...]
    labels: tuple[str, ...]
    lengths: NDArray[np.int64]
    spans: NDArray[np.int64]
    heard: NDArray[np.bool_]
    untaught: NDArray[np.bool_]


class Aggregate(NamedTuple):
    """The outcome.

    distribution: Array of shape (tokens of all documents, tags), rows sum to 1.
    entities: Of each document, not overlapping, in order.
    reliability: Array of shape (K,), 0 or more.
    """

    distribution: NDArray[np.float64]
    entities: list[list[ScoredEntity]]
    reliability: NDArray[np.float64]


def read_votes(docs: Iterable[Doc]) -> CorpusVotes:
    """Collect `doc.spans["silver/<teacher>"]`.

    docs (Iterable[Doc]): Silver documents with the same labels. A teacher without a group in a
        document abstains there; one with an empty group says O everywhere. Only a document of the
        weight 0 may lack all groups.
    RETURNS (CorpusVotes): Teachers in the order in which they come.
    RAISES (XnerError): X005 if a document has no silver annotations, X430 if it has no votes, X431
        if labels differ.
    """
    prefix = f"{SPANS_KEY}/"
    teachers: dict[str, int] = {}
    labels: tuple[str, ...] = ()
    lengths: list[int] = []
    spans: list[tuple[int, int, int, int, int]] = []
    heard: list[tuple[int, int]] = []
    unknown: set[tuple[int, str]] = set()
    for d, doc in enumerate(docs):
        if not has_silver(doc):
            raise XnerError(Errors.X005.format(reason=f"document {d + 1} has none"))
        silver = read_silver(doc)
        found = silver.labels
        labels = labels or found
        votes = {k[len(prefix) :]: g for k, g in doc.spans.items() if k.startswith(prefix)}
        if not votes and silver.doc_weight > 0:
            raise XnerError(Errors.X430.format(number=d + 1, prefix=prefix))
        used = {span.label_ for group in votes.values() for span in group}
        if found != labels or not used <= set(labels):
            details = {"found": sorted({*found, *used}), "number": d + 1, "expected": list(labels)}
            raise XnerError(Errors.X431.format(**details))
        lengths.append(len(doc))
        for name, group in votes.items():
            k = teachers.setdefault(name, len(teachers))
            heard.append((d, k))
            unknown |= {(k, label) for label in group.attrs.get("untaught", ())}
            spans += [(d, s.start, s.end, k, labels.index(s.label_)) for s in group]
    read = np.zeros((len(lengths), len(teachers)), dtype=bool)
    read[tuple(np.array(heard, dtype=int).reshape(-1, 2).T)] = True
    untaught = np.array([[(k, x) in unknown for x in labels] for k in range(len(teachers))])
    return CorpusVotes(
        tuple(teachers),
        labels,
        np.array(lengths, dtype=np.int64),
        np.array(spans, dtype=np.int64).reshape(-1, 5),
        read,
        untaught.reshape(len(teachers), len(labels)),
    )


def corpus_votes(votes: Votes) -> CorpusVotes:
    """The entities of each teacher, as its own decoded distributions have them.

    votes (Votes): What `TeacherEnsemble.predict` gives.
    RETURNS (CorpusVotes): The same as `read_votes` finds in the annotated documents.
    """
    heard = votes.readers
    spans = [
        (d, entity.start, entity.end, k, votes.labels.index(entity.label))
        for k in range(len(votes.names))
        for d, entities in enumerate(decode(split(votes.probs[k], votes.lengths), votes.labels))
        for entity in entities
        if heard[d, k]
    ]
    return CorpusVotes(
        votes.names,
        votes.labels,
        np.array(votes.lengths, dtype=np.int64),
        np.array(spans, dtype=np.int64).reshape(-1, 5),
        heard,
        ~votes.taught[:, 1::2],
    )


def token_votes(votes: CorpusVotes) -> NDArray[np.int64]:
    """Each teacher's tag for each token, -1 where it abstains.

    RETURNS (Array[int] of shape (tokens, K)): Columns of `iob2_tags(labels)`.
    """
    doc, start, end, teacher, label = votes.spans.T
    size = end - start
    spread = np.repeat(np.arange(len(size)), size)
    nth = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    tags = np.where(np.repeat(votes.heard, votes.lengths, axis=0), 0, ABSTAIN)
    rows = (_offsets(votes)[doc] + start)[spread] + nth
    tags[rows, teacher[spread]] = 1 + 2 * label[spread] + (nth > 0)
    return _abstain(tags, (tags + 1) // 2, votes.untaught)


def span_votes(votes: CorpusVotes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All spans that some teacher predicts, and what each teacher says of them.

    RETURNS: spans of shape (instances, 2), start and end (exclusive) counted over the tokens of all
        documents; votes of shape (instances, K): 0 for O, 1 + label, or -1 where one abstains.
    """
    doc, start, end, teacher, label = votes.spans.T
    offset = _offsets(votes)[doc]
    spans, first, index = np.unique(
        np.stack((offset + start, offset + end), axis=1),
        axis=0,
        return_index=True,
        return_inverse=True,
    )
    result = np.where(votes.heard[doc[first]], 0, ABSTAIN)
    result[index.reshape(-1), teacher] = 1 + label
    return spans, _abstain(result, result, votes.untaught)


def _abstain(
    votes: NDArray[np.int64], classes: NDArray[np.int64], untaught: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """An O is no vote where another teacher sees a class that this one does not know."""
    if not untaught.any():
        return votes
    seen = np.stack([(classes == 1 + x).any(axis=1) for x in range(untaught.shape[1])], axis=1)
    doubt = seen.astype(np.int64) @ untaught.T.astype(np.int64) > 0
    return np.where((votes == 0) & doubt, ABSTAIN, votes)


def _offsets(votes: CorpusVotes) -> NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(votes.lengths)))[:-1].astype(np.int64)


def aggregate_votes(
    votes: CorpusVotes,
    *,
    method: Method = Method.sequence,
    top: int = 10,
    fitted_on: CorpusVotes | None = None,
) -> Aggregate:
    """Estimate the truth behind the votes of a whole corpus, and how reliable each teacher is.

    votes (CorpusVotes): See `read_votes`.
    method (Method): "vote": each token's shares of the vote, all teachers alike. "bea": posteriors
        of spans (`ensemble/bea.py`). "bea2": the same with a second pass. "sequence": posteriors of
        tags (`ensemble/sequence.py`).
    top (int): Teachers in the second pass of "bea2".
    fitted_on (Optional[CorpusVotes]): Learn how reliable the teachers are from the votes on other
        documents, of the same teachers and labels.
    RETURNS (Aggregate): Distributions, entities, and reliabilities.
    RAISES (XnerError): X308 if `top` is below 1, X432 if the other votes are of other teachers.
    """
    n_labels = len(votes.labels)
    if fitted_on is not None and fitted_on.teachers != votes.teachers:
        found, expected = list(votes.teachers), list(fitted_on.teachers)
        raise XnerError(Errors.X432.format(found=found, expected=expected))
    if method in (Method.bea, Method.bea2):
        spans, said = span_votes(votes)
        known = span_votes(fitted_on)[1] if fitted_on else said
        n_best = max(len(votes.teachers), 1) if method == Method.bea else top
        model = bea_twice(known, 1 + n_labels, top=n_best)
        posteriors = bea_posteriors(model, said) if fitted_on else model.posteriors
        rows, entities = _read_spans(votes, spans, posteriors)
        return Aggregate(rows, entities, reliability(model.counts))
    tags = token_votes(votes)
    if method == Method.vote:
        evidence = gather(tags, 1 + 2 * n_labels)
        rows = vote_shares(evidence.rows)[evidence.which]
        weights = np.ones(len(votes.teachers))
    else:
        lengths = votes.lengths.tolist()
        source = fitted_on or votes
        seen = token_votes(fitted_on) if fitted_on else tags
        hmm = fit_sequence(seen, source.lengths.tolist(), source.teachers, n_labels)
        rows = sequence_posteriors(hmm, tags, lengths, votes.teachers)
        by_name = dict(zip(hmm.teachers, reliability(hmm.counts), strict=True))
        weights = np.array([by_name.get(name, 0.0) for name in votes.teachers])
    entities = decode(split(rows, votes.lengths.tolist()), votes.labels)
    return Aggregate(rows, entities, weights)


def _read_spans(
    votes: CorpusVotes, spans: NDArray[np.int64], posteriors: NDArray[np.float64]
) -> tuple[NDArray[np.float64], list[list[ScoredEntity]]]:
    """Token distributions and entities from the posteriors of spans.

    Of overlapping spans one is chosen. Its labels' probabilities are those of B- at its first token
    and of I- at the others, the rest is O; a token in no chosen span is a certain O.
    """
    rows = np.zeros((int(votes.lengths.sum()), 1 + 2 * len(votes.labels)))
    rows[:, 0] = 1.0
    chosen = resolve_overlaps(spans[:, 0], spans[:, 1], posteriors)
    offsets = _offsets(votes)
    docs = np.searchsorted(offsets, spans[chosen, 0], side="right") - 1
    entities: list[list[ScoredEntity]] = [[] for _ in votes.lengths]
    for (start, end), probs, d in zip(
        spans[chosen].tolist(), posteriors[chosen], docs.tolist(), strict=True
    ):
        rows[start:end, 0] = probs[0]
        rows[start, 1::2] = probs[1:]
        rows[start + 1 : end, 2::2] = probs[1:]
        best = int(probs.argmax())
        if best > 0:
            first = int(offsets[d])
            label, score = votes.labels[best - 1], float(probs[best])
            entities[d].append(ScoredEntity(start - first, end - first, label, score))
    return rows, entities


def aggregate(
    source: Path,
    output: Path,
    *,
    method: Method = Method.sequence,
    top: int = 10,
    threshold: float = 0.5,
    force: bool = False,
) -> tuple[list[Entry], dict[str, float]]:
    """Read silver shards with votes, aggregate, and write one new shard for each, and a manifest.

    The new documents differ in the distribution, the entities, and the teachers' weights: each
    teacher's reliability, divided by the sum over those who have read the document.

    source (Path): A .spacy file or a folder; all of it is one corpus, so give one language.
    output (Path): Folder of the new shards.
    method, top: See `aggregate_votes`.
    threshold (float): Entities and tokens below this probability are marked missing in `doc.ents`.
    force (bool): Replace what another run has left in the folder.
    RETURNS: One entry a shard, and the reliability by teacher.
    RAISES (XnerError): As `read_votes` and `aggregate_votes`; X433 if the output is the input's
        folder, X411 if it holds shards of another run, X308 for a bad threshold.
    """
    if not 0.0 <= threshold <= 1.0:
        expected = "a number from 0 to 1"
        raise XnerError(Errors.X308.format(key="threshold", value=threshold, expected=expected))
    input_files(source, output)  # before the work, not after it
    votes = read_votes(read_docs(source, Vocab()))
    found = aggregate_votes(votes, method=method, top=top)

    def change(docs: Sequence[Doc], before: int) -> None:
        set_aggregate(docs, votes, found, first=before, threshold=threshold)

    settings = {"revision": REVISION, "method": str(method), "top": top, "threshold": threshold}
    shards = rewrite(source, output, change, settings=settings, force=force)
    return shards, dict(zip(votes.teachers, found.reliability.tolist(), strict=True))


def set_aggregate(
    docs: Sequence[Doc],
    votes: CorpusVotes,
    found: Aggregate,
    *,
    first: int = 0,
    threshold: float = 0.5,
) -> None:
    """Write the outcome into silver documents: distribution, entities, and the teachers' weights.

    docs (Sequence[Doc]): Some of those that gave the votes, in their order; annotated in place.
    votes (CorpusVotes), found (Aggregate): Of the whole corpus. A document on which all abstain
        stays as it is.
    first (int): The number of the first of these documents in the corpus.
    threshold (float): See `aggregate`.
    """
    lengths = votes.lengths[first : first + len(docs)].tolist()
    start = int(votes.lengths[:first].sum())
    rows = split(found.distribution[start : start + sum(lengths)], lengths)
    for d, (doc, probs) in enumerate(zip(docs, rows, strict=True), start=first):
        if not votes.heard[d].any():  # nobody has read it: it goes on teaching nothing
            continue
        weights = dict(zip(votes.teachers, _shares(votes, found, d), strict=True))
        silver = read_silver(doc)._replace(distribution=probs, teacher_weights=weights)
        write_silver(doc, silver)
        confidence = probs.max(axis=1, initial=0.0)
        set_hard_reading(doc, found.entities[d], confidence, threshold=threshold)


def _shares(votes: CorpusVotes, found: Aggregate, d: int) -> list[float]:
    """The teachers' weights in one document; alike where all reliabilities are 0."""
    heard = votes.heard[d].astype(np.float64)
    weights = heard * found.reliability
    weights = weights if weights.any() else heard
    return (weights / weights.sum()).tolist()
