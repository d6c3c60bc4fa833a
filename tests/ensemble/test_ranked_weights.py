"""`spacy-xner.RankedWeights.v1`, and the files of weights that it reads."""

import json

import numpy as np
import pytest
from handmade import votes

from spacy_xner.ensemble.language_weights import read_weights
from spacy_xner.ensemble.ranked_weights import make_ranked_weights
from spacy_xner.ensemble.similarity_weights import make_similarity_weights
from spacy_xner.errors import XnerError

# Teachers a, b and c; two tokens.
SAID = votes([[[1, 0, 0]] * 2] * 3)
COAST = {"weights": {"c": 0.3, "a": 0.1, "d": 0.5, "b": 0.1}}


@pytest.fixture
def write(tmp_path):
    def put(**targets):
        path = tmp_path / "weights.json"
        path.write_text(json.dumps({"version": 1, "targets": targets}))
        return str(path)

    return put


@pytest.mark.parametrize(
    ("settings", "row"),
    [
        ({}, [0.2, 0.2, 0.6]),
        ({"top": 1}, [0, 0, 1]),
        ({"top": 2}, [0.25, 0, 0.75]),
        ({"top": 2, "equal": True}, [0.5, 0, 0.5]),
        ({"equal": True}, [1 / 3, 1 / 3, 1 / 3]),
        ({"top": 3}, [0.2, 0.2, 0.6]),
    ],
)
def test_the_best_of_those_who_take_part_are_heard(settings, row, write):
    """d has the largest weight, and no teacher."""
    found = make_ranked_weights(write(coast=COAST), **settings)([], SAID)
    assert found.shape == (2, 3)
    assert np.allclose(found, [row, row])


def test_the_target_is_chosen_by_name(write):
    path = write(coast=COAST, hills={"weights": {"a": 4, "b": 0, "c": 0}})
    assert make_ranked_weights(path, target="hills", top=1)([], SAID).tolist() == [[1, 0, 0]] * 2
    assert make_ranked_weights(path, target="coast", top=1)([], SAID).tolist() == [[0, 0, 1]] * 2
    for target in (None, "desert"):
        with pytest.raises(XnerError, match=r"X423.*coast.*hills"):
            make_ranked_weights(path, target=target)([], SAID)


def test_weights_of_both_commands_are_read(tmp_path):
    """Without `top`, what SimilarityWeights gives on the level of languages."""
    data = {
        "version": 1,
        "identifier": "id.npz",
        "sha256": "0",
        "targets": {"coast": {**COAST, "tau": 0.5, "sentences": 3}},
    }
    path = tmp_path / "weights.json"
    path.write_text(json.dumps(data))
    found = make_ranked_weights(str(path))([], SAID)
    assert np.allclose(found, make_similarity_weights(str(path))([], SAID))


def test_a_ranking_is_no_file_for_similarity_weights(write):
    with pytest.raises(XnerError, match=r"X421.*identifier.*xner similarity weights"):
        make_similarity_weights(write(coast=COAST))([], SAID)


def test_nothing_is_read_before_the_first_documents(tmp_path):
    weigh = make_ranked_weights(str(tmp_path / "later.json"))
    with pytest.raises(XnerError, match=r"X601.*later"):
        weigh([], SAID)


def test_teachers_must_be_languages_of_the_file(write):
    path = write(coast={"weights": {"a": 1.0, "d": 2.0}})
    with pytest.raises(XnerError, match=r"X422.*\['b', 'c'\].*\['a', 'd'\].*xner similarity'"):
        make_ranked_weights(path, top=1)([], SAID)


@pytest.mark.parametrize("top", [0, -1])
def test_nobody_cannot_be_heard(top, write):
    with pytest.raises(XnerError, match=r"X308.*top"):
        make_ranked_weights(write(coast=COAST), top=top)


@pytest.mark.parametrize(
    "text",
    [
        "{[",
        "[]",
        "{}",
        '{"version": 2, "targets": {}}',
        '{"version": 1, "targets": []}',
        '{"version": 1, "targets": {"a": {}}}',
        '{"version": 1, "targets": {"a": {"weights": [1]}}}',
        '{"version": 1, "targets": {"a": {"weights": {"x": -1}}}}',
        '{"version": 1, "targets": {"a": {"weights": {"x": NaN}}}}',
        '{"version": 1, "targets": {"a": {"weights": {"x": "1"}}}}',
        "\udcff",
    ],
)
def test_damaged_files(text, tmp_path):
    path = tmp_path / "w.json"
    path.write_bytes(text.encode("utf8", "surrogateescape"))
    with pytest.raises(XnerError, match=r"X421.*w\.json.*what 'xner similarity' writes"):
        read_weights(path)
