import sys

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from tiny_language_model import WIDTH, save_tiny_language_model

from spacy_xner.errors import XnerError
from spacy_xner.ml.cut import cut_docs
from spacy_xner.ml.language_model import build_language_model_encoder, encode

torch = pytest.importorskip("torch")
pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

WORDS = ["the", "rain", "in", "Dodoma", "ንጉሥ", "\u200b", "stopped"]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return save_tiny_language_model(tmp_path_factory.mktemp("language-model"))


@pytest.fixture(scope="module")
def tokenizer(base):
    return transformers.AutoTokenizer.from_pretrained(base)


@pytest.fixture
def docs():
    vocab = spacy.blank("xx").vocab
    return [
        Doc(vocab, words=WORDS),
        Doc(vocab, words=[]),
        Doc(vocab, words=["x", "y"], spaces=[False, False]),
    ]


def make(base, **settings):
    torch.manual_seed(0)
    model = build_language_model_encoder(str(base), **{"dropout": 0.0, **settings})
    model.initialize()
    shake(model)
    return model


def shake(model):
    """Adapters start as zeros; give them something to say."""
    torch.manual_seed(1)
    for name, parameter in model.shims[0].load().named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.2)


def plain_states(base, ids):
    """Of the base alone, with its causal mask."""
    model = transformers.AutoModel.from_pretrained(base)
    with torch.no_grad():
        return model(torch.tensor([ids])).last_hidden_state[0].numpy()


def test_one_row_a_token(base, docs):
    rows = make(base).predict(docs)
    assert [array.shape for array in rows] == [(len(doc), WIDTH) for doc in docs]
    assert np.isfinite(np.concatenate(rows)).all()


@pytest.mark.parametrize("reduce", ["first", "last", "mean"])
def test_a_word_is_its_subwords(base, tokenizer, docs, reduce):
    model = build_language_model_encoder(str(base), causal=True, reduce=reduce)
    model.initialize()  # fresh adapters change nothing
    found = tokenizer(docs[0].text, return_offsets_mapping=True)
    states = plain_states(base, found["input_ids"])
    (rows,) = model.predict(docs[:1])
    for token, row in zip(docs[0], rows, strict=True):
        end = token.idx + len(token)
        mine = [i for i, (s, e) in enumerate(found["offset_mapping"]) if s < end and e > token.idx]
        chosen = {"first": mine[:1], "last": mine[-1:], "mean": mine}[reduce]
        np.testing.assert_allclose(row, states[chosen].mean(axis=0), atol=1e-5)


def test_padding_changes_nothing(base, docs):
    model = make(base)
    together = model.predict(docs)
    for doc, rows in zip(docs, together, strict=True):
        np.testing.assert_allclose(model.predict([doc])[0], rows, atol=1e-5)


def test_the_budget_changes_nothing(base, docs):
    rows = np.concatenate(make(base, max_subwords=1).predict(docs * 3))
    np.testing.assert_allclose(
        rows, np.concatenate(make(base, max_subwords=10_000).predict(docs * 3)), atol=1e-5
    )


@pytest.mark.parametrize("causal", [True, False])
def test_the_mask_decides_whether_a_word_sees_the_next_one(base, causal):
    vocab = spacy.blank("xx").vocab
    one, other = (Doc(vocab, words=["the", "rain", word]) for word in ("stops", "falls"))
    first, second = make(base, causal=causal).predict([one, other])
    same = np.allclose(first[:2], second[:2], atol=1e-6)
    assert same == causal


def test_a_long_text_is_read_in_windows(base, tokenizer):
    vocab = spacy.blank("xx").vocab
    doc = Doc(vocab, words=["rain", "the", "Dodoma"] * 20)
    reading = cut_docs([doc], encode([doc], tokenizer), window=16, stride=10, reduce="mean")
    assert len(reading.inputs) > 5
    assert max(map(len, reading.inputs)) == 17  # and <s>
    assert {ids[0] for ids in reading.inputs} == {tokenizer.bos_token_id}
    joined = [i for ids, (a, b) in zip(reading.inputs, reading.kept, strict=True) for i in ids[a:b]]
    assert joined == tokenizer(doc.text)["input_ids"][1:]
    assert sorted(set(reading.owners.tolist())) == list(range(len(doc)))
    rows = make(base, window=16, stride=10).predict([doc])[0]
    whole = make(base, window=400, stride=400).predict([doc])[0]
    assert rows.shape == whole.shape
    assert not np.allclose(rows, whole)  # less is seen


def test_a_token_without_subword_has_zeros(base, docs, tokenizer, monkeypatch):
    def without_offsets(text, **settings):
        found = tokenizer(text, **settings)
        found["offset_mapping"] = [(0, 1) for _ in found["offset_mapping"]]
        return found

    model = make(base)
    model.shims[0].tokenizer = without_offsets
    (rows,) = model.predict(docs[:1])
    assert rows[0].any()
    assert not rows[1:].any()


def test_special_tokens_in_the_text_are_text(base, tokenizer):
    doc = Doc(spacy.blank("xx").vocab, words=["<s>", "the", "</s>"])
    (rows,) = make(base).predict([doc])
    assert rows.any(axis=1).all()


def test_gradients_by_differences(base, docs):
    """Only the adapters learn, and by the right amounts."""
    model = make(base)
    module = model.shims[0].load().double()
    rows, backprop = model.begin_update(docs)
    random = np.random.default_rng(0)
    weights = [random.normal(size=array.shape).astype("f") for array in rows]
    backprop(weights)
    learnt = {n: p for n, p in module.named_parameters() if p.grad is not None}
    assert learnt
    assert all("lora_" in name for name in learnt)

    def loss():
        found = model.predict(docs)
        return sum(float((a.astype("f8") * w).sum()) for a, w in zip(found, weights, strict=True))

    for name, parameter in list(learnt.items())[::5]:
        flat = parameter.data.view(-1)
        i, step = int(parameter.grad.abs().argmax()), 1e-3
        before = float(flat[i])
        values = []
        for change in (step, -step):
            flat[i] = before + change
            values.append(loss())
        flat[i] = before
        found = (values[0] - values[1]) / (2 * step)
        assert found == pytest.approx(float(parameter.grad.view(-1)[i]), rel=2e-2, abs=1e-3), name


def test_texts_without_words_teach_nothing(base):
    model = make(base)
    rows, backprop = model.begin_update([Doc(spacy.blank("xx").vocab, words=[])])
    backprop([np.zeros((0, WIDTH), dtype="f")])
    assert rows[0].shape == (0, WIDTH)


@pytest.mark.parametrize(
    "setting",
    [
        {"reduce": "sum"},
        {"rank": 0},
        {"dropout": 1.0},
        {"window": 0},
        {"window": 8, "stride": 9},
        {"max_subwords": 0},
        {"quantise": "int3"},
    ],
)
def test_settings_out_of_range(setting):
    with pytest.raises(XnerError, match="X308"):
        build_language_model_encoder("nowhere", **setting)


@pytest.mark.parametrize("kind", ["GPTNeo", "XGLM", "OPT", "Bloom"])
def test_models_that_cannot_do_without_their_mask(kind, base, tmp_path):
    small = {
        "GPTNeo": {"hidden_size": 16, "num_heads": 2, "attention_types": [[["global"], 2]]},
        "XGLM": {"d_model": 16, "ffn_dim": 32, "attention_heads": 2},
        "OPT": {"hidden_size": 16, "ffn_dim": 32, "num_attention_heads": 2},
        "Bloom": {"hidden_size": 16, "n_head": 2},
    }[kind]
    transformers.AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path)
    layers = {"Bloom": "n_layer", "GPTNeo": "num_layers"}.get(kind, "num_hidden_layers")
    if kind == "XGLM":
        layers = "num_layers"
    settings = {**small, layers: 2, "vocab_size": 300, "pad_token_id": 1}
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**settings)
    getattr(transformers, f"{kind}Model")(config).save_pretrained(tmp_path)
    with pytest.raises(XnerError, match=r"X334.*causal = true"):
        build_language_model_encoder(str(tmp_path)).initialize()
    model = build_language_model_encoder(str(tmp_path), causal=True)
    model.initialize()
    doc = Doc(spacy.blank("xx").vocab, words=["the", "rain"])
    (rows,) = model.predict([doc])
    assert np.isfinite(rows).all()


def test_the_base_is_loaded_when_it_is_needed():
    model = build_language_model_encoder("/no/such/model")
    with pytest.raises(XnerError, match="X108"):
        model.initialize()


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(XnerError, match="X331"):
        build_language_model_encoder(str(tmp_path)).initialize()


def test_without_peft(base, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(XnerError, match=r"X330.*spacy-xner\[llm\]"):
        build_language_model_encoder(str(base)).initialize()
