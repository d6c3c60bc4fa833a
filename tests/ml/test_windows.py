import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_xner.ml.windows import make_windows, reduce_ranges, word_subwords


def as_array(spans):
    return np.array(spans, dtype=np.int64).reshape(-1, 2)


@given(length=st.integers(0, 300), size=st.integers(1, 60), overlap=st.integers(0, 59))
def test_windows_keep_each_subword_once_and_read_what_they_keep(length, size, overlap):
    stride = max(1, size - overlap)
    windows = make_windows(length, size=size, stride=stride)
    kept = [i for window in windows for i in range(window.first, window.last)]
    assert kept == list(range(length))
    for window in windows:
        assert window.start <= window.first <= window.last <= window.end
        assert 0 < window.end - window.start <= size
    assert [window.start for window in windows] == [i * stride for i in range(len(windows))]


@given(length=st.integers(1, 200), size=st.integers(2, 40), overlap=st.integers(0, 39))
def test_a_subword_is_kept_where_it_stands_furthest_from_an_edge(length, size, overlap):
    stride = max(1, size - overlap)
    windows = make_windows(length, size=size, stride=stride)

    def room(window, i):
        # The edges of the text are no edges: nothing is missing there.
        left = i - window.start if window.start else length
        right = window.end - 1 - i if window.end < length else length
        return min(left, right)

    # Of two windows only: where the stride is less than half the size, more may see a sub-word.
    if 2 * stride < size:
        return
    for window in windows:
        for i in range(window.first, window.last):
            best = max(room(w, i) for w in windows if w.start <= i < w.end)
            assert room(window, i) >= best - 1


def test_a_short_text_is_one_window():
    assert make_windows(5, size=8, stride=4) == [(0, 5, 0, 5)]


@pytest.mark.parametrize(
    ("words", "subwords", "expected"),
    [
        # one sub-word a word, one of which holds the space before it
        ([(0, 5), (6, 9)], [(0, 5), (5, 9)], [(0, 1), (1, 2)]),
        # bytes: three sub-words for one character
        ([(0, 1), (1, 2)], [(0, 1), (0, 1), (0, 1), (1, 2)], [(0, 3), (3, 4)]),
        # a sub-word over the border of two words belongs to both
        ([(0, 2), (2, 4)], [(0, 1), (1, 3), (3, 4)], [(0, 2), (1, 3)]),
        # a word that nobody reads, at the start, within, and at the end
        ([(0, 1), (2, 3), (4, 5)], [(2, 3)], [(0, 0), (0, 1), (1, 1)]),
        # special sub-words are empty
        ([(0, 3)], [(0, 0), (0, 3), (3, 3)], [(1, 2)]),
        ([(0, 3)], [], [(0, 0)]),
        ([], [(0, 3)], []),
    ],
)
def test_words_get_the_subwords_that_touch_them(words, subwords, expected):
    found = word_subwords(as_array(words), as_array(subwords))
    assert found.shape == (len(words), 2)
    assert [tuple(row) for row in found.tolist()] == expected


@given(st.lists(st.integers(1, 6), max_size=12), st.lists(st.integers(1, 4), max_size=30))
def test_ranges_are_exactly_the_touching_subwords(word_lengths, piece_lengths):
    def spans(lengths):
        ends = np.cumsum([0, *lengths]).tolist()
        return list(zip(ends, ends[1:], strict=False))

    words, pieces = spans(word_lengths), spans(piece_lengths)
    found = word_subwords(as_array(words), as_array(pieces))
    for (start, end), (first, last) in zip(words, found, strict=True):
        touching = [i for i, (s, e) in enumerate(pieces) if s < end and e > start]
        assert list(range(first, last)) == touching


def test_reduced_ranges():
    ranges = np.array([[0, 3], [3, 3], [3, 4]])
    assert reduce_ranges(ranges, "mean").tolist() == ranges.tolist()
    assert reduce_ranges(ranges, "first").tolist() == [[0, 1], [3, 3], [3, 4]]
    assert reduce_ranges(ranges, "last").tolist() == [[2, 3], [3, 3], [3, 4]]
