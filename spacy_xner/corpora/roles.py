"""Who may teach whom: no label of a language ever reaches the student of that language."""

from collections.abc import Sequence

from ..errors import Errors, XnerError


def check_roles(
    sources: Sequence[str], targets: Sequence[str], *, leave_one_out: bool = False
) -> None:
    """Each language has one role, unless each target in turn is left out of the sources.

    sources (Sequence[str]): Languages with labels.
    targets (Sequence[str]): Languages that are treated as if they had none.
    leave_one_out (bool): A language may be both; see `teachers_of` and `check_student`.
    RAISES (XnerError): X219 for a language in both roles, X223 for a target without a teacher.
    """
    both = sorted(set(sources) & set(targets))
    if both and not leave_one_out:
        raise XnerError(Errors.X219.format(found=", ".join(both)))
    for target in targets:
        teachers_of(target, sources)


def teachers_of(
    target: str, sources: Sequence[str], *, families: Sequence[Sequence[str]] = ()
) -> list[str]:
    """The sources that a target is taught by: all but the target itself.

    target (str): A language.
    sources (Sequence[str]): Languages with labels.
    families (Sequence[Sequence[str]]): Groups of languages; those in a group with the target are
        left out too.
    RETURNS (List[str]): In their order.
    RAISES (XnerError): X223 if none is left.
    """
    kin = {target}.union(*(family for family in families if target in family))
    others = [source for source in sources if source not in kin]
    if not others:
        raise XnerError(Errors.X223.format(target=target, found=" ".join(sources)))
    return others


def check_student(sources: Sequence[str], targets: Sequence[str]) -> None:
    """A target that is a source elsewhere needs a student of its own.

    The silver annotations of the other targets were made with its teacher, so that a student of
    them all would see the target's labels after all.

    sources (Sequence[str]): Languages with labels.
    targets (Sequence[str]): What one student learns.
    RAISES (XnerError): X224 for several targets of which one is a source.
    """
    both = sorted(set(sources) & set(targets))
    if both and len(set(targets)) > 1:
        raise XnerError(Errors.X224.format(found=", ".join(both), targets=" ".join(targets)))
