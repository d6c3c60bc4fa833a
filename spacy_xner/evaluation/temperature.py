"""One temperature that makes a model as sure as it is right, from labels of its own source."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_config
from thinc.api import Config

from ..checksums import update_sum
from ..decode import decode
from ..errors import Errors, XnerError, config_errors
from ..labels import iob2_tags
from ..ml.losses import soft_cross_entropy, softmax
from ..pipeline.find import find_xner, run_before
from ..shards import write_bytes
from ..silver import SPANS_KEY, has_silver
from ..spans import blank_copy, set_scored_spans
from ..teachers.base import Teacher
from ..training.targets import targets
from .calibration import expected_calibration_error, scored_spans

LOWEST, HIGHEST = 0.05, 20.0
# Halvings of the range, on a logarithmic scale: enough for every digit of a float.
HALVINGS = 60
# Fewer tokens say too little about doubt, which few tokens raise.
MIN_TOKENS = 100
# A difference below this is one of the machine. A pipeline that is calibrated again stays, byte
# for byte, and with it all that was made from it.
SAME = 1e-3


class Calibration(NamedTuple):
    """A temperature and what it gives: mean negative log-likelihood of the gold tag (nats a token),
    and the expected calibration error of entity scores (None if no entity was predicted).
    """  # noqa: D205

    temperature: float
    nll: float
    ece: float | None


def negative_log_likelihood(
    logits: NDArray[np.floating],
    target: NDArray[np.floating],
    weights: NDArray[np.floating],
    temperature: float = 1.0,
) -> float:
    """The mean over tokens of - sum_c q_ic log softmax(z_i / T)_c, in nats.

    logits (Array of shape (tokens, tags)): z.
    target (Array of shape (tokens, tags)): q, rows sum to 1; gold tags are one-hot.
    weights (Array of shape (tokens,)): 0 leaves a token out.
    temperature (float): T.
    """
    loss, _ = soft_cross_entropy(_typed(logits) / temperature, _typed(target), _typed(weights))
    return loss


def fit_temperature(
    logits: NDArray[np.floating], target: NDArray[np.floating], weights: NDArray[np.floating]
) -> float:
    """The temperature with the least `negative_log_likelihood` (Guo et al. 2017, section 4.2).

    In beta = 1 / T the function is convex: its slope, the mean of sum_c (p_ic - q_ic) z_ic, rises
    with beta, for the slope of that is the variance of z_ic under p_i. Bisection finds its zero.

    logits, target, weights: As in `negative_log_likelihood`.
    RETURNS (float): `LOWEST` to `HIGHEST`, the nearer bound if the least lies beyond it, as it does
        where no token is doubtful. 1 if the temperature makes no difference.
    """
    z, q, w = _typed(logits), _typed(target), _typed(weights)
    z = z - z.max(axis=1, keepdims=True)  # p is the same, and sums lose no digits

    def slope(beta: float) -> float:
        _, gradient = soft_cross_entropy(beta * z, q, w)
        return float((gradient * z).sum())

    low, high = 1.0 / HIGHEST, 1.0 / LOWEST
    if slope(1.0) == 0.0:
        return 1.0
    if slope(low) >= 0.0:
        return HIGHEST
    if slope(high) <= 0.0:
        return LOWEST
    for _ in range(HALVINGS):
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if slope(middle) > 0.0 else (middle, high)
    return 1.0 / low


def _typed(array: NDArray[np.floating]) -> Any:
    """Losses are typed for thinc's arrays, which numpy's are at run time."""
    return np.asarray(array, dtype=np.float64)


def calibrate(nlp: Language, docs: Sequence[Doc]) -> tuple[Calibration, Calibration]:
    """Fit the temperature of a pipeline's last `xner` to gold documents; nothing is changed.

    nlp (Language): The pipeline.
    docs (Sequence[Doc]): Gold documents of the language that it was trained on, and not those that
        it was trained on. Of a target they may never be.
    RETURNS (Tuple[Calibration, Calibration]): With the temperature that it has, and with the best.
    RAISES (XnerError): X506 if there is no `xner`, X507 for silver documents, X508 if there are too
        few tokens or no entity, X509 if no temperature within the bounds is the best.
    """
    pipe = find_xner(nlp)
    if pipe is None:
        raise XnerError(Errors.X506.format(found=nlp.pipe_names))
    for number, doc in enumerate(docs):
        # Tools that drop user data keep the group of spans.
        if has_silver(doc) or SPANS_KEY in doc.spans:
            raise XnerError(Errors.X507.format(number=number))
    examples = [Example(blank_copy(doc, nlp.vocab), doc) for doc in docs if len(doc)]
    pairs = [targets(eg, pipe.labels, pipe.label_map, name=pipe.name) for eg in examples]
    tokens = sum(int((w > 0).sum()) for _, w in pairs)
    entities = sum(int((q[w > 0, 1::2] > 0).sum()) for q, w in pairs)
    if tokens < MIN_TOKENS or not entities:
        found = {"tokens": tokens, "entities": entities, "labels": ", ".join(pipe.labels)}
        raise XnerError(Errors.X508.format(minimum=MIN_TOKENS, **found))
    logits = pipe.logits(run_before(nlp, pipe, [eg.x for eg in examples]))
    z, q, w = map(np.concatenate, (logits, [q for q, _ in pairs], [w for _, w in pairs]))
    best = fit_temperature(z, q, w)
    if best in (LOWEST, HIGHEST):
        raise XnerError(Errors.X509.format(low=LOWEST, high=HIGHEST, tokens=tokens))
    gold = [_gold(eg.y, q, w, pipe.labels) for eg, (q, w) in zip(examples, pairs, strict=True)]

    def measure(temperature: float) -> Calibration:
        copies = [blank_copy(doc, nlp.vocab) for doc in gold]
        probs: Any = [softmax(_typed(rows) / temperature) for rows in logits]
        # All entities, whatever the threshold: the same ones before and after.
        for copy, entities in zip(copies, decode(probs, pipe.labels), strict=True):
            set_scored_spans(copy, pipe.spans_key, entities)
        judged = [Example(x, y) for x, y in zip(copies, gold, strict=True)]
        ece = expected_calibration_error(*scored_spans(judged, spans_key=pipe.spans_key))
        return Calibration(temperature, negative_log_likelihood(z, q, w, temperature), ece)

    return measure(pipe.temperature), measure(best)


def _gold(
    doc: Doc, target: NDArray[np.floating], weights: NDArray[np.floating], labels: Sequence[str]
) -> Doc:
    """The gold entities in the component's own labels, as its label map and targets have them."""
    tags = iob2_tags(labels)
    rows = zip(target.argmax(axis=1), weights, strict=True)
    ents = [tags[column] if weight else "" for column, weight in rows]
    return Doc(doc.vocab, words=[token.text for token in doc], ents=ents)


def temperature_of(teacher: Teacher, docs: Sequence[Doc]) -> float:
    """The best temperature of any teacher, from its answers: their logarithms serve as logits.

    teacher (Teacher): With temperature 1.
    docs (Sequence[Doc]): As for `calibrate`.
    RETURNS (float): See `fit_temperature`.
    """
    teacher.load()
    probs = np.concatenate(teacher.distributions(docs))
    pairs = [targets(Example(doc, doc), teacher.labels, {}) for doc in docs]
    target, weights = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return fit_temperature(np.log(np.maximum(probs, 1e-7)), target, weights)


def configured_temperature(path: Path) -> float | None:
    """The temperature that a config gives its last `xner`.

    path (Path): A config, for training or of a saved pipeline.
    RETURNS (Optional[float]): None if there is no `xner`.
    RAISES (XnerError): X601 if there is no config, X607 for a malformed one.
    """
    if not path.is_file():
        raise XnerError(Errors.X601.format(path=path))
    with config_errors(path):
        settings = _last_xner(load_config(path, interpolate=True))
    return None if settings is None else float(settings.get("temperature", 1.0))


def _last_xner(config: Config) -> dict[str, Any] | None:
    """The block of a pipeline's last `xner` in its config."""
    components = config.get("components", {})
    blocks = [components.get(name, {}) for name in config.get("nlp", {}).get("pipeline", [])]
    found = [block for block in blocks if block.get("factory") == "xner"]
    return found[-1] if found else None


def set_temperature(folder: Path, temperature: float) -> bool:
    """Write the temperature of a saved pipeline's last `xner` into its config, and nothing else.

    The config is replaced in one step, and then its checksum; weights are not touched.

    folder (Path): A saved pipeline.
    temperature (float): Above 0.
    RETURNS (bool): False if the pipeline already had it, up to a thousandth of it: it is left as it
        is then.
    RAISES (XnerError): X603 if there is no pipeline, X506 if it has no `xner`.
    """
    path = folder / "config.cfg"
    if not path.is_file():
        raise XnerError(Errors.X603.format(name=folder, reason="no config.cfg"))
    with config_errors(path):
        config = load_config(path, interpolate=False)
    settings = _last_xner(config)
    if settings is None:
        raise XnerError(Errors.X506.format(found=config["nlp"]["pipeline"]))
    if np.isclose(settings.get("temperature", 1.0), temperature, rtol=SAME, atol=0.0):
        update_sum(folder, path.name)  # a run that ended between the two steps left the old one
        return False
    settings["temperature"] = temperature
    write_bytes(path, config.to_bytes())
    update_sum(folder, path.name)
    return True
