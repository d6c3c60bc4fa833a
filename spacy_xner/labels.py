"""IOB2 tag sets, spans and tags, and label maps between tag sets."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .errors import Errors, XnerError

Entity = tuple[int, int, str]
"""Start token, end token (exclusive), label."""


def iob2_tags(labels: Iterable[str]) -> tuple[str, ...]:
    """The IOB2 tag set of some entity types: O, then B and I of each label in the given order.

    labels (Iterable[str]): Entity types, e.g. ["LOC", "PER"].
    RETURNS (Tuple[str]): e.g. ("O", "B-LOC", "I-LOC", "B-PER", "I-PER").
    """
    return ("O", *(f"{prefix}-{label}" for label in labels for prefix in "BI"))


def split_tag(tag: str) -> tuple[str, str]:
    """Split an IOB2 tag into its prefix and its label; the label of O is empty.

    RAISES (XnerError): X001 if the tag is not IOB2.
    """
    if tag == "O":
        return "O", ""
    prefix, _, label = tag.partition("-")
    if prefix not in ("B", "I") or not label:
        raise XnerError(Errors.X001.format(tag=tag))
    return prefix, label


def entities_to_tags(length: int, entities: Iterable[Entity]) -> list[str]:
    """Write entities as IOB2 tags.

    length (int): Number of tokens.
    entities (Iterable[Entity]): Non-overlapping (start, end, label), end exclusive.
    RETURNS (List[str]): One tag a token.
    """
    tags = ["O"] * length
    for start, end, label in entities:
        tags[start:end] = [f"B-{label}"] + [f"I-{label}"] * (end - start - 1)
    return tags


def tags_to_entities(tags: Sequence[str]) -> list[Entity]:
    """Read entities from strict IOB2 tags: an I- that continues nothing of its label is ignored.

    tags (Sequence[str]): One tag a token.
    RETURNS (List[Entity]): (start, end, label), end exclusive, in order.
    RAISES (XnerError): X001 if a tag is not IOB2.
    """
    entities: list[Entity] = []
    start, current = 0, ""
    for i, tag in enumerate([*tags, "O"]):
        prefix, label = split_tag(tag)
        if current and not (prefix == "I" and label == current):
            entities.append((start, i, current))
            current = ""
        if prefix == "B":
            start, current = i, label
    return entities


def map_label(label: str, label_map: Mapping[str, str]) -> str:
    """The label that a map sends a label to: its own entry, else that of "*", else itself.

    RETURNS (str): A label, or "" for a class that is dropped.
    """
    return label_map.get(label, label_map.get("*", label))


def check_label_map(label_map: Mapping[str, str], labels: Sequence[str]) -> None:
    """Refuse a label map that names a class outside the label set.

    RAISES (XnerError): X002.
    """
    for label, target in label_map.items():
        if target and target not in labels:
            raise XnerError(Errors.X002.format(label=label, target=target, labels=list(labels)))


def projection(
    source: Sequence[str], target: Sequence[str], label_map: Mapping[str, str]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The matrix that sums a teacher's probability mass into the columns of another tag set.

    A source label that the map leaves out keeps its name; one that is sent to the empty string, or
    whose name the target does not have, adds its mass to O. The source's O stays O: whether it
    also covers classes that the source was never taught is what the second result says.

    source (Sequence[str]): The teacher's entity types.
    target (Sequence[str]): The entity types wanted.
    label_map (Mapping[str, str]): Source label to target label, or to "" for none.
    RETURNS: matrix of shape (source tags, target tags), for ``p_target = p_source @ matrix``, and a
        boolean array of shape (target tags,): was the teacher taught this tag? O always counts.
    RAISES (XnerError): X002 if the map names a class outside the target.
    """
    check_label_map(label_map, target)
    source_tags, target_tags = iob2_tags(source), iob2_tags(target)
    column = {tag: i for i, tag in enumerate(target_tags)}
    matrix = np.zeros((len(source_tags), len(target_tags)))
    for row, tag in enumerate(source_tags):
        prefix, label = split_tag(tag)
        matrix[row, column.get(f"{prefix}-{map_label(label, label_map)}", 0)] = 1.0
    taught: NDArray[np.bool_] = np.any(matrix, axis=0)
    taught[0] = True
    return matrix, taught
