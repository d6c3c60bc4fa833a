"""Which layers of a transformer are kept, and that the others are gone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_xner.errors import XnerError
from spacy_xner.ml.layers import chosen_layers, keep_layers, layer_stack

SIZES = st.integers(1, 50).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n)))


@pytest.mark.parametrize(
    ("total", "count", "expected"),
    [
        (12, 6, [0, 2, 4, 7, 9, 11]),  # DistilBERT's
        (8, 4, [0, 2, 5, 7]),
        (8, 5, [0, 2, 4, 5, 7]),
        (12, 2, [0, 11]),
        (4, 3, [0, 2, 3]),
        (5, 1, [0]),
        (3, 0, [0, 1, 2]),
    ],
)
def test_spread_by_hand(total, count, expected):
    assert chosen_layers(total, count, "spread") == expected


def test_bottom_by_hand():
    assert chosen_layers(8, 4, "bottom") == [0, 1, 2, 3]
    assert chosen_layers(8, 0, "bottom") == list(range(8))


@given(SIZES, st.sampled_from(["bottom", "spread"]))
def test_as_many_as_asked_for_in_order(size, rule):
    total, count = size
    found = chosen_layers(total, count, rule)
    assert len(found) == count and found == sorted(set(found))
    assert found[0] == 0 and found[-1] < total
    assert chosen_layers(total, total, rule) == list(range(total))
    if rule == "spread" and count > 1:
        assert found[-1] == total - 1
        gaps = [b - a for a, b in zip(found, found[1:], strict=False)]
        assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize("count", [-1, 5])
@pytest.mark.parametrize("rule", ["bottom", "spread"])
def test_impossible_numbers(count, rule):
    with pytest.raises(XnerError, match=f"X312.*num_layers = {count}.* to 4"):
        chosen_layers(4, count, rule)


SIZE = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 9}


def build(kind, **settings):
    transformers = pytest.importorskip("transformers")
    config = getattr(transformers, f"{kind}Config")(**settings)
    return getattr(transformers, f"{kind}Model")(config)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("Bert", {**SIZE, "num_hidden_layers": 5}),
        ("XLMRoberta", {**SIZE, "num_hidden_layers": 5}),
        ("DistilBert", {"dim": 8, "hidden_dim": 8, "n_heads": 2, "n_layers": 5, "vocab_size": 9}),
    ],
)
def test_a_model_built_again_from_its_config_has_the_kept_layers(kind, settings):
    module = build(kind, **settings)
    before = list(layer_stack(module))
    keep_layers(module, 3, "spread")
    assert [before.index(layer) for layer in layer_stack(module)] == [0, 2, 4]
    assert module.config.num_hidden_layers == 3
    again = type(module)(module.config)
    assert again.state_dict().keys() == module.state_dict().keys()
    keep_layers(module, 3, "spread")  # as often as one likes
    keep_layers(module, 0, "bottom")
    assert len(layer_stack(module)) == 3


def test_models_whose_layers_are_not_alike():
    albert = build("Albert", **SIZE, embedding_size=8, num_hidden_layers=4)
    modern = build(
        "ModernBert", **SIZE, num_hidden_layers=4, pad_token_id=0, reference_compile=False
    )
    for module in (albert, modern):
        with pytest.raises(XnerError, match=f"X314.*{type(module).__name__}"):
            keep_layers(module, 2, "bottom")
        keep_layers(module, 0, "bottom")
