"""One reading for the tagging schemes in use: IOB1, IOB2, BIOES and BILUO become strict IOB2."""

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from ..errors import Errors, XnerError

STRAY = "stray I-"
_PREFIXES = frozenset("BIESLU")
_CONTINUES = frozenset("IEL")
_CLOSES = frozenset("ESLU")


@lru_cache(maxsize=4096)
def parse_tag(tag: str) -> tuple[str, str]:
    """Split a tag of any of the schemes into prefix and label; O has the empty label.

    RAISES (XnerError): X214 if the tag has another form.
    """
    if tag == "O":
        return "O", ""
    prefix, dash, label = tag.partition("-")
    if prefix not in _PREFIXES or not dash or not label:
        raise XnerError(Errors.X214.format(tag=tag))
    return prefix, label


def to_iob2(tags: Iterable[str]) -> tuple[list[str], Counter[str]]:
    """Write the tags of one sentence as strict IOB2, whichever scheme they come in.

    The scheme need not be known. An inside tag (I, E, L) that continues nothing of its label begins
    an entity: that is the rule of IOB1 and the repair of faulty IOB2 alike. S and U are a B that
    ends at once; E and L are an I after which an entity must begin anew. Strict IOB2 comes back as
    it is.

    tags (Iterable[str]): Tags of one sentence.
    RETURNS: The tags in IOB2, and how many were rewritten by kind: "stray I-", "E-", "S-", "L-",
        "U-". In a file in IOB1 the first token of most entities counts as a stray I-.
    RAISES (XnerError): X214 if a tag has another form.
    """
    fixed: list[str] = []
    repaired: Counter[str] = Counter()
    current = ""
    for tag in tags:
        prefix, label = parse_tag(tag)
        if prefix == "O":
            fixed.append(tag)
            current = ""
            continue
        inside = prefix in _CONTINUES
        if inside and label != current:
            repaired[STRAY] += 1
            inside = False
        if prefix in _CLOSES:
            repaired[f"{prefix}-"] += 1
        fixed.append(f"I-{label}" if inside else f"B-{label}")
        current = "" if prefix in _CLOSES else label
    return fixed, repaired
