"""`xner similarity rank`, and an ensemble that hears the best teachers by it."""

import inspect
import json

import pytest
import spacy
from handmade import add_ensemble, save_ruler, span_teacher
from tiny_checkpoint import LAYERS, LETTERS, save_tiny_checkpoint, sentences

from spacy_xner.cli.similarity import rank as rank_command
from spacy_xner.encoders.features import load_token_features
from spacy_xner.ensemble.nn_rank import rank_sources, sample_tokens, shares, tally
from spacy_xner.ensemble.ranked_weights import make_ranked_weights
from spacy_xner.hashing import hash_folder
from spacy_xner.silver import read_silver

SOURCES = [f"{name}={name}.txt" for name in LETTERS]


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """An encoder, texts of the sources, and of a target with the letters of the south."""
    folder = tmp_path_factory.mktemp("rank")
    save_tiny_checkpoint(folder / "encoder")
    for name, letters in {**LETTERS, "coast": "ghijklghijklab"}.items():
        text = "\n".join(sentences(letters, 40, seed=1 if name == "coast" else 0))
        (folder / f"{name}.txt").write_text(text + "\n", encoding="utf8")
    (folder / "few.txt").write_text("gh ij\n", encoding="utf8")
    (folder / "blank.txt").write_text("\n \n", encoding="utf8")
    return folder


@pytest.fixture
def rank(xner, texts, monkeypatch):
    """Call the command in the folder of the texts."""
    monkeypatch.chdir(texts)

    def call(*arguments, encoder="encoder"):
        return xner("similarity", "rank", *arguments, "--encoder", encoder)

    return call


def test_the_command_ranks_as_the_function_does_by_default():
    options = inspect.signature(rank_command).parameters
    layers = inspect.signature(load_token_features).parameters["num_hidden_layers"]
    assert options["layers"].default == layers.default
    names = "pool", "target_tokens", "neighbours", "seed"
    known = inspect.signature(rank_sources).parameters
    assert [options[name].default for name in names] == [known[name].default for name in names]


def test_the_nearest_source_is_first(rank, texts, tmp_path):
    code, output = rank(
        *SOURCES, "-t", "coast=coast.txt", "-o", tmp_path / "w.json", "--pool", 200,
        "--target-tokens", 50, "-k", 5, "--seed", 3,
    )  # fmt: skip
    assert code == 0, output
    assert "coast (50 sub-words, 200 of each source)" in output
    data = json.loads((tmp_path / "w.json").read_text())
    entry = data["targets"]["coast"]
    assert list(entry["weights"]) == list(LETTERS)
    assert max(entry["weights"], key=entry["weights"].get) == "south"
    assert sum(entry["tallies"].values()) == 50 * 5
    assert entry["weights"] == shares(entry["tallies"])
    assert f"south {entry['weights']['south']:.3f}" in output
    # The same, step by step.
    encode = load_token_features(texts / "encoder")
    rows = {
        name: sample_tokens(encode, (texts / f"{name}.txt").read_text().split("\n")[:-1], n, seed=3)
        for name, n in [*dict.fromkeys(LETTERS, 200).items(), ("coast", 50)]
    }
    assert entry["tallies"] == tally(rows.pop("coast"), rows, k=5)
    assert (data["pool"], data["neighbours"], data["seed"], entry["tokens"]) == (200, 5, 3, 50)
    assert data["encoder"]["sha256"] == hash_folder(texts / "encoder")


def test_a_target_is_no_source_of_its_own(rank, tmp_path):
    code, _ = rank(
        *SOURCES, "-t", "north=north.txt", "-t", "coast=coast.txt", "-o", tmp_path / "w.json"
    )
    targets = json.loads((tmp_path / "w.json").read_text())["targets"]
    assert code == 0
    assert set(targets["north"]["weights"]) == {"south", "islands"}
    assert set(targets["coast"]["weights"]) == set(LETTERS)


def test_sources_count_alike_however_much_text_they_have(rank, tmp_path):
    code, output = rank(
        "south=few.txt", "north=north.txt", "-t", "coast=coast.txt", "-o", tmp_path / "w.json"
    )
    assert code == 0
    assert "4 of each source" in output
    assert json.loads((tmp_path / "w.json").read_text())["pool"] == 4


def test_the_same_answer_twice_and_another_seed(rank, tmp_path):
    tallies = []
    for seed in (0, 0, 1):
        code, _ = rank(
            *SOURCES, "-t", "coast=coast.txt", "-o", tmp_path / "w.json", "--seed", seed,
            "--pool", 60, "--target-tokens", 40, "--layers", 1,
        )  # fmt: skip
        assert code == 0
        data = json.loads((tmp_path / "w.json").read_text())
        tallies.append(data["targets"]["coast"]["tallies"])
    assert tallies[0] == tallies[1] != tallies[2]
    assert data["encoder"]["num_hidden_layers"] == 1 < LAYERS


def test_without_a_file_it_only_prints(rank, texts):
    before = sorted(texts.iterdir())
    code, output = rank(*SOURCES, "-t", "coast=coast.txt")
    assert (code, sorted(texts.iterdir())) == (0, before)
    assert "Saved" not in output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["north.txt", "-t", "a=south.txt"], "X420"),
        (["a=north.txt", "-t", "south.txt"], "X420"),
        (["a=north.txt", "-t", "b=south.txt", "-t", "b=south.txt"], "X420"),
        (["a=none.txt", "-t", "b=south.txt"], "X601"),
        (["a=north.txt", "-t", "b=blank.txt"], "X427"),
        (["b=north.txt", "-t", "b=south.txt"], "X428"),
    ],
)
def test_mistakes_end_with_a_message(arguments, says, rank, texts):
    code, output = rank("-o", "never.json", *arguments)
    assert (code, f"[{says}]" in output) == (1, True), output
    assert not (texts / "never.json").exists()


@pytest.mark.parametrize(("encoder", "says"), [("none", "X601"), (".", "X108")])
def test_what_is_no_encoder(encoder, says, rank, texts):
    arguments = ("a=north.txt", "-t", "b=south.txt", "-o", "never.json")
    code, output = rank(*arguments, encoder=encoder)
    assert (code, f"[{says}]" in output) == (1, True), output
    assert not (texts / "never.json").exists()


def test_an_ensemble_hears_the_best_teacher(rank, texts, tmp_path):
    """North calls every Ana a place; the south is nearer to the coast, and is believed."""
    rank(*SOURCES, "-t", "coast=coast.txt", "-o", tmp_path / "w.json")
    teachers = {
        name: span_teacher(save_ruler(tmp_path / name, {"Ana": label}), labels=["PER", "LOC"])
        for name, label in [("north", "LOC"), ("south", "PER"), ("islands", "LOC")]
    }
    nlp = spacy.blank("xx")
    component = add_ensemble(nlp, teachers)
    assert [ent.label_ for ent in nlp("Ana met Bob").ents] == ["LOC"]
    component.weights = make_ranked_weights(str(tmp_path / "w.json"), top=1)
    doc = nlp("Ana met Bob")
    assert [ent.label_ for ent in doc.ents] == ["PER"]
    assert read_silver(doc).teacher_weights == {"north": 0, "south": 1, "islands": 0}
