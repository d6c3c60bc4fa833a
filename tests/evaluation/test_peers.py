import numpy as np
import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_xner.ensemble.votes import Votes
from spacy_xner.errors import XnerError
from spacy_xner.evaluation.peers import judge, judge_guests, peer_agreement

# O, B-LOC, I-LOC, B-PER, I-PER
TRUTH = [0, 1, 2, 0, 3, 0, 0, 3, 4, 0]


def votes(**teachers):
    """Teachers by name: a list of tags for five documents of ten tokens, or None to abstain."""
    probs = np.zeros((len(teachers), 50, 5))
    for k, said in enumerate(teachers.values()):
        for d in range(5):
            tags = said(d)
            if tags is None:
                continue
            rows = np.full((10, 5), 0.02)
            rows[np.arange(10), tags] = 0.92
            probs[k, 10 * d : 10 * d + 10] = rows
    taught = np.ones((len(teachers), 5), dtype=bool)
    return Votes(tuple(teachers), ("LOC", "PER"), probs, taught, (10,) * 5)


DOCS = [Doc(Vocab(), words=["w"] * 10)] * 5


def right(_):
    return TRUTH


def nothing(_):
    return [0] * 10


def half(d):
    """Finds places only."""
    return [tag if tag in (1, 2) else 0 for tag in TRUTH]


def test_who_says_the_same_agrees():
    found = peer_agreement(DOCS, votes(a=right, b=right, c=right))
    assert found == {"a": 1.0, "b": 1.0, "c": 1.0}


def test_a_guest_is_compared_with_all_hosts_and_no_host_with_a_guest():
    found = peer_agreement(DOCS, votes(a=right, b=right, g=half), guests=["g"])
    # one of three entities: precision 1, recall 1/3
    assert found == pytest.approx({"a": 1.0, "b": 1.0, "g": 0.5})
    judgement = judge_guests(found, ["g"])
    assert (judgement.heard, judgement.expected) == ([], 1.0)


def test_guests_that_agree_are_heard():
    found = peer_agreement(DOCS, votes(a=right, b=right, c=half, g=right, h=nothing), guests="gh")
    judgement = judge_guests(found, ["g", "h"])
    assert judgement.heard == ["g"]
    assert found["h"] == 0.0
    assert judgement.expected == pytest.approx(np.mean([found[x] for x in "abc"]))


def test_where_a_guest_abstains_it_is_not_blamed():
    def sometimes(d):
        return TRUTH if d == 2 else None

    found = peer_agreement(DOCS, votes(a=right, b=right, g=sometimes), guests=["g"])
    assert found["g"] == 1.0


def test_one_host_can_vouch_for_nobody():
    found = peer_agreement(DOCS, votes(a=right, g=right), guests=["g"])
    assert found == {"a": 0.0, "g": 1.0}
    assert judge_guests(found, ["g"]) == (found, None, [])


def test_where_nobody_finds_anything_nobody_vouches():
    found = peer_agreement(DOCS, votes(a=nothing, b=nothing, g=nothing), guests=["g"])
    assert judge_guests(found, ["g"]).heard == []


def test_without_guests():
    found = peer_agreement(DOCS, votes(a=right, b=half))
    assert judge_guests(found, []) == (found, pytest.approx(0.5), [])


def test_without_text():
    with pytest.raises(XnerError, match="X444"):
        judge(None, [], ["g"])
