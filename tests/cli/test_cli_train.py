import pytest
import spacy


@pytest.fixture
def config(project):
    return project / "config.cfg"


PATHS = ("--paths.train", "gold.spacy", "--paths.dev", "gold.spacy")


def test_train_once(xner, config, tmp_path):
    steps = ("--training.max_steps", "4", "--training.eval_frequency", "4")
    arguments = ("train", config, "-o", tmp_path / "out", *PATHS, *steps)
    code, output = xner(*arguments)
    assert (code, "Trained" in output) == (0, True), output
    assert spacy.load(tmp_path / "out" / "model-last").get_pipe("xner").labels == ("LOC", "PER")
    code, output = xner(*arguments)
    assert (code, "Nothing to do" in output) == (0, True), output


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("scale = 5.0", 'scale = "much"', "scale"),
        ("scale = 5.0", "scale = 5.0\nscale = 6.0", "scale"),
        ("SoftTagger.v1", "HardTagger.v1", "HardTagger"),
        ("path = ${paths.train}", "path = ${paths.nowhere}", "nowhere"),
        ("[nlp]", "[nlp", "nlp"),
        ('lang = "xx"', 'lang = "qq"', "qq"),
    ],
)
def test_a_wrong_config(old, new, expected, xner, config, tmp_path):
    text = config.read_text("utf8")
    assert old in text
    config.write_text(text.replace(old, new, 1))
    code, output = xner("train", config, "-o", tmp_path / "out", *PATHS)
    assert code == 1
    assert expected in output
    assert not (tmp_path / "out" / "model-last").exists()


def test_missing_files(xner, config, tmp_path):
    code, output = xner("train", tmp_path / "none.cfg", "-o", tmp_path / "out")
    assert (code, "[X601]" in output) == (1, True)
    code, output = xner("train", config, "-o", tmp_path / "out")
    assert (code, "paths.train" in output) == (1, True), output
    code, output = xner(
        "train", config, "-o", tmp_path / "out", "--paths.train", "none.spacy", *PATHS[2:]
    )
    assert (code, "[X601]" in output) == (1, True), output
    code, output = xner("train", config, "-o", tmp_path / "out", *PATHS, "--gpu-id", "97")
    assert (code, "[X602]" in output) == (1, True), output


def test_training_text_with_evaluation_sentences(xner, config, tmp_path):
    code, output = xner("train", config, "-o", tmp_path / "o", *PATHS, "--against", "gold.spacy")
    assert (code, "[X206]" in output) == (1, True), output
