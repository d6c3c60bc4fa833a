import shutil
import sys

import numpy as np
import pytest
import spacy
from spacy import registry
from thinc.api import ConfigValidationError

from spacy_xner.errors import XnerError
from spacy_xner.ml.layers import layer_stack
from spacy_xner.ml.transformer import has_fast_bfloat16, torch_module

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("spacy_transformers")

PIECES = ["<pad>", "<unk>", "<s>", "</s>", "\u2581", *"abcdefghijklmnopqrstuvwxyz.ACDJKLMNSTWY"]
WIDTH, LAYERS = 16, 3


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A random encoder of three layers that reads one letter a piece."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    folder = tmp_path_factory.mktemp("encoder")
    vocabulary = [(piece, -1.0 - i / 100) for i, piece in enumerate(PIECES)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=1))
    tokenizer.normalizer = normalizers.Replace("\u200b", " ")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    special = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        cls_token="<s>",
        sep_token="</s>",
        model_max_length=128,
        **special,
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(PIECES),
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=128,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture
def make_pipeline(checkpoint):
    def make(*, pooling="reduce_first.v1", **settings):
        encoder = {
            "@architectures": "spacy-xner.TransformerEncoder.v1",
            "name": str(checkpoint),
            "get_spans": {
                "@span_getters": "spacy-transformers.strided_spans.v1",
                "window": 64,
                "stride": 48,
            },
            "pooling": {"@layers": pooling},
            **settings,
        }
        model = {"@architectures": "spacy-xner.SoftTagger.v1", "tok2vec": encoder}
        nlp = spacy.blank("xx")
        nlp.add_pipe("xner", config={"model": model})
        return nlp

    return make


def encoder_of(nlp):
    return torch_module(nlp.get_pipe("xner").model.get_ref("tok2vec"))


def weights(nlp):
    return {name: p.detach().numpy().copy() for name, p in encoder_of(nlp).named_parameters()}


@pytest.fixture
def train(examples, gold_docs):
    """Initialise and update; gives the weights before and after, and the optimiser."""

    def run(nlp, *, steps=2):
        found = examples(gold_docs, nlp)
        optimizer = nlp.initialize(lambda: found)
        before = weights(nlp)
        for _ in range(steps):
            nlp.update(found, sgd=optimizer)
        return before, weights(nlp), optimizer

    return run


def changed(before, after):
    return {name for name in before if not np.array_equal(before[name], after[name])}


WORDS = "embeddings.word_embeddings.weight"


def layer(name):
    return int(name.split(".")[2]) if name.startswith("encoder.layer.") else None


def test_word_embeddings_are_frozen(make_pipeline, train):
    nlp = make_pipeline()
    before, after, _ = train(nlp)
    assert WORDS not in changed(before, after)
    assert "embeddings.position_embeddings.weight" in changed(before, after)
    assert {layer(name) for name in changed(before, after)} == {None, 0, 1, 2}
    parameter = dict(encoder_of(nlp).named_parameters())[WORDS]
    assert not parameter.requires_grad
    assert parameter.grad is None


def test_word_embeddings_can_be_trained(make_pipeline, train):
    before, after, _ = train(make_pipeline(freeze_embeddings=False))
    assert WORDS in changed(before, after)


@pytest.mark.parametrize("frozen", [1, 2])
def test_frozen_layers(make_pipeline, train, frozen):
    before, after, _ = train(make_pipeline(frozen_layers=frozen))
    assert {layer(name) for name in changed(before, after)} == set(range(frozen, LAYERS))


@pytest.fixture
def fast_bfloat16(monkeypatch):
    """Any CPU can compute in bfloat16, few do it fast."""
    monkeypatch.setattr("spacy_xner.ml.transformer.has_fast_bfloat16", lambda: True)


def vectors(nlp, docs):
    return np.concatenate(nlp.get_pipe("xner").model.get_ref("tok2vec").predict(docs))


def test_mixed_precision_trains_in_bfloat16(fast_bfloat16, make_pipeline, train, gold_docs):
    nlp = make_pipeline(mixed_precision=True)
    before, after, _ = train(nlp)
    assert {layer(name) for name in changed(before, after)} == {None, 0, 1, 2}
    assert {p.dtype for p in encoder_of(nlp).parameters()} == {torch.float32}
    assert vectors(nlp, gold_docs).dtype == np.float32


def test_mixed_precision_is_close_to_full_precision(fast_bfloat16, make_pipeline, gold_docs, train):
    nlp = make_pipeline(mixed_precision=True)
    train(nlp)
    low = vectors(nlp, gold_docs)
    nlp.get_pipe("xner").model.get_ref("tok2vec").attrs["mixed_precision"] = False
    full = vectors(nlp, gold_docs)
    assert 0 < np.abs(low - full).max() < 0.1


def test_mixed_precision_changes_nothing_on_a_slow_cpu(
    monkeypatch, make_pipeline, train, gold_docs
):
    monkeypatch.setattr("spacy_xner.ml.transformer.has_fast_bfloat16", lambda: False)
    nlp = make_pipeline(mixed_precision=True)
    train(nlp)
    low = vectors(nlp, gold_docs)
    nlp.get_pipe("xner").model.get_ref("tok2vec").attrs["mixed_precision"] = False
    np.testing.assert_array_equal(low, vectors(nlp, gold_docs))


@pytest.mark.parametrize(
    ("found", "fast"),
    [({"amx_bf16": True}, True), ({"avx512_bf16": True}, True), ({"avx2": True}, False)],
)
def test_which_cpu_is_fast(monkeypatch, found, fast):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    has_fast_bfloat16.cache_clear()
    assert has_fast_bfloat16() is fast
    has_fast_bfloat16.cache_clear()


@pytest.mark.parametrize("frozen", [-1, 3, 12])
def test_a_number_of_layers_that_leaves_nothing(make_pipeline, train, frozen):
    with pytest.raises(XnerError, match=f"X302.*frozen_layers = {frozen}.* 0 to 2"):
        train(make_pipeline(frozen_layers=frozen))


def test_no_optimiser_state_for_frozen_parameters(make_pipeline, train):
    nlp = make_pipeline(frozen_layers=2)
    before, _, optimizer = train(nlp)
    frozen = {n for n, p in encoder_of(nlp).named_parameters() if not p.requires_grad}
    assert WORDS in frozen
    kept = {name for _, name in optimizer.mom1}
    assert any("layer.2" in name for name in kept)
    assert not {name for name in kept if any(name.endswith(other) for other in frozen)}


@pytest.mark.parametrize("pooling", ["reduce_first.v1", "reduce_mean.v1"])
def test_pooling(make_pipeline, train, checkpoint, pooling):
    """A token's vector is that of its first piece, or the mean over all its pieces."""
    nlp, text = make_pipeline(pooling=pooling), "Ana went to Lima"
    train(nlp, steps=0)
    (found,) = nlp.get_pipe("xner").model.get_ref("tok2vec").predict([nlp.make_doc(text)])
    encoded = transformers.AutoTokenizer.from_pretrained(checkpoint)(text, return_tensors="pt")
    with torch.no_grad():
        hidden = encoder_of(nlp)(encoded["input_ids"])[0][0].numpy()
    pieces = encoded.tokens()
    ends = [i for i, piece in enumerate(pieces) if piece in ("\u2581", "</s>")]
    words = [hidden[a:b] for a, b in zip(ends, ends[1:], strict=False)]
    expected = [rows[0] if pooling == "reduce_first.v1" else rows.mean(axis=0) for rows in words]
    assert found == pytest.approx(np.stack(expected), abs=1e-4)


def test_save_and_load(make_pipeline, train, gold_docs, tmp_path):
    nlp = make_pipeline(frozen_layers=1)
    train(nlp, steps=5)
    nlp.to_disk(tmp_path)
    docs = [nlp.make_doc(doc.text) for doc in [*gold_docs, nlp.make_doc("")]]
    expected = nlp.get_pipe("xner").predict(docs)
    for loaded in (spacy.load(tmp_path), make_pipeline().from_bytes(nlp.to_bytes())):
        found = loaded.get_pipe("xner").predict([loaded.make_doc(doc.text) for doc in docs])
        for rows, other in zip(expected, found, strict=True):
            assert other == pytest.approx(rows, abs=1e-6)


def test_what_is_frozen_stays_so_after_loading(make_pipeline, train, examples, gold_docs, tmp_path):
    nlp = make_pipeline(frozen_layers=2)
    train(nlp)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    before = weights(loaded)
    assert not changed(before, weights(nlp))
    optimizer = loaded.resume_training()
    loaded.update(examples(gold_docs, loaded), sgd=optimizer)
    assert {layer(name) for name in changed(before, weights(loaded))} == {2}


@pytest.mark.parametrize(("rule", "kept"), [("bottom", [0, 1]), ("spread", [0, 2])])
def test_a_saved_pipeline_has_the_kept_layers_alone(
    make_pipeline, checkpoint, train, gold_docs, tmp_path, rule, kept
):
    """It is loaded where the encoder that the layers were taken from is gone."""
    folder = tmp_path / "encoder"
    shutil.copytree(checkpoint, folder)
    nlp = make_pipeline(name=str(folder), num_layers=2, layer_rule=rule)
    before, _, _ = train(nlp, steps=5)
    whole = transformers.AutoModel.from_pretrained(checkpoint)
    for number, source in enumerate(kept):
        for key, value in whole.encoder.layer[source].named_parameters():
            other = before[f"encoder.layer.{number}.{key}"]
            assert np.array_equal(other, value.detach().numpy()), key
    nlp.to_disk(tmp_path / "saved")
    data = nlp.to_bytes()
    shutil.rmtree(folder)
    docs = [nlp.make_doc(doc.text) for doc in gold_docs]
    expected = nlp.get_pipe("xner").predict(docs)
    blank = make_pipeline(name=str(folder), num_layers=2, layer_rule=rule)
    for loaded in (nlp, spacy.load(tmp_path / "saved"), blank.from_bytes(data)):
        module = encoder_of(loaded)
        assert module.config.num_hidden_layers == len(layer_stack(module)) == 2
        assert {layer(name) for name in weights(loaded)} == {None, 0, 1}
        found = loaded.get_pipe("xner").predict(docs)
        for rows, other in zip(expected, found, strict=True):
            assert other == pytest.approx(rows, abs=1e-6)


def test_kept_layers_can_be_frozen(make_pipeline, train):
    settings = {"num_layers": 2, "layer_rule": "spread"}
    before, after, _ = train(make_pipeline(frozen_layers=1, **settings))
    assert {layer(name) for name in changed(before, after)} == {1}
    with pytest.raises(XnerError, match=r"X302.*frozen_layers = 2.* 0 to 1"):
        train(make_pipeline(frozen_layers=2, **settings))


@pytest.mark.parametrize("count", [-1, 4])
def test_impossible_numbers_of_layers(make_pipeline, train, count):
    with pytest.raises(XnerError, match=f"X312.*num_layers = {count}.* to 3"):
        train(make_pipeline(num_layers=count))


def test_an_unknown_rule(make_pipeline):
    with pytest.raises(ConfigValidationError, match="layer_rule"):
        make_pipeline(num_layers=2, layer_rule="top")


def test_pipelines_from_before_there_were_such_settings(make_pipeline, train, gold_docs):
    nlp = make_pipeline()
    train(nlp)
    attrs = nlp.get_pipe("xner").model.get_ref("tok2vec").attrs
    del attrs["num_layers"], attrs["layer_rule"]
    loaded = make_pipeline().from_bytes(nlp.to_bytes())
    np.testing.assert_array_equal(vectors(loaded, gold_docs), vectors(nlp, gold_docs))


AWKWARD = ["", " ", "\n\nAna  left\t.", "Ana\u200bLima \u200b Juma", "A" * 300, "Ana left. " * 80]


@pytest.mark.parametrize("pooling", ["reduce_first.v1", "reduce_mean.v1"])
def test_tokens_without_sub_words(make_pipeline, examples, gold_docs, pooling):
    """Spaces, zero-width characters, and what is longer than the encoder can read."""
    nlp = make_pipeline(pooling=pooling)
    optimizer = nlp.initialize(lambda: examples(gold_docs, nlp))
    docs = [nlp.make_doc(text) for text in AWKWARD]
    rows = nlp.get_pipe("xner").predict(docs)
    assert [len(array) for array in rows] == [len(doc) for doc in docs]
    assert all(np.isfinite(array).all() for array in rows)
    for doc in docs:
        doc.set_ents([], default="outside")
    found = examples([*gold_docs, *docs], nlp)
    losses = [nlp.update(found, sgd=optimizer)["xner"] for _ in range(3)]
    assert losses[-1] < losses[0]


def test_spacy_transformers_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "spacy_transformers.architectures", None)
    build = registry.architectures.get("spacy-xner.TransformerEncoder.v1")
    with pytest.raises(XnerError, match="X301.*pip install"):
        build("name", None, None)
