"""The commands, and the weights that read what they write."""

import configparser
import json
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from tiny_checkpoint import LETTERS, save_tiny_checkpoint, sentences
from typer.testing import CliRunner

from spacy_xner.cli import app
from spacy_xner.encoders.features import sentence_features
from spacy_xner.ensemble.similarity import load_identifier, sentence_alpha
from spacy_xner.ensemble.similarity_weights import make_similarity_weights, read_weights
from spacy_xner.ensemble.votes import Votes
from spacy_xner.ensemble.weights import make_fixed_weights
from spacy_xner.errors import XnerError

NLP = spacy.blank("xx")
SOURCES = list(LETTERS)


def run(*args):
    result = CliRunner().invoke(app, ["similarity", *map(str, args)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, " ".join(result.output.split())


def write(path: Path, texts: list[str]) -> Path:
    path.write_text("\n".join(texts) + "\n", encoding="utf8")
    return path


def votes(names, docs: list[Doc]) -> Votes:
    n_tokens = sum(map(len, docs))
    probs = np.tile([1.0, 0.0, 0.0], (len(names), n_tokens, 1))
    taught = np.ones((len(names), 3), bool)
    return Votes(tuple(names), ("PER",), probs, taught, tuple(map(len, docs)))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with an encoder, texts, an identifier, and weights for two targets."""
    folder = tmp_path_factory.mktemp("similarity")
    save_tiny_checkpoint(folder / "encoder")
    texts = [
        f"{name}={write(folder / f'{name}.txt', sentences(letters, 150))}"
        for name, letters in LETTERS.items()
    ]
    code, output = run(
        "train", *texts, "--encoder", folder / "encoder", "-o", folder / "id.npz", "--limit", 120,
        "--epochs", 80,
    )  # fmt: skip
    assert code == 0, output
    # Its letters are those of the south, with a few of the north.
    write(folder / "coast.txt", sentences("ghijklghijklab", 40))
    code, output = run(
        "weights", folder / "id.npz", f"coast={folder / 'coast.txt'}",
        f"north={folder / 'north.txt'}", "-o", folder / "weights.json", "--limit", 30,
    )  # fmt: skip
    assert code == 0, output
    (folder / "printed.txt").write_text(output)
    return folder


def test_the_identifier_tells_its_languages_apart(trained):
    identifier, metadata = load_identifier(trained / "id.npz")
    assert list(identifier.languages) == SOURCES
    assert metadata["sentences"] == dict.fromkeys(SOURCES, 120)
    assert metadata["encoder"]["path"] == "encoder"
    for k, (name, letters) in enumerate(LETTERS.items()):
        rows = sentence_features(trained / "encoder", sentences(letters, 50, seed=1))
        assert (identifier.scores(rows).argmax(axis=1) == k).mean() > 0.95
        assert metadata["accuracy"][name] > 0.95


def test_weights_are_printed_and_written(trained):
    targets = read_weights(trained / "weights.json")["targets"]
    coast = targets["coast"]["weights"]
    assert max(coast, key=coast.get) == "south"
    assert sum(coast.values()) == pytest.approx(1.0)
    assert targets["coast"]["sentences"] == 30
    printed = (trained / "printed.txt").read_text()
    assert "coast (30 sentences, tau" in printed
    assert f"south {coast['south']:.3f}" in printed


def test_a_target_is_no_source_of_its_own(trained):
    assert set(read_weights(trained / "weights.json")["targets"]["north"]["weights"]) == {
        "south",
        "islands",
    }


def test_some_sources_and_the_same_answer_twice(trained, tmp_path):
    for name in ("a.json", "b.json"):
        code, _ = run(
            "weights", trained / "id.npz", f"coast={trained / 'coast.txt'}", "-o", tmp_path / name,
            "--sources", "islands north", "--limit", "10", "--seed", "4",
        )  # fmt: skip
        assert code == 0
    found = read_weights(tmp_path / "a.json")["targets"]
    assert list(found["coast"]["weights"]) == ["islands", "north"]
    assert found == read_weights(tmp_path / "b.json")["targets"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["train", "north.txt", "--encoder", "encoder", "-o", "x.npz"], "X420"),
        (["train", "a=north.txt", "a=south.txt", "--encoder", "encoder", "-o", "x.npz"], "X420"),
        (["train", "a=none.txt", "--encoder", "encoder", "-o", "x.npz"], "X601"),
        (["train", "a=blank.txt", "--encoder", "encoder", "-o", "x.npz"], "X427"),
        (["train", "a=north.txt", "--encoder", "none", "-o", "x.npz"], "X601"),
        (["weights", "none.npz", "a=north.txt"], "X601"),
        (["weights", "north.txt", "a=north.txt"], "X421"),
        (["weights", "id.npz", "a=blank.txt"], "X427"),
        (["weights", "id.npz", "a=north.txt", "--sources", "east"], "X425"),
        (["weights", "id.npz", "north=north.txt", "--sources", "north"], "X425"),
        (["weights", "id.npz", "a=north.txt", "--encoder", "other"], "X424"),
        (["weights", "id.npz", "a=north.txt", "--encoder", "none"], "X601"),
    ],
)
def test_mistakes_end_with_a_message(args, says, trained, monkeypatch):
    monkeypatch.chdir(trained)
    write(trained / "blank.txt", ["", " "])
    if not (trained / "other").exists():
        save_tiny_checkpoint(trained / "other", seed=1)
    code, output = run(*args)
    assert (code, f"[{says}]" in output) == (1, True), output
    assert not (trained / "x.npz").exists()


# spacy-xner.SimilarityWeights.v1


def test_language_level_weights_are_those_of_the_file(trained):
    docs = [NLP("gh ij"), NLP(""), NLP("ab")]
    weigh = make_similarity_weights(str(trained / "weights.json"), target="coast")
    said = votes(["islands", "north", "south"], docs)
    weights = read_weights(trained / "weights.json")["targets"]["coast"]["weights"]
    found = weigh(docs, said)
    assert np.allclose(found, [[weights[name] for name in said.names]] * 3)
    assert np.allclose(found, make_fixed_weights(weights)(docs, said))
    # Sources without a teacher are left out.
    pair = np.array([weights["north"], weights["south"]])
    found = weigh(docs, votes(["north", "south"], docs))
    assert np.allclose(found, [pair / pair.sum()] * 3)


def test_sentence_level_weights_follow_the_documents(trained):
    docs = [NLP("ghij hikl"), NLP(""), NLP("mnop pqrm ponm")]
    path = str(trained / "weights.json")
    weigh = make_similarity_weights(path, level="sentence", target="coast")
    names = ["south", "north", "islands"]
    found = weigh(docs, votes(names, docs))
    assert found.shape == (5, 3)
    assert np.allclose(found.sum(axis=1), 1.0)
    assert (found[:2].argmax(axis=1) == 0).all()
    assert (found[2:].argmax(axis=1) == 2).all()
    identifier, _ = load_identifier(trained / "id.npz")
    tau = read_weights(Path(path))["targets"]["coast"]["tau"]
    rows = sentence_features(trained / "encoder", [doc.text for doc in docs])
    by_hand = sentence_alpha(identifier.scores(rows)[:, [1, 0, 2]], tau)
    assert np.allclose(found, by_hand[[0, 0, 2, 2, 2]], atol=1e-6)
    assert weigh([], votes(names, [])).shape == (0, 3)
    assert (weigh(docs, votes(["north"], docs)) == 1.0).all()


def test_nothing_is_read_before_the_first_documents(tmp_path):
    weigh = make_similarity_weights(str(tmp_path / "later.json"))
    with pytest.raises(XnerError, match=r"X601.*later"):
        weigh([], votes(["north"], []))


def test_teachers_must_be_languages_of_the_file(trained):
    for level in ("language", "sentence"):
        path = str(trained / "weights.json")
        weigh = make_similarity_weights(path, level=level, target="north")
        with pytest.raises(XnerError, match=r"X422.*\['east', 'north'\].*islands.*south"):
            weigh([], votes(["east", "north", "south"], []))


@pytest.mark.parametrize("target", [None, "east"])
def test_the_target_must_be_known(target, trained):
    weigh = make_similarity_weights(str(trained / "weights.json"), target=target)
    with pytest.raises(XnerError, match=r"X423.*coast.*north"):
        weigh([], votes(["south"], []))


def test_the_only_target_needs_no_name(trained, tmp_path):
    data = read_weights(trained / "weights.json")
    del data["targets"]["north"]
    (tmp_path / "one.json").write_text(json.dumps(data))
    assert make_similarity_weights(str(tmp_path / "one.json"))([], votes(["south"], [])).size == 0


@pytest.mark.parametrize("what", ["identifier", "encoder", "gone"])
def test_what_has_changed_is_noticed(what, trained, tmp_path):
    data = read_weights(trained / "weights.json")
    data["identifier"] = str(trained / "id.npz")
    encoder, code = None, "X424"
    if what == "identifier":
        data["sha256"] = "0"
    elif what == "encoder":
        encoder = str(save_tiny_checkpoint(tmp_path / "changed", seed=2))
    else:
        encoder, code = str(tmp_path / "nowhere"), "X601"
    (tmp_path / "w.json").write_text(json.dumps(data))
    weigh = make_similarity_weights(
        str(tmp_path / "w.json"), level="sentence", target="coast", encoder=encoder
    )
    with pytest.raises(XnerError, match=code):
        weigh([NLP("ab")], votes(["south"], [NLP("ab")]))


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"identifier": None},
        {"targets": [1]},
        {"targets": {"a": {"weights": {"x": -1.0}, "tau": 1.0}}},
        {"targets": {"a": {"weights": {"x": "1"}, "tau": 1.0}}},
        {"targets": {"a": {"weights": {"x": 1.0}, "tau": 0.0}}},
        {"targets": {"a": {"tau": 1.0}}},
    ],
)
def test_damaged_weights(change, trained, tmp_path):
    data = {**read_weights(trained / "weights.json"), **change}
    (tmp_path / "w.json").write_text(json.dumps(data))
    with pytest.raises(XnerError, match=r"X421.*w\.json.*xner similarity weights"):
        read_weights(tmp_path / "w.json")
    (tmp_path / "w.json").write_text("[]{")
    with pytest.raises(XnerError, match="X421"):
        read_weights(tmp_path / "w.json")


def test_unknown_levels():
    with pytest.raises(XnerError, match=r"X308.*level.*'token'"):
        make_similarity_weights("w.json", level="token")


def test_setup_names_the_functions():
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.read(Path(__file__).parents[2] / "setup.cfg", encoding="utf8")
    lines = parser["options.entry_points"]["spacy_misc"].strip().splitlines()
    found = dict(line.split(" = ") for line in lines)
    for name, module in [
        ("Confidence", "confidence"),
        ("Agreement", "confidence"),
        ("Similarity", "similarity_weights"),
        ("Ranked", "ranked_weights"),
    ]:
        target = f"spacy_xner.ensemble.{module}:make_{name.lower()}_weights"
        assert found[f"spacy-xner.{name}Weights.v1"] == target
