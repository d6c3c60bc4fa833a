"""The embedded demo corpus keeps what its README promises."""

import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from spacy_xner.labels import split_tag

DEMO = Path(__file__).parents[1] / "assets" / "demo"
SOURCES = ("en", "es", "de")
ANNOTATED = {f"{lang}-{part}": n for lang in SOURCES for part, n in (("train", 150), ("dev", 30))}
ANNOTATED["sw-test"] = 120
RAW = "sw-unlabelled.txt"
LABELS = {"PER", "LOC", "ORG"}

Sentence = list[tuple[str, str]]


def read_text(name: str) -> str:
    return (DEMO / name).read_bytes().decode("utf8")


def read_iob2(name: str) -> list[Sentence]:
    """Read strictly: a line that is not `token tag` fails here."""
    sentences = []
    for block in read_text(f"{name}.iob2").removesuffix("\n").split("\n\n"):
        pairs = [line.split(" ") for line in block.split("\n")]
        assert all(len(pair) == 2 and all(pair) for pair in pairs), block
        sentences.append([(token, tag) for token, tag in pairs])
    return sentences


def read_raw() -> list[str]:
    return read_text(RAW).removesuffix("\n").split("\n")


def all_sentences() -> list[tuple[str, str]]:
    """File name and text of every sentence of the corpus."""
    annotated = [
        (name, " ".join(token for token, _ in sentence))
        for name in ANNOTATED
        for sentence in read_iob2(name)
    ]
    return annotated + [(RAW, line) for line in read_raw()]


def letters(text: str) -> str:
    """Case-folded letters only: what remains equal after tokenisation and punctuation."""
    return "".join(char for char in text.casefold() if char.isalpha())


@pytest.mark.parametrize("name", ANNOTATED)
def test_as_many_sentences_as_promised(name: str) -> None:
    assert len(read_iob2(name)) >= ANNOTATED[name]


def test_as_many_raw_lines_as_promised() -> None:
    lines = read_raw()
    assert len(lines) >= 300
    assert all(line == line.strip() and letters(line) for line in lines)


@pytest.mark.parametrize("name", ANNOTATED)
def test_tags_are_strict_iob2(name: str) -> None:
    for sentence in read_iob2(name):
        previous = ""
        for token, tag in sentence:
            prefix, label = split_tag(tag)
            assert prefix != "I" or label == previous, (token, tag, sentence)
            previous = label


@pytest.mark.parametrize("name", ANNOTATED)
def test_all_classes_and_no_other_occur(name: str) -> None:
    found = {split_tag(tag)[1] for sentence in read_iob2(name) for _, tag in sentence}
    assert found == LABELS | {""}


@pytest.mark.parametrize("name", ANNOTATED)
def test_some_sentences_have_no_entity(name: str) -> None:
    sentences = read_iob2(name)
    empty = sum(all(tag == "O" for _, tag in sentence) for sentence in sentences)
    assert 0.1 <= empty / len(sentences) <= 0.4


@pytest.mark.parametrize("name", [name for name in ANNOTATED if not name.startswith("sw")])
def test_source_sentences_have_4_to_35_tokens(name: str) -> None:
    lengths = [len(sentence) for sentence in read_iob2(name)]
    assert min(lengths) >= 4 and max(lengths) <= 35


def test_no_sentence_occurs_twice() -> None:
    seen: dict[str, str] = {}
    for name, text in all_sentences():
        key = letters(text)
        assert key not in seen, f"{text!r} in {name} and in {seen.get(key)}"
        seen[key] = name


@pytest.mark.parametrize("name", [*(f"{name}.iob2" for name in ANNOTATED), RAW])
def test_text_is_nfc_with_plain_line_ends(name: str) -> None:
    text = read_text(name)
    assert unicodedata.is_normalized("NFC", text)
    assert text.endswith("\n") and not text.endswith("\n\n")
    assert not {"\r", "\t", "\ufeff", "\u200b", "\xa0"} & set(text)


@pytest.mark.parametrize("name", [*ANNOTATED, RAW])
def test_no_template_shows(name: str) -> None:
    texts = [text for found, text in all_sentences() if found == name]
    prefixes = Counter(tuple(text.casefold().split()[:4]) for text in texts)
    prefix, count = prefixes.most_common(1)[0]
    assert count <= 0.04 * len(texts), prefix


def test_readme_states_counts_and_licence() -> None:
    readme = read_text("README.md")
    assert "CC0 1.0" in readme
    for name in ANNOTATED:
        row = next(line for line in readme.splitlines() if line.startswith(f"| `{name}.iob2`"))
        assert row.split("|")[3].strip() == str(len(read_iob2(name)))
