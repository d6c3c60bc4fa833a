"""Short names and what they become in an ensemble's config."""

import pytest
from spacy import registry

from spacy_xner.ensemble.blocks import pool_block, weights_block
from spacy_xner.errors import XnerError


@pytest.mark.parametrize("name", ["uniform", "confidence", "agreement", "similarity", "rank"])
def test_each_name_is_a_block(name, influence):
    block = weights_block(name, influence, "sw", ["en", "de"], 0)
    settings = {key: value for key, value in block.items() if key != "@misc"}
    assert callable(registry.misc.get(block["@misc"])(**settings))


def test_the_configs_own_blocks_can_be_kept(influence):
    assert weights_block("config", influence, "sw", ["en"], 0) is None
    assert pool_block("config") is None
    assert pool_block("linear") == {"@misc": "spacy-xner.LinearPool.v1"}


@pytest.mark.parametrize("name", ["rank", "similarity"])
def test_the_best_sources_are_heard_alike(name, influence):
    block = weights_block(name, influence, "sw", ["en", "de", "fr"], 2)
    assert block["weights"] == {"en": 0.5, "de": 0.0, "fr": 0.5}


def test_nobody_is_best_where_all_are_alike(influence):
    with pytest.raises(XnerError, match=r"X308.*top = 2.*uniform"):
        weights_block("uniform", influence, "sw", ["en"], 2)


def test_weights_that_nobody_made(tmp_path):
    with pytest.raises(XnerError, match=r"X439.*influence"):
        weights_block("rank", tmp_path, "sw", ["en"], 0)
