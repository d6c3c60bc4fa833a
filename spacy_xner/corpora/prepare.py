"""From a catalogue of corpora to the files that training, annotation and evaluation read.

<output>/source/<language>-train.spacy, <language>-dev.spacy
<output>/test/<language>-test.spacy        read by evaluation only
<output>/unlabelled/<language>.jsonl       text without labels, checked for leakage
"""  # noqa: D214

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import Errors, XnerError
from ..shards import write_bytes
from .columns import Sentence, read_sentences
from .docs import to_docbin
from .label_map import read_label_map
from .leakage import find_leaks, leakage_error
from .raw_text import FORMATS, RawText, read_text

Catalogue = Mapping[str, Mapping[str, Any]]


def prepare_source(
    catalogue: Catalogue, language: str, output: Path, *, limit: int = 0, seed: int = 0
) -> dict[str, int]:
    """Write the training and development sets of a source language.

    catalogue (Catalogue): By language: "format", "labels" and paths "train", "dev".
    language (str): A key of the catalogue that has both sets.
    output (Path): See above.
    limit (int): Random sample of so many training sentences, and a tenth of it to develop on; 0
        for all.
    seed (int): Of the sample.
    RETURNS (Dict[str, int]): Sentences by set.
    RAISES (XnerError): X215 if the catalogue lacks the language or a set, and what reading raises.
    """
    counts = {}
    for split, most in (("train", limit), ("dev", limit // 10)):
        sentences = _read(catalogue, language, split)
        if 0 < most < len(sentences):
            chosen = random.Random(f"{seed} {language} {split}").sample(range(len(sentences)), most)
            sentences = [sentences[i] for i in sorted(chosen)]
        _write(output / "source" / f"{language}-{split}.spacy", sentences)
        counts[split] = len(sentences)
    return counts


def evaluation_texts(catalogue: Catalogue, languages: Iterable[str]) -> Iterator[str]:
    """The sentences of the development and test sets of some languages, as far as they have any.

    catalogue (Catalogue): By language: "format", "labels", "test", "dev".
    languages (Iterable[str]): Names; one that the catalogue does not know has none.
    YIELDS (str): Tokens with spaces between them.
    """
    for language in languages:
        for split in ("test", "dev"):
            if split in catalogue.get(language, {}):
                for sentence in _read(catalogue, language, split):
                    yield " ".join(sentence.tokens)


def prepare_target(
    catalogue: Catalogue,
    language: str,
    output: Path,
    evaluation: Iterable[str],
    *,
    assets: Path,
) -> dict[str, int]:
    """Write the unlabelled text of a target language and, if there is one, its test set.

    The text is `<assets>/<language>.txt`, `.jsonl` or `.spacy` if the user has put one there, else
    the catalogue's "unlabelled" file, else its "train" set without the labels. It must not contain
    an evaluation sentence: the user's own text is refused then, and from a public corpus the
    sentences are left out.

    catalogue (Catalogue): By language: "format", "labels", "test", "dev", "unlabelled".
    language (str): A name; it need not be in the catalogue if the user has text for it.
    output (Path): See above.
    evaluation (Iterable[str]): See `evaluation_texts`.
    assets (Path): Folder of the user's own text.
    RETURNS (Dict[str, int]): "unlabelled", "dropped" and "test" in sentences.
    RAISES (XnerError): X216 if there is no text, X206 if the user's own text leaks.
    """
    entry = catalogue.get(language, {})
    own = [assets / f"{language}{suffix}" for suffix in FORMATS]
    own = [path for path in own if path.is_file()]
    records = list(read_text(own[0]) if own else _public_text(catalogue, language, assets))
    total, leaks = find_leaks((record.text for record in records), evaluation)
    if leaks and own:
        raise leakage_error(total, leaks)
    leaked = {position for position, _, _ in leaks}
    lines = [
        json.dumps(_to_json(record), ensure_ascii=False)
        for i, record in enumerate(records)
        if i not in leaked
    ]
    if not lines:
        raise XnerError(Errors.X216.format(language=language, folder=assets))
    path = output / "unlabelled" / f"{language}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode("utf8"))
    test = _read(catalogue, language, "test") if "test" in entry else []
    test_path = output / "test" / f"{language}-test.spacy"
    test_path.unlink(missing_ok=True)
    if test:
        _write(test_path, test)
    return {"unlabelled": len(lines), "dropped": len(leaks), "test": len(test)}


def _public_text(catalogue: Catalogue, language: str, assets: Path) -> Iterator[RawText]:
    entry = catalogue.get(language, {})
    if Path(entry.get("unlabelled", "")).is_file():
        yield from read_text(Path(entry["unlabelled"]), tokenised=True)
    elif Path(entry.get("train", "")).is_file():
        for i, sentence in enumerate(_read(catalogue, language, "train")):
            name = f"{language}-train:{i + 1}"
            yield RawText(name, " ".join(sentence.tokens), sentence.tokens)
    else:
        raise XnerError(Errors.X216.format(language=language, folder=assets))


def _read(catalogue: Catalogue, language: str, split: str) -> list[Sentence]:
    entry = catalogue.get(language, {})
    for key in (split, "format", "labels"):
        if key not in entry:
            found = {"language": language, "key": key, "known": sorted(catalogue)}
            raise XnerError(Errors.X215.format(**found))
    path = Path(entry[split])
    if not path.is_file():
        raise XnerError(Errors.X217.format(path=path, language=language, split=split))
    labels = read_label_map(Path(entry["labels"]))
    return list(read_sentences(path, format=entry["format"], labels=labels))


def _write(path: Path, sentences: Sequence[Sentence]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, to_docbin(sentences).to_bytes())


def _to_json(record: RawText) -> dict[str, Any]:
    data: dict[str, Any] = {**(record.meta or {}), "id": record.id, "text": record.text}
    return {**data, "tokens": record.words} if record.words else data
