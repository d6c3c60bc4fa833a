import random
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_xner.corpora.columns import read_sentences
from spacy_xner.corpora.leakage import LeakageIndex, check_leakage, find_leaks, normalise
from spacy_xner.corpora.raw_text import read_text
from spacy_xner.errors import XnerError

CORPORA = Path(__file__).parents[2].parent / "shared" / "corpora"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\u1eb8\u0300k\u1ecd\u0301 , \u00c0w\u1ecdn !", "ekoawon"),
        ("\u12a0\u12f2\u1235 \u12a0\u1260\u1263\u1362", "\u12a0\u12f2\u1235\u12a0\u1260\u1263"),
        ("Stra\u00dfe STRASSE", "strassestrasse"),
        ("a_b-c\u200bd \U0001f600 3\u00bd", "abcd312"),
        ("... \u2014 \U0001f600", ""),
        ("\u0130\ufb01", "ifi"),
    ],
)
def test_normalise(text, expected):
    assert normalise(text) == expected


@given(st.text())
def test_normalise_ignores_case_spaces_and_punctuation(text):
    assert normalise(f" ,{text}! ") == normalise(text)
    assert normalise(normalise(text)) == normalise(text)


letters = st.text("abc", min_size=0, max_size=30)


@given(letters, st.lists(letters, max_size=5))
def test_find_agrees_with_the_definition(text, eval_texts):
    run = 5
    shares = [
        e
        for e in eval_texts
        if e and (e == text or any(text[i : i + run] in e for i in range(len(text) - run + 1)))
    ]
    found = LeakageIndex(eval_texts, run=run).find(text)
    assert found in shares if shares else found is None


def test_a_run_of_forty_letters_matches_and_39_do_not():
    shared = "Mji mkuu wa Dodoma una watu wengi sana na Xyz pia leo hii"
    cut = normalise(shared)[:40]
    index = LeakageIndex([f"Jana: {shared}, alisema."])
    assert index.find(f"zzz {cut} qqq") is not None
    assert index.find(f"zzz {cut[:39]} qqq") is None


def test_texts_without_letters_match_nothing():
    index = LeakageIndex(["...", "", "\U0001f600"])
    assert len(index) == 0
    assert index.find("!!") is None
    assert index.find("") is None


def test_check_names_the_first_three():
    texts = ["safe", *(f"Sentence number {n} ." for n in range(5))]
    check_leakage(texts[:1], texts[1:])
    with pytest.raises(XnerError, match="X206.* 5 of 6 .*text 2: 'Sentence number 0") as err:
        check_leakage(texts, [text.upper() for text in texts[1:]])
    assert "number 2" in str(err.value)
    assert "number 3" not in str(err.value)


def test_large_inputs_stay_fast():
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(2, 9))) for _ in range(3000)]

    def sentences(n):
        return [" ".join(rng.choices(words, k=22)) for _ in range(n)]

    texts, eval_texts = sentences(4000), sentences(1000)
    start = time.perf_counter()
    total, leaks = find_leaks([*texts, eval_texts[3]], eval_texts)
    assert (total, [position for position, _, _ in leaks]) == (4001, [4000])
    assert time.perf_counter() - start < 15  # a twentieth of the work; far less when idle


@pytest.mark.skipif(not CORPORA.exists(), reason="the mirror of the public corpora is not here")
@pytest.mark.parametrize("language", ["amh", "yor"])
def test_the_shared_unlabelled_text_is_clean(language):
    folder = CORPORA / "raw" / "masakhane-ner" / "data" / language
    eval_texts = [
        " ".join(sentence.tokens)
        for split in ("dev", "test")
        for sentence in read_sentences(folder / f"{split}.txt", format="conll")
    ]
    texts = [r.text for r in read_text(CORPORA / "unlabelled" / f"{language}.txt")]
    # A few formulas of some words are equal, which whoever made these files let pass.
    total, leaks = find_leaks(texts, eval_texts)
    assert total > 7000
    assert all(len(normalise(text)) < 20 for _, text, _ in leaks)
    assert len(leaks) <= 2
    _, more = find_leaks([*texts, eval_texts[0]], eval_texts)
    assert len(more) == len(leaks) + 1
