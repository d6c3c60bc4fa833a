"""Is a teacher worth hearing? How far it agrees with the others on text without labels."""

from collections.abc import Collection, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from spacy.tokens import Doc

from ..decode import ScoredEntity, decode
from ..ensemble.votes import Votes, choose, split
from ..errors import Errors, XnerError
from ..pipeline.teacher_ensemble import TeacherEnsemble
from .bootstrap import f1_from_counts, sentence_counts
from .pools import Combination, ask, combine


class Judgement(NamedTuple):
    """What the hosts of an ensemble think of its guests.

    agreement: F1 of each teacher, see `peer_agreement`.
    expected: Mean of the hosts' own; None where there are fewer than two.
    heard: The guests that are heard.
    """

    agreement: dict[str, float]
    expected: float | None
    heard: list[str]


def peer_agreement(
    docs: Sequence[Doc], votes: Votes, *, guests: Collection[str] = ()
) -> dict[str, float]:
    """F1 of each teacher's entities, taking what the hosts pool among themselves for the truth.

    A host is compared with the pool of the other hosts, a guest with that of all. The pool is
    linear, with equal weights. A document on which a teacher abstains does not count for it.

    docs (Sequence[Doc]): Text of the target.
    votes (Votes): Of all teachers on it.
    guests (Collection[str]): Teachers that are not asked about the others.
    RETURNS (Dict[str, float]): By teacher, in [0, 1]; 0 for a host without other hosts.
    """
    hosts = [name for name in votes.names if name not in guests]
    found = {}
    for k, name in enumerate(votes.names):
        others = [host for host in hosts if host != name]
        if not others:
            found[name] = 0.0
            continue
        pooled = combine(docs, choose(votes, others), Combination(), votes)
        own = decode(split(votes.probs[k], votes.lengths), votes.labels)
        read = votes.readers[:, k]
        pairs = [
            (_spans(theirs), _spans(mine))
            for theirs, mine, reads in zip(pooled, own, read, strict=True)
            if reads
        ]
        counts = sentence_counts([theirs for theirs, _ in pairs], [mine for _, mine in pairs])
        found[name] = f1_from_counts(counts)
    return found


def judge_guests(agreement: Mapping[str, float], guests: Collection[str]) -> Judgement:
    """Hear a guest that agrees with the hosts at least as well as they do with each other.

    No label is read. Nobody can vouch for a guest where there are fewer than two hosts, or where it
    shares no entity with them.

    agreement (Mapping[str, float]): See `peer_agreement`.
    guests (Collection[str]): Some of the teachers.
    RETURNS (Judgement): With the guests in the order of the agreement.
    """
    hosts = [value for name, value in agreement.items() if name not in guests]
    if len(hosts) < 2:
        return Judgement(dict(agreement), None, [])
    expected = fmean(hosts)
    heard = [
        name
        for name, value in agreement.items()
        if name in guests and value > 0.0 and value >= expected
    ]
    return Judgement(dict(agreement), expected, heard)


def judge(ensemble: TeacherEnsemble, docs: Sequence[Doc], guests: Collection[str]) -> Judgement:
    """Ask all teachers about some text and judge the guests by it.

    ensemble (TeacherEnsemble): Its weights and pool play no part.
    docs (Sequence[Doc]): Of the target.
    guests (Collection[str]): Some of the teachers.
    RETURNS (Judgement): See `judge_guests`.
    RAISES (XnerError): X444 without a document.
    """
    if not docs:
        raise XnerError(Errors.X444)
    votes = ask(ensemble, docs)
    return judge_guests(peer_agreement(docs, votes, guests=guests), guests)


def _spans(entities: Sequence[ScoredEntity]) -> set[tuple[int, int, str]]:
    return {(entity.start, entity.end, entity.label) for entity in entities}
