"""Which source each target listens to, by each method: a table, and a heat map of it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from spacy.tokens import Doc
from spacy.vocab import Vocab

from .ensemble.language_weights import read_weights
from .errors import Errors, XnerError, reason
from .shards import read_docs
from .silver import has_silver, read_silver

Shares = dict[str, dict[str, float]]
"""Target to source to weight; the weights of a target sum to 1."""


def shares_of_file(path: Path) -> Shares:
    """What a file of weights says, normalised.

    path (Path): What `xner similarity weights` or `xner similarity rank` wrote.
    RETURNS (Shares): By target of the file.
    RAISES (XnerError): X601 or X421, see `read_weights`.
    """
    targets = read_weights(path)["targets"]
    return {target: _normalise(entry["weights"]) for target, entry in targets.items()}


def shares_of_silver(path: Path) -> Shares:
    """Whom silver annotations listened to, token by token.

    path (Path): A folder with one folder of shards a target; or the shards of one target, which
        then bears the name of the folder or file.
    RETURNS (Shares): The mean weights over all tokens of a target.
    RAISES (XnerError): X601 or X007 for a path without shards, X005 if a document is no silver.
    """
    folders = sorted(folder for folder in path.glob("*/") if list(folder.glob("*.spacy")))
    parts = {folder.name: folder for folder in folders} or {path.stem: path}
    return {
        target: _normalise(mean_weights(read_docs(part, Vocab()))) for target, part in parts.items()
    }


def mean_weights(docs: Iterable[Doc]) -> dict[str, float]:
    """The teachers' mean weights over the tokens of all documents.

    docs (Iterable[Doc]): With silver annotations.
    RETURNS (Dict[str, float]): By teacher. One that a document does not name has no weight there.
    RAISES (XnerError): X005 if a document has no silver annotations.
    """
    sums: defaultdict[str, float] = defaultdict(float)
    tokens = 0
    for number, doc in enumerate(docs, start=1):
        if not has_silver(doc):
            raise XnerError(Errors.X005.format(reason=f"document {number} has none"))
        tokens += len(doc)
        for name, weight in read_silver(doc).teacher_weights.items():
            sums[name] += weight * len(doc)
    return {name: total / max(tokens, 1) for name, total in sums.items()}


def _normalise(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values()) or 1.0
    return {name: weight / total for name, weight in weights.items()}


def read_shares(path: Path) -> Shares:
    """Read either kind.

    path (Path): A .json file of weights, or silver annotations.
    RETURNS (Shares): See above.
    """
    return shares_of_file(path) if path.suffix == ".json" else shares_of_silver(path)


def plot_shares(methods: Mapping[str, Shares], output: Path) -> None:
    """Draw one heat map a method: rows are targets, columns sources.

    methods (Mapping[str, Shares]): By name.
    output (Path): A picture; its ending says which kind, e.g. .png or .svg.
    RAISES (XnerError): X435 if matplotlib is not installed, X436 for an unknown ending.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as err:
        raise XnerError(Errors.X435) from err
    sources = list(dict.fromkeys(s for m in methods.values() for row in m.values() for s in row))
    heights = [len(shares) for shares in methods.values()]
    size = (2.0 + 0.5 * len(sources), 1.2 * len(heights) + 0.35 * sum(heights))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(methods), squeeze=False, height_ratios=heights)[:, 0]
    for axis, (name, shares) in zip(axes, methods.items(), strict=True):
        rows = [[row.get(source, 0.0) for source in sources] for row in shares.values()]
        image = axis.imshow(rows, vmin=0.0, cmap="Blues", aspect="auto")
        axis.set(title=name, ylabel="target")
        axis.set_xticks(range(len(sources)), sources)
        axis.set_yticks(range(len(shares)), list(shares))
        figure.colorbar(image, ax=axis)
    axes[-1].set_xlabel("source")
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        figure.savefig(output)
    except ValueError as err:
        raise XnerError(Errors.X436.format(path=output, reason=reason(err))) from err
