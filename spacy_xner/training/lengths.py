"""How long a text is for the model that reads it, so that batches hold little padding."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from spacy.training import Example

from ..errors import Errors, XnerError, reason

Length = Callable[[Example], int]
# Texts whose lengths are remembered: a buffer is sorted by length, and each epoch asks again.
REMEMBERED = 100_000


def make_subword_length(tokenizer: str) -> Length:
    """Length in sub-words, for `get_length` of `spacy.batch_by_padded.v1`.

    Registered as `spacy-xner.SubwordLength.v1`. Sorted by tokens, as is spaCy's default, up to a
    third of what a transformer computes is padding.

    tokenizer (str): Local path or hub name of a Hugging Face model; loaded on first use.
    RETURNS (Callable[[Example], int]): Sub-words of an example's text, 1 or more.
    RAISES (XnerError): X301 without transformers; when called, X313 for a tokenizer that cannot be
        loaded.
    """
    try:
        from transformers import AutoTokenizer
    except ImportError as err:
        raise XnerError(Errors.X301) from err

    @lru_cache(maxsize=1)
    def load() -> Any:
        try:
            return AutoTokenizer.from_pretrained(tokenizer, trust_remote_code=False)
        except (OSError, ValueError) as err:
            raise XnerError(Errors.X313.format(name=tokenizer, reason=reason(err))) from err

    @lru_cache(maxsize=REMEMBERED)
    def count(text: str) -> int:
        # Longer texts than the model takes are cut into windows later: nothing to warn of.
        return len(load()(text, verbose=False)["input_ids"]) or 1

    return lambda eg: count(eg.predicted.text)
