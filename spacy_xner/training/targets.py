"""What a training example teaches: one label distribution and one weight a token."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from spacy.training import Example

from ..align import project_tokens
from ..errors import Errors, XnerError
from ..labels import iob2_tags, map_label, projection
from ..silver import has_silver, read_silver

Targets = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Distribution of shape (tokens, tags) and weights of shape (tokens,)."""


def label_names(example: Example) -> set[str]:
    """The entity types that an example speaks of, before any label map."""
    if has_silver(example.reference):
        return set(read_silver(example.reference).labels)
    return {ent.label_ for ent in example.reference.ents}


def targets(
    example: Example, labels: Sequence[str], label_map: Mapping[str, str], *, name: str = "xner"
) -> Targets:
    """Gold or silver targets for the tokens of `example.predicted`.

    example (Example): Silver if its reference carries silver annotations, else gold.
    labels (Sequence[str]): Entity types of the component.
    label_map (Mapping[str, str]): Label of the data to label of the component, or to "".
    name (str): Of the component, for messages.
    RETURNS (Targets): A token of weight 0 teaches nothing; its row is O.
    RAISES (XnerError): X305 if silver annotations have a class the component does not have.
    """
    if has_silver(example.reference):
        return _silver_targets(example, labels, label_map, name)
    return _gold_targets(example, labels, label_map)


def _gold_targets(example: Example, labels: Sequence[str], label_map: Mapping[str, str]) -> Targets:
    column = {tag: i for i, tag in enumerate(iob2_tags(labels))}
    length = len(example.predicted)
    indices, weights = np.zeros(length, dtype=np.intp), np.ones(length)
    for i, tag in enumerate(_aligned_biluo(example)):
        if tag is None or tag == "-":
            weights[i] = 0.0
        elif tag != "O":
            label = map_label(tag[2:], label_map)
            prefix = "B" if tag[0] in "BU" else "I"
            indices[i] = column.get(f"{prefix}-{label}", 0)
    return np.eye(len(column))[indices], weights


def _aligned_biluo(example: Example) -> list[str | None]:
    """Aligned gold tags. The same tokens on both sides are the rule in training, and reading them
    off directly is ten times faster than spaCy's alignment.
    """  # noqa: D205
    reference = example.reference
    tags: list[str | None] = []
    if [t.text for t in reference] != [t.text for t in example.predicted]:
        tags += example.get_aligned_ner()
        return tags
    for token in reference:
        iob = token.ent_iob_
        tags.append(None if not iob else "O" if iob == "O" else f"{iob}-{token.ent_type_}")
    return tags


def _silver_targets(
    example: Example, labels: Sequence[str], label_map: Mapping[str, str], name: str
) -> Targets:
    reference: Doc = example.reference
    silver = read_silver(reference)
    unknown = {map_label(x, label_map) for x in silver.labels} - {*labels, ""}
    if unknown:
        found = {"found": sorted(unknown), "name": name, "expected": list(labels)}
        raise XnerError(Errors.X305.format(**found))
    matrix, taught = projection(silver.labels, labels, label_map)
    weights = silver.token_weights * silver.doc_weight
    if not taught.all():  # its O may be a class that nobody looked for: it teaches nothing
        weights = weights * (1.0 - (silver.distribution @ matrix)[:, 0])
    distribution = project_tokens(silver.distribution @ matrix, reference, example.predicted)
    if len(weights) != len(distribution):
        weights = np.full(len(distribution), weights.mean() if len(weights) else 0.0)
    return distribution, weights
