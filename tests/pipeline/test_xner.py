import subprocess
import sys

import numpy as np
import pytest
import spacy
import srsly
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from spacy.cli.init_config import fill_config
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_xner.decode import decode
from spacy_xner.errors import XnerError
from spacy_xner.ml.losses import softmax
from spacy_xner.pipeline.reading import length_batches

LABELS = ("LOC", "PER")
# For hypothesis, which runs many times on one fixture: it decodes, and has no model.
XNER = spacy.blank("xx")
XNER.add_pipe("xner")
for label in LABELS:
    XNER.get_pipe("xner").add_label(label)


def entities(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def train(nlp, examples, *, steps=50, seed=0):
    spacy.util.fix_random_seed(seed)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.005
    return [nlp.update(examples, sgd=optimizer)["xner"] for _ in range(steps)]


@pytest.fixture
def trained(make_xner, examples, gold_docs):
    """A pipeline that has learnt the six sentences by heart."""
    nlp = make_xner()
    train(nlp, examples(gold_docs, nlp))
    return nlp


@pytest.fixture
def texts(gold_docs):
    return [doc.text for doc in gold_docs]


@pytest.mark.parametrize("kind", ["gold", "silver"])
@pytest.mark.parametrize(
    "loss", ["spacy-xner.SoftCrossEntropy.v1", "spacy-xner.MeanSquaredError.v1"]
)
def test_overfit_save_load_predict_the_same(
    make_xner, make_silver, examples, gold_docs, tmp_path, kind, loss
):
    nlp = make_xner(loss={"@misc": loss})
    docs = gold_docs if kind == "gold" else [make_silver(doc) for doc in gold_docs]
    losses = train(nlp, examples(docs, nlp), steps=80)
    assert losses[-1] < losses[0]
    if kind == "gold":
        assert losses[-1] < 0.05

    def predict(nlp):
        return list(nlp.pipe(Doc(nlp.vocab, words=[t.text for t in doc]) for doc in gold_docs))

    found = predict(nlp)
    assert [entities(doc) for doc in found] == [entities(doc) for doc in gold_docs]
    nlp.to_disk(tmp_path)
    from_disk = spacy.load(tmp_path)
    from_bytes = make_xner().from_bytes(nlp.to_bytes())
    for loaded in (from_disk, from_bytes):
        assert loaded.get_pipe("xner").labels == LABELS
        for doc, other in zip(found, predict(loaded), strict=True):
            assert entities(other) == entities(doc)
            assert other.spans["xner"].attrs["scores"] == doc.spans["xner"].attrs["scores"]


def test_scores_show_what_silver_said(make_xner, make_silver, examples, gold_docs):
    """A student of unsure teachers is as unsure as they are."""
    nlp = make_xner()
    train(nlp, examples([make_silver(doc, sure=0.7) for doc in gold_docs], nlp), steps=80)
    doc = nlp(Doc(nlp.vocab, words=[t.text for t in gold_docs[0]]))
    assert entities(doc) == entities(gold_docs[0])
    rows = nlp.get_pipe("xner").predict([doc])[0]
    assert rows.max(axis=1) == pytest.approx(np.full(len(doc), 0.7), abs=0.1)


def test_annotations(trained, gold_docs):
    doc = trained(Doc(trained.vocab, words=[t.text for t in gold_docs[1]]))
    group = doc.spans["xner"]
    assert [(s.start, s.end, s.label_) for s in group] == entities(doc) == entities(gold_docs[1])
    scores = group.attrs["scores"]
    assert len(scores) == len(group)
    assert all(isinstance(score, float) and 0.5 < score <= 1.0 for score in scores)


def test_predict_touches_no_document(trained, texts):
    docs = [trained.make_doc(text) for text in texts]
    before = [doc.to_bytes() for doc in docs]
    trained.get_pipe("xner").predict(docs)
    assert [doc.to_bytes() for doc in docs] == before


@pytest.mark.parametrize("batch_words", [1, 7, 20, 2000])
def test_batches_and_their_order_change_nothing(trained, texts, batch_words):
    pipe = trained.get_pipe("xner")
    docs = [trained.make_doc(text) for text in [*texts, "", "a", *texts[::-1]]]
    alone = [pipe.predict([doc])[0] for doc in docs]
    pipe.batch_words = batch_words
    together = pipe.predict(docs)
    assert [rows.shape for rows in together] == [(len(doc), 5) for doc in docs]
    for rows, expected in zip(together, alone, strict=True):
        assert rows == pytest.approx(expected, abs=1e-5)
        assert rows.sum(axis=1) == pytest.approx(np.ones(len(rows)), abs=1e-6)


def test_long_documents_are_read_in_pieces(trained, texts, monkeypatch):
    from spacy_xner.pipeline import reading

    pipe = trained.get_pipe("xner")
    words = [word for text in texts for word in text.split()] * 3
    whole = pipe.predict([Doc(trained.vocab, words=words)])[0]
    monkeypatch.setattr(reading, "LONGEST", 25)
    pieces = pipe.predict([Doc(trained.vocab, words=words), Doc(trained.vocab, words=words[:5])])
    assert pieces[0].shape == whole.shape
    # The network looks four tokens around at most: only what is beside a cut can differ.
    far = [i for i in range(len(words)) if 4 < i % 25 < 20]
    assert pieces[0][far] == pytest.approx(whole[far], abs=1e-5)
    assert len(pieces[1]) == 5


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 30), max_size=20), st.integers(1, 60))
def test_batches_hold_each_document_once(sizes, batch_words):
    docs = [range(size) for size in sizes]
    batches = list(length_batches(docs, batch_words))
    assert sorted(i for batch in batches for i in batch) == list(range(len(sizes)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(sizes[i] for i in batch) <= batch_words


def test_documents_without_tokens(trained, texts):
    empty = trained.make_doc("")
    assert trained(empty).ents == ()
    assert empty.spans["xner"].attrs["scores"] == []
    assert [len(doc.ents) for doc in trained.pipe(["", texts[0], ""])] == [0, 2, 0]
    assert trained.get_pipe("xner").predict([]) == []
    eg = Example(trained.make_doc(""), trained.make_doc(""))
    assert trained.get_pipe("xner").update([eg]) == {"xner": 0.0}
    assert trained.get_pipe("xner").update([]) == {"xner": 0.0}
    nothing = trained.make_doc(" ")
    assert len(trained(nothing)) == 1


def test_overwrite_false_keeps_what_is_there(make_xner, examples, gold_docs):
    nlp = make_xner(overwrite=False)
    train(nlp, examples(gold_docs, nlp))
    source = gold_docs[1]  # Juma Ali ... Dar es Salaam
    words = [t.text for t in source]

    def run(*preset):
        doc = Doc(nlp.vocab, words=words)
        doc.set_ents([Span(doc, start, end, label) for start, end, label in preset])
        nlp.get_pipe("xner")(doc)
        return entities(doc)

    assert run() == entities(source) == [(0, 2, "PER"), (4, 7, "LOC")]
    assert run((2, 3, "VERB")) == [(0, 2, "PER"), (2, 3, "VERB"), (4, 7, "LOC")]
    # Also one that is shorter than what the component would put there.
    assert run((6, 7, "ORG")) == [(0, 2, "PER"), (6, 7, "ORG")]
    assert run((3, 8, "ORG"), (1, 2, "X")) == [(1, 2, "X"), (3, 8, "ORG")]


def test_overwrite_true_replaces(trained, gold_docs):
    doc = Doc(trained.vocab, words=[t.text for t in gold_docs[1]])
    doc.set_ents([Span(doc, 0, 8, "ORG")])
    assert entities(trained.get_pipe("xner")(doc)) == entities(gold_docs[1])


def test_labels_from_examples_and_label_map(make_xner, make_silver, examples, gold_docs):
    nlp = make_xner(label_map={"LOC": "PLACE", "PER": ""})
    silver = make_silver(gold_docs[0])
    nlp.initialize(lambda: examples([*gold_docs, silver], nlp))
    pipe = nlp.get_pipe("xner")
    assert pipe.labels == ("PLACE",)
    assert pipe.label_data == ["PLACE"]
    assert pipe.model.get_ref("output_layer").get_dim("nO") == 3
    train(nlp, examples(gold_docs, nlp))
    doc = nlp(Doc(nlp.vocab, words=[t.text for t in gold_docs[0]]))
    assert entities(doc) == [(3, 4, "PLACE")]


def test_labels_that_are_given(make_xner, examples, gold_docs):
    nlp = make_xner()
    found = examples(gold_docs, nlp)
    nlp.get_pipe("xner").initialize(lambda: found, nlp=nlp, labels=["PER", "ORG", "LOC"])
    assert nlp.get_pipe("xner").labels == ("PER", "ORG", "LOC")


def test_no_label(make_xner, examples, gold_docs):
    nlp = make_xner()
    nobody = [gold_docs[3]]
    with pytest.raises(XnerError, match=r"X303.*initialize\.components\.xner"):
        nlp.initialize(lambda: examples(nobody, nlp))


def test_add_label(make_xner, examples, gold_docs):
    nlp = make_xner()
    pipe = nlp.get_pipe("xner")
    assert (pipe.add_label("ORG"), pipe.add_label("ORG")) == (1, 0)
    nlp.initialize(lambda: examples(gold_docs, nlp))
    assert pipe.labels == ("ORG", "LOC", "PER")
    assert pipe.add_label("LOC") == 0
    with pytest.raises(XnerError, match="X304.*DATE"):
        pipe.add_label("DATE")
    assert pipe.labels == ("ORG", "LOC", "PER")


def test_settings_out_of_range(make_xner):
    with pytest.raises(XnerError, match="X308.*batch_words = 0"):
        make_xner(batch_words=0)
    for wrong in (0.0, -1.0):
        with pytest.raises(XnerError, match=f"X308.*temperature = {wrong}"):
            make_xner(temperature=wrong)
    for wrong in (-0.01, 1.01):
        with pytest.raises(XnerError, match=f"X308.*threshold = {wrong}, expected a number from 0"):
            make_xner(threshold=wrong)
    for right in (0.0, 0.5, 1.0):
        assert make_xner(threshold=right).get_pipe("xner").threshold == right


# Temperature


def test_temperature_divides_the_logits(trained, texts):
    pipe = trained.get_pipe("xner")
    docs = [trained.make_doc(text) for text in [*texts, ""]]
    logits = pipe.logits(docs)
    assert [rows.shape for rows in logits] == [(len(doc), 5) for doc in docs]
    sure = pipe.predict(docs)
    for rows, z in zip(sure, logits, strict=True):
        # Exactly what a softmax gives that has never heard of a temperature.
        assert_array_equal(rows, softmax(z.astype(np.float32)).astype(np.float64))
    pipe.temperature = 2.5
    assert all((a == b).all() for a, b in zip(pipe.logits(docs), logits, strict=True))
    for rows, z in zip(pipe.predict(docs), logits, strict=True):
        expected = np.exp(z / 2.5) / np.exp(z / 2.5).sum(axis=1, keepdims=True)
        assert rows == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("temperature", [0.3, 5.0])
def test_temperature_keeps_the_entities_and_changes_their_scores(trained, texts, temperature):
    before = [trained(text) for text in texts]
    trained.get_pipe("xner").temperature = temperature
    after = [trained(text) for text in texts]
    assert [entities(doc) for doc in after] == [entities(doc) for doc in before]
    pairs = [
        pair
        for a, b in zip(before, after, strict=True)
        for pair in zip(*(doc.spans["xner"].attrs["scores"] for doc in (a, b)), strict=True)
    ]
    assert pairs
    assert all((b > a) == (temperature < 1.0) for a, b in pairs)


def test_temperature_is_saved_and_may_be_missing(make_xner, examples, gold_docs, tmp_path):
    nlp = make_xner(temperature=2.5)
    nlp.initialize(lambda: examples(gold_docs, nlp))
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path).get_pipe("xner").temperature == 2.5
    config = tmp_path / "config.cfg"
    text = config.read_text("utf8")
    assert text.count("temperature = 2.5\n") == 1
    config.write_text(text.replace("temperature = 2.5\n", ""), encoding="utf8")
    assert spacy.load(tmp_path).get_pipe("xner").temperature == 1.0


def test_temperature_is_not_for_training(make_xner, make_silver, examples, gold_docs):
    """Losses and gradients are those of the logits, from gold and from silver alike."""
    docs = [*gold_docs, make_silver(gold_docs[0])]

    def run(temperature):
        nlp = make_xner(temperature=temperature)
        losses = train(nlp, examples(docs, nlp), steps=10)
        return losses, nlp.get_pipe("xner").logits([nlp.make_doc(gold_docs[0].text)])[0]

    (losses, rows), (others, same) = run(1.0), run(3.0)
    assert losses == others
    assert_array_equal(rows, same)


def test_distill_learns_what_the_teacher_predicts(trained, examples, gold_docs):
    """The teacher's temperature counts, as in an ensemble; the student's does not."""
    teacher = trained.get_pipe("xner")
    docs = [trained.make_doc(doc.text) for doc in gold_docs]
    logits = teacher.model.predict(docs)

    def gradient(teacher_temperature, student_temperature):
        teacher.temperature = teacher_temperature
        scores = teacher.predict(docs)
        teacher.temperature = student_temperature
        return np.concatenate(teacher.get_teacher_student_loss(scores, logits)[1])

    assert np.abs(gradient(1.0, 4.0)).max() < 1e-6
    assert_array_equal(gradient(4.0, 1.0), gradient(4.0, 4.0))
    soft = softmax(np.concatenate(logits) / 4.0)
    expected = (softmax(np.concatenate(logits)) - soft) / sum(map(len, docs))
    assert gradient(4.0, 1.0) == pytest.approx(expected, abs=1e-6)
    assert np.abs(expected).max() > 1e-3


# Threshold


def scored(doc):
    group = doc.spans["xner"]
    rows = zip(group, group.attrs["scores"], strict=True)
    return [(span.start, span.end, span.label_, score) for span, score in rows]


ROW = st.lists(st.floats(0.01, 1.0), min_size=5, max_size=5)
DOCUMENT = st.lists(ROW, min_size=1, max_size=8).map(np.array)


@given(st.lists(DOCUMENT, max_size=4), st.floats(0.0, 1.0))
def test_the_threshold_leaves_out_what_is_less_sure(texts, threshold):
    rows = [text / text.sum(axis=1, keepdims=True) for text in texts]
    pipe = XNER.get_pipe("xner")

    def annotate(value):
        docs = [Doc(XNER.vocab, words=["a"] * len(text)) for text in rows]
        pipe.threshold = value
        pipe.set_annotations(docs, rows)
        return docs

    whole, part = annotate(0.0), annotate(threshold)
    assert [scored(doc) for doc in part] == [
        [entity for entity in scored(doc) if entity[3] >= threshold] for doc in whole
    ]
    for doc in (*whole, *part):
        assert entities(doc) == [entity[:3] for entity in scored(doc)]
        assert doc.has_annotation("ENT_IOB")  # what is left out is outside, not unknown


def test_by_default_and_at_zero_nothing_is_left_out(trained, texts):
    """As the component was before it had a threshold: all that decoding finds."""
    pipe = trained.get_pipe("xner")
    assert pipe.threshold == 0.0
    scores = []
    for text in texts:
        (found,) = decode(pipe.predict([trained.make_doc(text)]), pipe.labels)
        assert scored(trained(text)) == list(map(tuple, found))
        scores += [entity.score for entity in found]
    scores.sort()
    pipe.threshold = scores[1]  # on the score itself: kept
    assert sorted(e[3] for text in texts for e in scored(trained(text))) == scores[1:]


def test_the_threshold_is_not_for_distributions(trained, texts):
    """What a teacher says does not depend on it."""
    pipe = trained.get_pipe("xner")
    docs = [trained.make_doc(text) for text in texts]
    before = pipe.predict(docs)
    pipe.threshold = 1.0
    for rows, same in zip(pipe.predict(docs), before, strict=True):
        assert_array_equal(rows, same)
    assert not any(doc.ents for doc in trained.pipe(texts))


def test_presets_are_kept_below_the_threshold(make_xner, examples, gold_docs):
    nlp = make_xner(overwrite=False, threshold=1.0)
    train(nlp, examples(gold_docs, nlp))
    doc = Doc(nlp.vocab, words=[t.text for t in gold_docs[1]])
    doc.set_ents([Span(doc, 0, 1, "ORG")])
    nlp.get_pipe("xner")(doc)
    assert entities(doc) == [(0, 1, "ORG")] and not doc.spans["xner"]


def test_threshold_is_set_when_loading_saved_and_may_be_missing(trained, tmp_path):
    trained.to_disk(tmp_path / "old")
    config = tmp_path / "old/config.cfg"
    text = config.read_text("utf8")
    assert text.count("threshold = 0.0\n") == 1
    # As a pipeline that was saved before there was a threshold.
    config.write_text(text.replace("threshold = 0.0\n", ""), encoding="utf8")
    old = spacy.load(tmp_path / "old")
    assert old.get_pipe("xner").threshold == 0.0
    sentence = "Amina lives in Lagos ."
    whole = scored(old(sentence))
    low, high = sorted(score for *_, score in whole)
    override = {"components.xner.threshold": (low + high) / 2}
    new = spacy.load(tmp_path / "old", config=override)
    new.to_disk(tmp_path / "new")
    for nlp in (new, spacy.load(tmp_path / "new")):
        assert scored(nlp(sentence)) == [entity for entity in whole if entity[3] == high]
    with pytest.raises(XnerError, match=r"X308.*threshold = 2"):
        spacy.load(tmp_path / "old", config={"components": {"xner": {"threshold": 2.0}}})


def test_silver_with_other_labels(make_xner, make_silver, examples, gold_docs):
    nlp = make_xner()
    nlp.initialize(lambda: examples(gold_docs, nlp))
    silver = make_silver(gold_docs[3], labels=("DATE", "LOC", "PER"))
    with pytest.raises(XnerError, match="X305.*DATE"):
        nlp.update(examples([silver], nlp))


def parameters(nlp):
    return {
        (node.id, name): node.get_param(name).copy()
        for node in nlp.get_pipe("xner").model.walk()
        for name in node.param_names
        if node.has_param(name)
    }


def gradients(nlp):
    return [
        node.get_grad(name).copy()
        for node in nlp.get_pipe("xner").model.walk()
        for name in node.grad_names
        if node.has_grad(name)
    ]


def test_missing_tokens_teach_nothing(make_xner, examples, gold_docs):
    nlp = make_xner()
    nlp.initialize(lambda: examples(gold_docs, nlp))
    blank = [Doc(nlp.vocab, words=["Amina", "left"])]
    assert nlp.get_pipe("xner").update(examples(blank, nlp))["xner"] == 0.0
    assert not any(gradient.any() for gradient in gradients(nlp))

    whole, part = gold_docs[0].copy(), gold_docs[0].copy()
    part.set_ents(whole.ents, missing=[part[1:3]], default="outside")
    scores = nlp.get_pipe("xner").model.predict([whole])
    _, (gradient,) = nlp.get_pipe("xner").get_loss(examples([part], nlp), scores)
    assert not gradient[1:3].any()
    assert gradient[[0, 3, 4]].any(axis=1).all()


def test_gradients_accumulate(make_xner, examples, gold_docs):
    """Two updates without an optimiser leave the sum of both gradients."""
    nlp = make_xner()
    found = examples(gold_docs, nlp)
    nlp.initialize(lambda: found)
    pipe = nlp.get_pipe("xner")
    before = parameters(nlp)
    pipe.update(found[:3])
    first = gradients(nlp)
    pipe.update(found[:3])
    both = gradients(nlp)
    assert len(first) == len(both) > 0
    for once, twice in zip(first, both, strict=True):
        assert twice == pytest.approx(2 * once, abs=1e-5)
    assert all((parameters(nlp)[key] == value).all() for key, value in before.items())
    pipe.finish_update(nlp.create_optimizer())
    assert any((parameters(nlp)[key] != value).any() for key, value in before.items())


def test_losses_add_up(trained, examples, gold_docs):
    found = examples(gold_docs, trained)
    pipe = trained.get_pipe("xner")
    once = pipe.update(found)["xner"]
    losses = {"xner": 1.0, "other": 2.0}
    assert pipe.update(found, losses=losses) is losses
    assert losses == pytest.approx({"xner": 1.0 + once, "other": 2.0})


def test_dropout_is_off_when_predicting(trained, examples, gold_docs):
    pipe = trained.get_pipe("xner")
    doc = trained.make_doc(gold_docs[0].text)
    before = pipe.predict([doc])[0]
    pipe.update(examples(gold_docs, trained), drop=0.5)
    assert_array_equal(pipe.predict([doc])[0], before)


def test_a_seed_makes_training_repeatable(make_xner, examples, gold_docs):
    def run(seed):
        nlp = make_xner()
        losses = train(nlp, examples(gold_docs, nlp), steps=5, seed=seed)
        return losses, nlp.get_pipe("xner").predict([nlp.make_doc(gold_docs[0].text)])[0]

    (losses, rows), (again, same), (other, _) = run(0), run(0), run(1)
    assert losses == again
    assert_array_equal(rows, same)
    assert losses != other


def test_distill(trained, make_xner, examples, gold_docs):
    teacher = trained.get_pipe("xner")
    assert teacher.is_distillable
    nlp = make_xner()
    spacy.util.fix_random_seed(1)
    optimizer = nlp.initialize(lambda: examples(gold_docs, nlp))
    optimizer.learn_rate = 0.005
    student = nlp.get_pipe("xner")
    # The reference is unlabelled text: all knowledge comes from the teacher.
    texts = [Doc(nlp.vocab, words=[t.text for t in doc]) for doc in gold_docs]
    pairs = examples([*texts, Doc(nlp.vocab)], nlp)
    losses = [student.distill(teacher, pairs, sgd=optimizer)["xner"] for _ in range(80)]
    assert losses[-1] < losses[0] / 5
    for doc in gold_docs:
        found = nlp(Doc(nlp.vocab, words=[t.text for t in doc]))
        assert entities(found) == entities(doc)
    assert student.distill(teacher, []) == {"xner": 0.0}
    assert not pairs[0].reference.ents


def test_distill_from_other_labels(trained, make_xner, examples, gold_docs):
    nlp = make_xner()
    found = examples(gold_docs, nlp)
    nlp.get_pipe("xner").initialize(lambda: found, labels=["PER", "LOC"])
    with pytest.raises(XnerError, match="X307.*'LOC', 'PER'.*'PER', 'LOC'"):
        nlp.get_pipe("xner").distill(trained.get_pipe("xner"), found)


def test_teacher_student_loss(trained, gold_docs):
    pipe = trained.get_pipe("xner")
    docs = [trained.make_doc(doc.text) for doc in gold_docs]
    logits = pipe.model.predict(docs)
    _, gradient = pipe.get_teacher_student_loss(pipe.predict(docs), logits)
    assert [rows.shape for rows in gradient] == [rows.shape for rows in logits]
    assert all(np.abs(rows).max() < 1e-6 for rows in gradient)


def test_it_scores_itself(trained, examples, gold_docs):
    scores = trained.evaluate(examples(gold_docs, trained))
    assert scores["ents_f"] == 1.0
    assert 0.0 <= scores["xner_ece"] < 0.1


# The command line, on one run of `spacy train`.


def spacy_cli(*args: object) -> str:
    command = [sys.executable, "-m", "spacy", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_spacy_commands(project):
    """init labels, train with these labels, evaluate, debug config."""
    paths = [f"--paths.{name}={project / 'gold.spacy'}" for name in ("train", "dev")]
    config = project / "config.cfg"
    spacy_cli("init", "labels", config, project / "labels", *paths)
    labels = project / "labels" / "xner.json"
    assert srsly.read_json(labels) == list(LABELS)

    srsly.write_json(labels, ["PER", "ORG", "LOC"])
    block = f"""
[initialize]
[initialize.components]
[initialize.components.xner]
[initialize.components.xner.labels]
@readers = "spacy.read_labels.v1"
path = "{labels}"
"""
    config.write_text(config.read_text() + block)
    fill_config(config, config)
    spacy_cli("debug", "config", config, *paths)
    spacy_cli("train", config, "-o", project / "out", *paths)
    nlp = spacy.load(project / "out" / "model-best")
    assert nlp.get_pipe("xner").labels == ("PER", "ORG", "LOC")
    assert nlp.meta["performance"]["ents_f"] > 0.9

    spacy_cli("evaluate", project / "out" / "model-best", project / "gold.spacy",
              "-o", project / "metrics.json")  # fmt: skip
    metrics = srsly.read_json(project / "metrics.json")
    assert metrics["ents_f"] == pytest.approx(nlp.meta["performance"]["ents_f"])
    assert "xner_ece" in metrics
