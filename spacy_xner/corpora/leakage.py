"""The leakage check: no unlabelled text may contain a sentence of an evaluation set."""

import re
import unicodedata
from collections.abc import Iterable

from ..errors import Errors, XnerError

RUN = 40
"""Letters that two texts must share in a row to count as the same source."""

_NOT_LETTERS = re.compile(r"[\W_]+")


def normalise(text: str) -> str:
    r"""Reduce a text to its letters and digits: no case, diacritics, spaces or punctuation.

    Decomposes (NFKD), folds case, and removes whatever is no letter or digit. Combining marks go
    with that, in all scripts; the syllables of scripts such as Ethiopic are letters and stay.

    text (str): Any text, tokenised or not.
    RETURNS (str): Possibly the empty string.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return _NOT_LETTERS.sub("", folded)


class LeakageIndex:
    """Finds evaluation sentences inside other texts."""

    def __init__(self, eval_texts: Iterable[str], *, run: int = RUN) -> None:
        """Index the evaluation side.

        eval_texts (Iterable[str]): Sentences of dev and test sets, tokenised or not. One that has
            no letters matches nothing.
        run (int): Letters in a row, after normalisation, that make a match.
        """
        self.run = run
        self._texts: list[str] = []
        self._normalised: list[str] = []
        self._whole: dict[str, int] = {}
        # Hashes of windows rather than the windows: a fraction of the memory. A hit is verified.
        self._windows: dict[int, int] = {}
        for text in eval_texts:
            letters = normalise(text)
            if not letters or letters in self._whole:
                continue
            number = self._whole[letters] = len(self._texts)
            self._texts.append(text)
            self._normalised.append(letters)
            for i in range(len(letters) - run + 1):
                self._windows.setdefault(hash(letters[i : i + run]), number)

    def __len__(self) -> int:
        """Number of different evaluation sentences."""
        return len(self._texts)

    def find(self, text: str) -> str | None:
        """Find an evaluation sentence that a text equals or shares a run of letters with.

        text (str): Any text.
        RETURNS (Optional[str]): The evaluation sentence as it was given, or None.
        """
        letters = normalise(text)
        number = self._whole.get(letters)
        if number is not None:
            return self._texts[number]
        windows, run = self._windows, self.run
        for i in range(len(letters) - run + 1):
            number = windows.get(hash(letters[i : i + run]))
            if number is not None and letters[i : i + run] in self._normalised[number]:
                return self._texts[number]
        return None


def find_leaks(
    texts: Iterable[str], eval_texts: Iterable[str], *, run: int = RUN
) -> tuple[int, list[tuple[int, str, str]]]:
    """Compare texts with evaluation sentences.

    texts (Iterable[str]): Unlabelled text.
    eval_texts (Iterable[str]): Sentences of dev and test sets.
    run (int): Letters in a row that make a match.
    RETURNS: How many texts there were, and the position, the text and the evaluation sentence of
        each match.
    """
    index, leaks, total = LeakageIndex(eval_texts, run=run), [], 0
    for text in texts:
        found = index.find(text)
        if found is not None:
            leaks.append((total, text, found))
        total += 1
    return total, leaks


def check_leakage(texts: Iterable[str], eval_texts: Iterable[str], *, run: int = RUN) -> None:
    """Refuse texts that contain a sentence of the evaluation sets.

    texts (Iterable[str]): Unlabelled text.
    eval_texts (Iterable[str]): Sentences of dev and test sets.
    run (int): Letters in a row that make a match.
    RAISES (XnerError): X206 with the number of matches and the first three.
    """
    total, leaks = find_leaks(texts, eval_texts, run=run)
    if leaks:
        raise leakage_error(total, leaks)


def leakage_error(total: int, leaks: list[tuple[int, str, str]]) -> XnerError:
    """The error that names the first three matches by their number, from 1, and their text."""
    examples = "; ".join(f"text {i + 1}: {text[:80]!r}" for i, text, _ in leaks[:3])
    return XnerError(Errors.X206.format(count=len(leaks), total=total, examples=examples))
