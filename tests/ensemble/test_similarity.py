import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_xner.ensemble.similarity import (
    MIN_TAU,
    Identifier,
    Parameters,
    identifier_loss,
    language_alpha,
    load_identifier,
    save_identifier,
    scores,
    sentence_alpha,
    temperature,
    train_identifier,
)
from spacy_xner.errors import XnerError

WIDTH = 12
# x is a row; U, V and M are small enough to multiply by hand.
HAND = Parameters(
    np.array([[1.0, 0.0], [0.0, 2.0]]),
    np.array([[1.0, 1.0], [0.0, 1.0]]),
    np.array([[1.0, 0.0], [0.0, 1.0]]),
)


def clouds(*centres, count=120, seed=0, spread=0.3):
    """Sentence features around some centres."""
    random = np.random.default_rng(seed)
    return [np.array(c) + spread * random.normal(size=(count, len(c))) for c in centres]


def axis(*parts):
    """A point with the given coordinates, and 5 on an axis that all languages share."""
    return [*parts, *[0.0] * (WIDTH - 1 - len(parts)), 5.0]


@pytest.fixture(scope="module")
def languages():
    rows = clouds(axis(3), axis(0, 3), axis(0, 0, 3))
    return dict(zip(["en", "es", "sw"], rows, strict=True))


@pytest.fixture(scope="module")
def identifier(languages):
    return train_identifier(languages, rank=8, epochs=60)


def test_scores_by_hand():
    # U x = (3, 8); V mu_1 = (1, 0), V mu_2 = (1, 1)
    assert np.allclose(scores(np.array([[3.0, 4.0]]), HAND), [[3.0, 11.0]])
    moved = Identifier(("a", "b"), HAND, np.array([1.0, 1.0]))
    assert np.allclose(moved.scores(np.array([[4.0, 5.0]])), [[3.0, 11.0]])


def test_loss_by_hand():
    x, target = np.array([[3.0, 4.0]]), np.array([[0.0, 1.0]])
    loss, _ = identifier_loss(x, target, np.ones(1), HAND)
    assert loss == pytest.approx(np.log(1 + np.exp(-8.0)))
    # M M^T - I = [[3, 0], [0, 0]] when mu_1 is twice as long.
    longer = HAND._replace(means=np.array([[2.0, 0.0], [0.0, 1.0]]))
    loss, _ = identifier_loss(x, target, np.ones(1), longer, gamma=0.5)
    assert loss == pytest.approx(np.log(1 + np.exp(6.0 - 11.0)) + 0.5 * 9.0)
    half, _ = identifier_loss(x, target, np.full(1, 0.5), longer, gamma=0.0)
    assert half == pytest.approx(0.5 * np.log(1 + np.exp(-5.0)))


@pytest.mark.parametrize("n_languages", [1, 2, 4])
def test_gradient_equals_central_differences(n_languages):
    random = np.random.default_rng(n_languages)
    parameters = Parameters(
        random.normal(size=(3, 5)), random.normal(size=(3, 5)), random.normal(size=(n_languages, 5))
    )
    x, gold = random.normal(size=(6, 5)), random.integers(n_languages, size=6)
    target, weights = np.eye(n_languages)[gold], random.uniform(0.5, 2.0, size=6)
    _, gradient = identifier_loss(x, target, weights, parameters, gamma=0.1)
    step = 1e-6
    for name in Parameters._fields:
        array = getattr(parameters, name)
        numerical = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            losses = []
            for sign in (1, -1):
                moved = array.copy()
                moved[index] += sign * step
                changed = parameters._replace(**{name: moved})
                losses.append(identifier_loss(x, target, weights, changed, gamma=0.1)[0])
            numerical[index] = (losses[0] - losses[1]) / (2 * step)
        assert getattr(gradient, name) == pytest.approx(numerical, abs=1e-6), name


def test_training_takes_the_steps_of_torch(languages):
    """The same start, batches and schedule in torch give the same parameters."""
    import torch

    found = {name: rows[:20] for name, rows in languages.items()}
    start = train_identifier(found, rank=4, epochs=0, seed=3)
    ours = train_identifier(found, rank=4, epochs=2, seed=3)
    rows = torch.tensor(np.concatenate(list(found.values())) - start.centre)
    gold = torch.arange(3).repeat_interleave(20)
    theirs = [torch.nn.Parameter(torch.tensor(p)) for p in start.parameters]
    optimizer = torch.optim.AdamW(theirs, lr=1e-4, weight_decay=1e-5)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 4)
    random = np.random.default_rng(3)
    random.uniform(size=(4, WIDTH))
    for _ in range(2):
        order = random.permutation(60)
        for batch in (order[:32], order[32:]):
            left, right, means = theirs
            logits = (rows[batch] @ left.T) @ (means @ right.T).T
            loss = torch.nn.functional.cross_entropy(logits, gold[batch])
            loss = loss + 0.01 * ((means @ means.T - torch.eye(3)) ** 2).sum()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(theirs, 1.0)
            optimizer.step()
            schedule.step()
    for ours_one, theirs_one in zip(ours.parameters, theirs, strict=True):
        assert np.allclose(ours_one, theirs_one.detach().numpy(), atol=1e-9)


def test_separable_languages_are_told_apart(identifier):
    fresh = clouds(axis(3), axis(0, 3), axis(0, 0, 3), seed=1)
    for k, rows in enumerate(fresh):
        assert (identifier.scores(rows).argmax(axis=1) == k).mean() > 0.98


@pytest.mark.parametrize(("near", "parts"), [("en", (2, 0.5, 0.5)), ("sw", (0.5, 1, 2.5))])
def test_the_nearest_source_is_heard_most(near, parts, identifier):
    (target,) = clouds(axis(*parts), seed=2)
    alpha, tau = language_alpha(identifier, target, identifier.languages)
    assert max(alpha, key=alpha.get) == near
    assert sum(alpha.values()) == pytest.approx(1.0)
    assert tau >= MIN_TAU
    others = tuple(name for name in identifier.languages if name != near)
    rest, _ = language_alpha(identifier, target, others)
    assert tuple(rest) == others
    assert sum(rest.values()) == pytest.approx(1.0)


def test_alpha_is_the_mean_of_the_sentences(identifier, languages):
    rows = np.concatenate([languages["en"][:5], languages["sw"][:5]])
    alpha, tau = language_alpha(identifier, rows, identifier.languages)
    found = identifier.scores(rows)
    assert tau == pytest.approx(max(found.var(), MIN_TAU))
    assert list(alpha.values()) == pytest.approx(sentence_alpha(found, tau).mean(axis=0))


def test_a_language_with_little_text_is_no_less_known(languages):
    few = {**languages, "sw": languages["sw"][:6]}
    uneven = train_identifier(few, rank=8, epochs=60)
    assert (uneven.scores(languages["sw"]).argmax(axis=1) == 2).mean() > 0.98


def test_the_same_seed_gives_the_same_file(languages, tmp_path):
    few = {name: rows[:40] for name, rows in languages.items()}
    for name, seed in [("a", 1), ("b", 1), ("c", 2)]:
        found = train_identifier(few, rank=4, epochs=2, seed=seed)
        save_identifier(tmp_path / f"{name}.npz", found, {"seed": 1})
    a, b, c = ((tmp_path / f"{name}.npz").read_bytes() for name in "abc")
    assert a == b != c


def test_one_source_is_heard_alone(languages):
    alone = train_identifier({"en": languages["en"]}, rank=4, epochs=2)
    assert language_alpha(alone, languages["sw"], ("en",)) == ({"en": 1.0}, MIN_TAU)


def test_temperature_has_a_floor():
    assert temperature(np.array([[1.0, 3.0], [1.0, 3.0]])) == 1.0
    assert temperature(np.zeros((3, 2))) == MIN_TAU
    assert temperature(np.zeros((3, 2)), minimum=2.0) == 2.0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 4), st.integers(1, 5), st.floats(0.01, 100), st.floats(-1e3, 1e3))
def test_sentence_alpha_sums_to_one_and_ignores_shifts(count, n_languages, tau, shift):
    found = np.random.default_rng(0).normal(size=(count, n_languages)) * 10
    alpha = sentence_alpha(found, tau)
    assert alpha.shape == (count, n_languages)
    assert np.allclose(alpha.sum(axis=1), 1.0)
    assert np.allclose(sentence_alpha(found + shift, tau), alpha)


def test_what_cannot_be_trained_or_asked(identifier, languages):
    with pytest.raises(XnerError, match="X425"):
        train_identifier({})
    with pytest.raises(XnerError, match=r"X427.*'es'"):
        train_identifier({**languages, "es": np.zeros((0, WIDTH))})
    for sources in [("en", "xx"), ()]:
        with pytest.raises(XnerError, match=r"X425.*'sw'"):
            language_alpha(identifier, languages["en"], sources)
    with pytest.raises(XnerError, match="X427"):
        language_alpha(identifier, np.zeros((0, WIDTH)), ("en",))


def test_saved_and_loaded(identifier, languages, tmp_path):
    path = tmp_path / "new" / "identifier.npz"
    save_identifier(path, identifier, {"encoder": {"path": "é"}})
    found, metadata = load_identifier(path)
    assert found.languages == identifier.languages
    assert metadata["encoder"] == {"path": "é"}
    assert (found.scores(languages["sw"]) == identifier.scores(languages["sw"])).all()


@pytest.mark.parametrize("fault", ["cut", "text", "other", "pickle", "version", "shapes"])
def test_damaged_files(fault, identifier, tmp_path):
    path = tmp_path / "identifier.npz"
    save_identifier(path, identifier, {})
    if fault == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    elif fault == "text":
        path.write_text("no zip")
    elif fault == "other":
        np.savez(path, a=np.zeros(3))
    elif fault == "pickle":
        np.savez(path, metadata=np.array({"languages": []}, dtype=object))
    elif fault == "version":
        np.savez(path, metadata=np.array(json.dumps({"version": 9, "languages": []})))
    else:
        cut = identifier.parameters._replace(means=identifier.parameters.means[:2])
        save_identifier(path, identifier._replace(parameters=cut), {})
    with pytest.raises(XnerError, match=r"X421.*identifier.npz.*xner similarity train"):
        load_identifier(path)
    with pytest.raises(XnerError, match="X601"):
        load_identifier(tmp_path / "none.npz")
