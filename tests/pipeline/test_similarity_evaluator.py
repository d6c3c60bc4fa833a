import numpy as np
import pytest
import spacy
from handmade import TOK2VEC
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from spacy.training import Example

from spacy_xner.errors import XnerError
from spacy_xner.pipeline.find import find_evaluator


def evaluator(*, width=8, tok2vec=TOK2VEC, **settings):
    nlp = spacy.blank("xx")
    model = {"@architectures": "spacy-xner.PairEncoder.v1", "tok2vec": tok2vec, "width": width}
    nlp.add_pipe("similarity_evaluator", config={"model": model, **settings})
    return nlp


def train(nlp, examples, *, steps=60, seed=0):
    spacy.util.fix_random_seed(seed)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.005
    return [nlp.update(examples, sgd=optimizer)["similarity_evaluator"] for _ in range(steps)]


@pytest.mark.parametrize("kind", ["published", "rescaled"])
@pytest.mark.parametrize("width", [None, 8])
def test_overfit_save_load_predict_the_same(examples, gold_docs, tmp_path, kind, width):
    nlp = evaluator(width=width, similarity=kind)
    found = examples(gold_docs, nlp)
    losses = train(nlp, found)
    scores = nlp.evaluate(found)
    assert scores["pairs_ap"] > 0.99
    # Five tags as far apart as they can be have cosines of -1/4: half of the pairs lose
    # -log s(1), half -log(1 - s(-1/4)), which makes 0.445 and 0.238.
    assert losses[-1] < {"published": 0.47, "rescaled": 0.27}[kind] < losses[0]
    assert 0 < scores["pairs_ece"] < 0.5
    vectors = nlp.get_pipe("similarity_evaluator").predict(gold_docs)
    assert [rows.shape for rows in vectors] == [(len(doc), width or 32) for doc in gold_docs]
    assert_allclose(np.linalg.norm(np.concatenate(vectors), axis=1), 1.0, atol=1e-5)
    nlp.to_disk(tmp_path)
    from_bytes = evaluator(width=width, similarity=kind).from_bytes(nlp.to_bytes())
    for loaded in (spacy.load(tmp_path), from_bytes):
        pipe = find_evaluator(loaded)
        assert (pipe.labels, pipe.similarity) == (("LOC", "PER"), kind)
        for rows, same in zip(vectors, pipe.predict(gold_docs), strict=True):
            assert_array_equal(rows, same)


def test_same_tags_lie_together(examples, gold_docs):
    nlp = evaluator(similarity="rescaled")
    train(nlp, examples(gold_docs, nlp))
    docs = [nlp.make_doc(doc.text) for doc in gold_docs[:2]]
    amina, juma = nlp.get_pipe("similarity_evaluator").predict(docs)
    # Amina/B-PER lives/O in/O Lagos/B-LOC ./O beside Juma/B-PER Ali/I-PER went/O to/O Dar/B-LOC
    assert amina[0] @ juma[0] > 0.8 and amina[3] @ juma[4] > 0.8 and amina[1] @ juma[2] > 0.8
    assert max(amina[0] @ juma[1], amina[0] @ juma[4], amina[3] @ juma[3]) < 0.3


def test_documents_are_left_alone(examples, gold_docs):
    nlp = evaluator()
    train(nlp, examples(gold_docs, nlp), steps=2)
    docs = [nlp.make_doc(doc.text) for doc in gold_docs]
    before = [doc.to_bytes() for doc in docs]
    assert list(nlp.pipe(docs)) == docs and nlp(docs[0]) is docs[0]
    find_evaluator(nlp).predict(docs)
    assert [doc.to_bytes() for doc in docs] == before


def test_training_is_the_same_twice_and_hangs_on_the_seed(examples, gold_docs):
    def run(**settings):
        nlp = evaluator(max_pairs=20, **settings)
        return train(nlp, examples(gold_docs, nlp), steps=5), nlp.to_bytes()

    assert run() == run()
    assert run()[0] != run(seed=1)[0]


def test_pairs_are_counted_and_come_to_an_end(examples, gold_docs):
    nlp = evaluator(max_pairs=30, total_pairs=70)
    losses = train(nlp, examples(gold_docs, nlp), steps=5)
    assert nlp.get_pipe("similarity_evaluator").cfg["pairs"] == 70
    assert [loss > 0 for loss in losses] == [True, True, True, False, False]
    endless = evaluator(max_pairs=30, total_pairs=0)
    train(endless, examples(gold_docs, endless), steps=5)
    assert endless.get_pipe("similarity_evaluator").cfg["pairs"] == 150


def test_missing_annotation_takes_part_in_no_pair(examples, gold_docs):
    """A document whose entities are unknown changes nothing."""
    blank = Doc(gold_docs[0].vocab, words=["Maybe", "Kisumu", "?"])
    assert not blank.has_annotation("ENT_IOB")
    one, other = evaluator(), evaluator()
    train(one, examples(gold_docs, one), steps=1)
    train(other, examples(gold_docs, other), steps=1)
    assert one.update(examples(gold_docs, one)) == pytest.approx(
        other.update([*examples(gold_docs, other), *examples([blank], other)])
    )
    assert other.update(examples([blank], other)) == {"similarity_evaluator": 0.0}


def test_nothing_to_learn_from(examples, gold_docs):
    nlp = evaluator()
    nobody = examples([gold_docs[3]], nlp)
    with pytest.raises(XnerError, match=r"X303.*'similarity_evaluator'"):
        nlp.initialize(lambda: nobody)
    train(nlp, examples(gold_docs, nlp), steps=1)
    pipe = nlp.get_pipe("similarity_evaluator")
    empty = Example(nlp.make_doc(""), nlp.make_doc(""))
    assert pipe.update([]) == pipe.update([empty]) == {"similarity_evaluator": 0.0}
    assert pipe.predict([nlp.make_doc("")])[0].shape == (0, 8)
    assert nlp.evaluate([empty])["pairs_ap"] is None
    assert pipe.score([]) == {"pairs_ap": None, "pairs_ece": None}


def test_labels_that_are_given(examples, gold_docs):
    nlp = evaluator()
    found = examples(gold_docs, nlp)
    pipe = nlp.get_pipe("similarity_evaluator")
    pipe.initialize(lambda: found, nlp=nlp, labels=["PER"])
    assert pipe.labels == ("PER",) and pipe.label_data == ["PER"]


@pytest.mark.parametrize("key", ["max_pairs", "total_pairs", "batch_words"])
def test_settings_out_of_range(key):
    with pytest.raises(XnerError, match=f"X308.*{key} = -1"):
        evaluator(**{key: -1})
    with pytest.raises(ValueError, match="similarity"):
        evaluator(similarity="learnt")


def test_a_listener_shares_an_encoder_with_a_recogniser(examples, gold_docs, tmp_path):
    """Both tasks train one encoder, and in both orders none is left with zeros."""
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32, "upstream": "*"}
    tagger = {"@architectures": "spacy-xner.SoftTagger.v1", "scale": 5.0, "tok2vec": listener}
    nlp = evaluator(tok2vec=listener)
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC}, first=True)
    nlp.add_pipe("xner", config={"model": tagger}, before="similarity_evaluator")
    found = examples([*gold_docs, nlp.make_doc("")], nlp)
    before = train(nlp, found, steps=1)
    encoder = nlp.get_pipe("tok2vec").model
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.005
    start = encoder.to_bytes()
    losses = [nlp.update(found, sgd=optimizer, losses={}) for _ in range(60)]
    assert encoder.to_bytes() != start
    assert losses[-1]["xner"] < 0.1 and losses[-1]["similarity_evaluator"] < before[0]
    scores = nlp.evaluate(examples(gold_docs, nlp))
    assert scores["ents_f"] == 1.0 and scores["pairs_ap"] > 0.99
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path).evaluate(examples(gold_docs, nlp))
    assert loaded["pairs_ap"] == scores["pairs_ap"]
