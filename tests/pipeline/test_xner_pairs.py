"""The student's second task (MTMT) inside the `xner` component."""

import math

import numpy as np
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from spacy.cli.train import train as train_command
from spacy.training import Example
from thinc.api import Linear, chain, with_array

from spacy_xner.errors import XnerError
from spacy_xner.labels import iob2_tags
from spacy_xner.ml.losses import softmax
from spacy_xner.shards import write_docs
from spacy_xner.silver import read_silver, write_silver
from spacy_xner.training.pair_task import PairTask, make_pair_task

OFF = {"alpha": False, "beta": False, "gamma": False}


def task(**settings):
    return {"@misc": "spacy-xner.PairTask.v1", **settings}


@pytest.fixture
def silver(gold_docs, make_silver):
    """Silver documents whose evaluators know the tags: one direction each, not quite apart."""
    docs = []
    for doc in gold_docs:
        found = make_silver(doc)
        tags = read_silver(found).distribution.argmax(axis=1)
        rows = np.eye(5)[tags] + 0.2
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        write_silver(found, read_silver(found)._replace(similarity=rows))
        docs.append(found)
    return docs


def train(nlp, examples, *, steps=20, seed=0):
    spacy.util.fix_random_seed(seed)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.005
    return [nlp.update(examples, sgd=optimizer, drop=0.2) for _ in range(steps)]


# Bit for bit


@pytest.mark.parametrize("loss", ["SoftCrossEntropy", "MeanSquaredError", "SquaredError"])
def test_without_weight_it_is_the_plain_student(make_xner, examples, silver, loss):
    """With dropout, and with pairs drawn: not one random number of training is taken."""
    loss = {"@misc": f"spacy-xner.{loss}.v1"}
    plain, other = make_xner(loss=loss), make_xner(loss=loss, pairs=task(weight=0.0, **OFF))
    losses = train(plain, examples(silver, plain))
    both = train(other, examples(silver, other))
    assert [x["xner"] for x in losses] == [x["xner"] for x in both]
    assert "xner_pairs" not in losses[0] and both[0]["xner_pairs"] == 0.0
    assert plain.get_pipe("xner").model.to_bytes() == other.get_pipe("xner").model.to_bytes()


@pytest.mark.parametrize("switch", ["weight", "alpha", "beta", "gamma", "similarity", "seed"])
def test_each_setting_changes_what_is_learnt(make_xner, examples, silver, switch):
    value = {"weight": 0.0, "similarity": "rescaled", "seed": 1}.get(switch, False)
    one = make_xner(pairs=task(max_pairs=50))
    other = make_xner(pairs=task(max_pairs=50, **{switch: value}))
    losses, changed = (train(nlp, examples(silver, nlp), steps=2) for nlp in (one, other))
    assert losses[-1] != changed[-1]


def test_the_same_twice(make_xner, examples, silver):
    def run():
        nlp = make_xner(pairs=task(max_pairs=100))
        return train(nlp, examples(silver, nlp)), nlp.get_pipe("xner").model.to_bytes()

    assert run() == run()


# By hand


def test_a_lesson_by_hand():
    """Two tokens, one pair."""
    probs, sim = np.array([[0.9, 0.1], [0.2, 0.8]]), 0.6
    vectors = np.array([[1.0, 0.0], [0.6, 0.8]])
    found = PairTask().draw(probs, np.ones(2), vectors, number=0)
    assert sorted(np.ravel(found.pairs)) == [0, 1]
    s = 1 / (1 + math.exp(-sim))
    cos = (0.9 * 0.2 + 0.1 * 0.8) / math.sqrt(0.82 * 0.68)
    gamma = 1 - abs(1 / (1 + math.exp(-cos)) - s)
    beta = min(1, (2 * s - 1) ** 2 + 0.5)
    assert found.similarity == pytest.approx([s])
    assert found.weights == pytest.approx([gamma * beta])
    assert found.token_weights == pytest.approx([0.81 * gamma, 0.64 * gamma])
    found = PairTask(similarity="rescaled").draw(probs, np.ones(2), vectors, number=0)
    s = (1 + 0.99 * sim) / 2
    gamma = 1 - abs(cos - s)
    assert found.weights == pytest.approx([gamma * ((2 * s - 1) ** 2 + 0.5)])
    assert found.token_weights == pytest.approx([0.81 * gamma, 0.64 * gamma])


def test_switches_of_a_lesson():
    random = np.random.default_rng(0)
    probs, vectors = random.dirichlet(np.ones(3), size=9), random.normal(size=(9, 2))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    weights = np.array([1.0] * 8 + [0.0])
    lesson = {key: PairTask(**{**OFF, key: True}) for key in OFF}
    found = {key: t.draw(probs, weights, vectors, number=3) for key, t in lesson.items()}
    off = PairTask(**OFF).draw(probs, weights, vectors, number=3)
    assert_array_equal(off.weights, 1.0)
    assert_array_equal(off.token_weights, 1.0)
    assert_allclose(found["alpha"].token_weights, probs.max(axis=1) ** 2)
    assert_array_equal(found["alpha"].weights, 1.0)
    assert found["beta"].weights.min() < 1.0 and (found["beta"].token_weights == 1.0).all()
    assert found["gamma"].weights.min() < 1.0 and found["gamma"].token_weights.min() < 1.0
    for other in found.values():
        assert_array_equal(other.pairs, off.pairs)
        assert 8 not in np.ravel(other.pairs)
    assert (
        np.array(off.pairs) != PairTask(**OFF).draw(probs, weights, vectors, number=4).pairs
    ).any()


@pytest.mark.parametrize("similarity", ["published", "rescaled"])
def test_one_update_is_the_gradient_of_both_losses(make_xner, examples, silver, similarity):
    """Against numbers: the loss of Li et al. written down again, as a function of the vectors."""
    nlp = make_xner(
        pairs=task(similarity=similarity, max_pairs=40),
        loss={"@misc": "spacy-xner.SquaredError.v1"},
    )
    found = examples(silver[:2], nlp)
    train(nlp, found, steps=3)
    pipe = nlp.get_pipe("xner")
    encoder, head = pipe.model.get_ref("tok2vec"), pipe.model.get_ref("head")
    docs = [eg.predicted for eg in found]
    vectors = [rows.astype(np.float64) for rows in encoder.predict(docs)]
    target = np.concatenate([read_silver(doc).distribution for doc in silver[:2]])
    said = np.concatenate([read_silver(doc).similarity for doc in silver[:2]])
    number = pipe._batches
    lesson = pipe.pairs.draw(target, np.ones(len(target)), said, number=number)

    def loss(rows):
        probs = softmax(np.concatenate(head.predict([r.astype("f") for r in rows])).astype(float))
        ner = (lesson.token_weights * ((probs - target) ** 2).sum(axis=1)).mean()
        unit = np.concatenate(rows)
        unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
        cos = (unit[lesson.pairs[0]] * unit[lesson.pairs[1]]).sum(axis=1)
        s = 1 / (1 + np.exp(-cos)) if similarity == "published" else (1 + 0.99 * cos) / 2
        t = lesson.similarity
        bce = -(t * np.log(s) + (1 - t) * np.log(1 - s))
        return ner, 0.5 * (lesson.weights * bce).mean()

    got = {}

    def spy(model, X, is_train):
        return [rows.astype("f") for rows in vectors], lambda d: got.setdefault("d", d) and []

    forward, encoder._func = encoder._func, spy
    losses = pipe.update(found)
    encoder._func = forward
    assert (losses["xner"], losses["xner_pairs"]) == pytest.approx(loss(vectors), rel=1e-4)
    random = np.random.default_rng(0)
    for _ in range(8):
        step = [random.normal(size=rows.shape) for rows in vectors]
        above, below = (
            sum(loss([r + x * 1e-3 * s for r, s in zip(vectors, step, strict=True)]))
            for x in (1, -1)
        )
        slope = sum((d * s).sum() for d, s in zip(got["d"], step, strict=True))
        assert slope == pytest.approx((above - below) / 2e-3, rel=0.02, abs=2e-4)


# As a whole


@pytest.mark.parametrize("similarity", ["published", "rescaled"])
def test_overfit_save_load_predict_the_same(
    make_xner, examples, silver, gold_docs, tmp_path, similarity
):
    nlp = make_xner(pairs=task(similarity=similarity))
    losses = train(nlp, examples(silver, nlp), steps=80)
    assert losses[-1]["xner_pairs"] < losses[0]["xner_pairs"]
    nlp.to_disk(tmp_path)
    texts = [doc.text for doc in gold_docs]
    for loaded in (nlp, spacy.load(tmp_path)):
        found = [[(e.text, e.label_) for e in doc.ents] for doc in loaded.pipe(texts)]
        assert found == [[(e.text, e.label_) for e in doc.ents] for doc in gold_docs]
    assert spacy.load(tmp_path).get_pipe("xner").pairs.similarity == similarity


def test_the_students_vectors_learn_what_the_evaluators_say(make_xner, examples, silver):
    said = np.concatenate([read_silver(doc).similarity for doc in silver])

    def distance(**settings):
        nlp = make_xner(**settings)
        train(nlp, examples(silver, nlp), steps=60)
        docs = [nlp.make_doc(doc.text) for doc in silver]
        rows = np.concatenate(nlp.get_pipe("xner").model.get_ref("tok2vec").predict(docs))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return np.abs(rows @ rows.T - said @ said.T).mean()

    for kind in ("published", "rescaled"):
        assert distance(pairs=task(similarity=kind, weight=2.0)) < 0.5 * distance()


def test_distillation_and_prediction_know_nothing_of_pairs(make_xner, examples, silver):
    nlp = make_xner(pairs=task())
    train(nlp, examples(silver, nlp), steps=2)
    pipe = nlp.get_pipe("xner")
    found = examples(silver, nlp)
    assert set(pipe.distill(pipe, [Example(eg.predicted, eg.predicted) for eg in found])) == {
        "xner"
    }
    doc = nlp(silver[0].text)
    assert len(pipe.predict([doc])[0][0]) == len(iob2_tags(pipe.labels))


def test_documents_without_words_beside_others(make_xner, examples, silver):
    nlp = make_xner(pairs=task())
    train(nlp, examples(silver, nlp), steps=1)
    empty = Example(nlp.make_doc(""), nlp.make_doc(""))
    assert nlp.get_pipe("xner").update([empty]) == {"xner": 0.0}
    losses = nlp.get_pipe("xner").update([empty, *examples(silver, nlp)])
    assert losses["xner_pairs"] > 0.0


def test_annotations_without_similarity(make_xner, make_silver, examples, gold_docs, silver):
    nlp = make_xner(pairs=task())
    train(nlp, examples(silver, nlp), steps=1)
    for doc in (gold_docs[0], make_silver(gold_docs[0])):
        with pytest.raises(XnerError, match="X320"):
            nlp.update(examples([silver[1], doc], nlp))


def test_settings_out_of_range():
    for wrong in ({"weight": -0.1}, {"weight": math.inf}, {"weight": math.nan}, {"max_pairs": 0}):
        with pytest.raises(XnerError, match="X308"):
            make_pair_task(**wrong)


def test_another_architecture_is_refused(make_xner):
    pipe = make_xner().get_pipe("xner")
    model = chain(pipe.model.get_ref("tok2vec"), with_array(Linear(5, 32)))
    with pytest.raises(XnerError, match=r"X322.*'tok2vec', 'head'.*'student'"):
        type(pipe)(pipe.vocab, model, "student", loss=pipe.loss, pairs=PairTask())


def test_the_real_command(project, silver):
    """`spacy train` logs, saves and loads a student of both tasks."""
    write_docs(project / "silver.spacy", silver)
    config = project / "config.cfg"
    block = (
        '[components.xner.pairs]\n@misc = "spacy-xner.PairTask.v1"\nmax_pairs = 100\n\n[corpora]'
    )
    text = config.read_text("utf8")
    config.write_text(text.replace("[corpora]", block, 1), encoding="utf8")
    overrides = {"paths.train": str(project / "silver.spacy")}
    overrides |= {"paths.dev": str(project / "gold.spacy"), "training.max_steps": 4}
    train_command(config, project / "out", overrides={**overrides, "training.eval_frequency": 2})
    pipe = spacy.load(project / "out" / "model-last").get_pipe("xner")
    assert pipe.pairs.max_pairs == 100 and pipe.labels == ("LOC", "PER")
    with pytest.raises(XnerError, match="X320"):
        train_command(
            config,
            project / "out",
            overrides={**overrides, "paths.train": str(project / "gold.spacy")},
        )
