"""A student whose token vectors follow those of another pipeline."""

import pickle
import shutil

import numpy as np
import pytest
import spacy
from handmade import TOK2VEC, save_ruler, xner_pipeline
from spacy.cli.train import train as train_command
from thinc.api import Linear, chain, with_array

from spacy_xner.errors import XnerError
from spacy_xner.ml.hidden import hidden_loss
from spacy_xner.ml.losses import softmax
from spacy_xner.shards import write_docs
from spacy_xner.silver import read_silver, write_silver
from spacy_xner.teachers.pipeline import XnerTeacher
from spacy_xner.training.hidden_task import HiddenStates, hidden_overrides, make_hidden_states


@pytest.fixture
def silver(gold_docs, make_silver):
    return [make_silver(doc) for doc in gold_docs]


@pytest.fixture
def bigger(tmp_path):
    """A trained pipeline with vectors of the student's width, 32, and more layers."""
    xner_pipeline(tok2vec={**TOK2VEC, "depth": 4}, seed=7).to_disk(tmp_path / "bigger")
    return tmp_path / "bigger"


def hidden(teacher, **settings):
    return {"@misc": "spacy-xner.HiddenStates.v1", "teacher": str(teacher), **settings}


def train(nlp, examples, *, steps=20):
    spacy.util.fix_random_seed(0)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.005
    return [nlp.update(examples, sgd=optimizer, drop=0.2) for _ in range(steps)]


def distance(nlp, bigger, docs):
    """From the vectors of the bigger pipeline."""
    docs = [nlp.make_doc(doc.text) for doc in docs]
    rows = nlp.get_pipe("xner").model.get_ref("tok2vec").predict(docs)
    target = XnerTeacher(str(bigger), label_map={}, tokens="target").token_vectors(docs)
    return hidden_loss(np.concatenate(rows), np.concatenate(target).astype("f"))[0]


def test_the_students_vectors_follow(make_xner, examples, silver, bigger):
    plain, follower = make_xner(), make_xner(hidden=hidden(bigger, weight=3.0))
    train(plain, examples(silver, plain), steps=60)
    losses = train(follower, examples(silver, follower), steps=60)
    assert losses[-1]["xner_hidden"] < 0.5 * losses[0]["xner_hidden"]
    assert losses[-1]["xner"] < 0.5 * losses[0]["xner"]
    assert distance(follower, bigger, silver) < 0.5 * distance(plain, bigger, silver)


@pytest.mark.parametrize("teacher", [None, ""])
def test_without_a_teacher_it_is_the_plain_student(make_xner, examples, silver, teacher):
    block = {"@misc": "spacy-xner.HiddenStates.v1", "teacher": teacher}
    plain, other = make_xner(), make_xner(hidden=block)
    losses = [train(nlp, examples(silver, nlp), steps=5) for nlp in (plain, other)]
    assert losses[0] == losses[1] and set(losses[0][0]) == {"xner"}
    assert plain.get_pipe("xner").model.to_bytes() == other.get_pipe("xner").model.to_bytes()


@pytest.mark.parametrize("pairs", [False, True])
def test_one_update_is_the_gradient_of_all_losses(make_xner, examples, silver, bigger, pairs):
    """Against numbers, with and without the third task."""
    if pairs:
        for doc in silver:
            rows = np.eye(5)[read_silver(doc).distribution.argmax(axis=1)]
            write_silver(doc, read_silver(doc)._replace(similarity=rows))
    task = {"@misc": "spacy-xner.PairTask.v1", "alpha": False, "gamma": False, "max_pairs": 40}
    nlp = make_xner(
        hidden=hidden(bigger, weight=0.7),
        pairs=task if pairs else None,
        loss={"@misc": "spacy-xner.SquaredError.v1"},
    )
    found = examples(silver[:2], nlp)
    train(nlp, found, steps=3)
    pipe = nlp.get_pipe("xner")
    encoder, head = pipe.model.get_ref("tok2vec"), pipe.model.get_ref("head")
    docs = [eg.predicted for eg in found]
    vectors = [rows.astype(np.float64) for rows in encoder.predict(docs)]
    target, weights = pipe._targets(found)
    follow = pipe.hidden.lesson(found, target, weights, number=0).vectors
    if pairs:
        lesson = pipe.pairs.lesson(found, target, weights, number=pipe._batches)

    def losses(rows):
        probs = softmax(np.concatenate(head.predict([r.astype("f") for r in rows])).astype(float))
        joined = np.concatenate(rows)
        said = {"xner": (weights * ((probs - target) ** 2).sum(axis=1)).mean()}
        said["xner_hidden"] = 0.7 * hidden_loss(joined, follow)[0]
        if pairs:
            said["xner_pairs"] = pipe.pairs.loss(pipe.model.ops, lesson, joined)[0]
        return said

    got = {}

    def spy(model, X, is_train):
        return [rows.astype("f") for rows in vectors], lambda d: got.setdefault("d", d) and []

    forward, encoder._func = encoder._func, spy
    assert pipe.update(found) == pytest.approx(losses(vectors), rel=1e-4)
    encoder._func = forward
    random = np.random.default_rng(0)
    for _ in range(8):
        step = [random.normal(size=rows.shape) for rows in vectors]
        above, below = (
            sum(losses([r + x * 1e-3 * s for r, s in zip(vectors, step, strict=True)]).values())
            for x in (1, -1)
        )
        slope = sum((d * s).sum() for d, s in zip(got["d"], step, strict=True))
        assert slope == pytest.approx((above - below) / 2e-3, rel=0.02, abs=2e-4)


def test_a_finished_student_needs_no_teacher(make_xner, examples, silver, bigger, tmp_path):
    nlp = make_xner(hidden=hidden(bigger))
    found = examples(silver, nlp)
    train(nlp, found, steps=3)
    texts = [doc.text for doc in silver]
    expected = [rows.tolist() for rows in nlp.get_pipe("xner").predict(nlp.pipe(texts))]
    nlp.to_disk(tmp_path / "student")
    names = {path.name for path in (tmp_path / "student" / "xner").iterdir()}
    assert names == {"cfg", "model"}
    shutil.rmtree(bigger)
    loaded = spacy.load(tmp_path / "student")
    pipe = loaded.get_pipe("xner")
    assert pipe.hidden.teacher == str(bigger)  # it says what it learnt from
    assert [rows.tolist() for rows in pipe.predict(loaded.pipe(texts))] == expected
    assert (
        nlp.to_bytes() and pickle.loads(pickle.dumps(nlp.get_pipe("xner").hidden))._pipeline is None
    )
    with pytest.raises(XnerError, match=r"X324.*bigger.*\[components\.xner\.hidden\] teacher"):
        loaded.update(examples(silver, loaded))


def test_the_teacher_reads_the_students_tokens_in_its_own_vocabulary(
    make_xner, examples, silver, tmp_path
):
    xner_pipeline(static_vectors=8).to_disk(tmp_path / "vectors")
    nlp = make_xner(hidden=hidden(tmp_path / "vectors"))
    assert train(nlp, examples(silver, nlp), steps=2)[-1]["xner_hidden"] > 0.0
    (rows,) = XnerTeacher(str(tmp_path / "vectors"), label_map={}, tokens="target").token_vectors(
        [silver[0]]
    )
    assert rows.shape == (len(silver[0]), 32)


def test_distillation_knows_nothing_of_it(make_xner, examples, silver, bigger):
    nlp = make_xner(hidden=hidden(bigger))
    train(nlp, examples(silver, nlp), steps=1)
    pipe = nlp.get_pipe("xner")
    assert set(pipe.distill(pipe, examples(silver, nlp))) == {"xner"}


def test_documents_without_words(make_xner, examples, silver, bigger):
    nlp = make_xner(hidden=hidden(bigger))
    found = examples(silver, nlp)
    train(nlp, found, steps=1)
    empty = examples([nlp.make_doc("")], nlp)
    assert nlp.update(empty) == {"xner": 0.0}
    assert nlp.update([*empty, *found])["xner_hidden"] > 0.0


def test_teachers_that_do_not_fit(make_xner, examples, silver, bigger, tmp_path):
    wide = tmp_path / "wide"
    xner_pipeline(tok2vec={**TOK2VEC, "width": 48}).to_disk(wide)
    names = save_ruler(tmp_path / "names", {"Amina": "PER"})
    shutil.copytree(bigger, tmp_path / "unsafe")
    (tmp_path / "unsafe" / "meta.json").write_text('{"trust_remote_code": true}')
    for path, message in (
        (wide, "X323.*width 48.*wide.*expected 32"),
        (tmp_path / "none", "X324.*none"),
        (names, "X408"),
        (tmp_path / "unsafe", "X703"),
    ):
        nlp = make_xner(hidden=hidden(path))
        with pytest.raises(XnerError, match=message):
            train(nlp, examples(silver, nlp), steps=1)


def test_architectures_without_parts(make_xner, examples, silver, bigger):
    pipe = make_xner().get_pipe("xner")
    model = chain(pipe.model.get_ref("tok2vec"), with_array(Linear(5, 32)))
    task = HiddenStates(str(bigger))
    with pytest.raises(XnerError, match=r"X322.*'tok2vec', 'head'.*'hidden' is set"):
        type(pipe)(pipe.vocab, model, "student", loss=pipe.loss, hidden=task)
    nlp = make_xner(hidden=hidden(bigger))
    train(nlp, examples(silver, nlp), steps=1)
    task = nlp.get_pipe("xner").hidden
    del task._pipeline._xner.model._refs["tok2vec"]
    with pytest.raises(XnerError, match=r"X324.*no part 'tok2vec'"):
        nlp.update(examples(silver, nlp))


def test_settings(bigger, tmp_path):
    for weight in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(XnerError, match="X308.*weight"):
            make_hidden_states("x", weight)
    assert hidden_overrides("", tmp_path) == {}
    assert list(hidden_overrides(str(bigger), tmp_path / "out").values()) == [str(bigger)]
    with pytest.raises(XnerError, match="X325.*bigger"):
        hidden_overrides(str(bigger), tmp_path)


def test_the_real_command(project, silver, bigger):
    """`spacy train` logs, saves and loads such a student."""
    write_docs(project / "silver.spacy", silver)
    config = project / "config.cfg"
    block = '[components.xner.hidden]\n@misc = "spacy-xner.HiddenStates.v1"\n\n[corpora]'
    config.write_text(config.read_text("utf8").replace("[corpora]", block, 1), encoding="utf8")
    overrides = {"paths.train": str(project / "silver.spacy"), "training.eval_frequency": 2}
    overrides |= {"paths.dev": str(project / "gold.spacy"), "training.max_steps": 4}
    overrides["components.xner.hidden.teacher"] = str(bigger)
    train_command(config, project / "out", overrides=overrides)
    pipe = spacy.load(project / "out" / "model-last").get_pipe("xner")
    assert pipe.hidden.teacher == str(bigger)
