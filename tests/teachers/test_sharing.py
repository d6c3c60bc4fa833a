"""Teachers trained from one encoder with frozen embeddings hold these in memory once."""

import gc

import numpy as np
import pytest
import spacy
from handmade import xner_pipeline
from thinc.api import Model, PyTorchWrapper

from spacy_xner.teachers import sharing
from spacy_xner.teachers.pipeline import make_xner_teacher
from spacy_xner.teachers.sharing import MIN_BYTES, share_parameters

torch = pytest.importorskip("torch", reason="the extra 'train' is not installed")

WIDTH = 4
ROWS = MIN_BYTES // WIDTH // 4


class Encoder(torch.nn.Module):
    """Large embeddings that are frozen and a layer that is trained; both large enough to share."""

    def __init__(self, *, frozen, trained, rows=ROWS, dtype=torch.float32):
        super().__init__()
        self.embeddings = torch.nn.Embedding(rows, WIDTH, dtype=dtype)
        self.layer = torch.nn.Linear(WIDTH, rows, dtype=dtype)
        self.embeddings.weight.data.fill_(frozen)
        self.layer.weight.data.fill_(trained)
        self.layer.bias.data.zero_()

    def forward(self, x):
        return self.layer(self.embeddings(x))


class Pipe:
    def __init__(self, module):
        self.model: Model = PyTorchWrapper(module)
        self.module = self.model.shims[0]._model

    def __call__(self, doc):
        return doc


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(sharing, "_known", type(sharing._known)())


def pipeline(**settings):
    nlp = spacy.blank("xx")
    pipe = Pipe(Encoder(**settings))
    nlp._components.append(("torch", pipe))
    return nlp, pipe.module


def storage(parameter):
    return parameter.untyped_storage().data_ptr()


def test_equal_embeddings_are_held_once():
    (one, first), (two, second) = pipeline(frozen=1, trained=2), pipeline(frozen=1, trained=3)
    x = torch.tensor([0, 5, ROWS - 1])
    before = second(x).detach().numpy()
    assert share_parameters(one) == 0
    assert share_parameters(two) == MIN_BYTES
    assert storage(first.embeddings.weight) == storage(second.embeddings.weight)
    assert storage(first.layer.weight) != storage(second.layer.weight)
    assert np.array_equal(second(x).detach().numpy(), before)
    assert share_parameters(two) == 0


def test_shared_parameters_are_not_trained():
    nlp, module = pipeline(frozen=1, trained=2)
    share_parameters(nlp)
    assert not any(p.requires_grad for p in (module.embeddings.weight, module.layer.weight))
    assert module.layer.bias.requires_grad  # too small to be looked at


def test_other_number_formats():
    """bfloat16 is unknown to numpy; equal bytes of another type are not equal numbers."""
    settings = {"frozen": 0, "trained": 2, "rows": 2 * ROWS, "dtype": torch.bfloat16}
    (one, first), (two, second) = pipeline(**settings), pipeline(**settings)
    three, third = pipeline(**{**settings, "dtype": torch.float16})
    sizes = [share_parameters(nlp) for nlp in (one, two, three)]
    assert sizes[0] == sizes[2] == 0
    assert sizes[1] == 2 * MIN_BYTES
    assert storage(first.embeddings.weight) == storage(second.embeddings.weight)
    assert third.embeddings.weight.dtype == torch.float16


def test_a_parameter_that_changed_since_is_not_taken():
    (one, first), (two, second) = pipeline(frozen=1, trained=2), pipeline(frozen=1, trained=2)
    share_parameters(one)
    first.embeddings.weight.data.fill_(9)
    assert share_parameters(two) == MIN_BYTES  # the other matrix
    assert float(second.embeddings.weight.detach()[0, 0]) == 1


def test_nothing_is_kept_alive():
    nlp, module = pipeline(frozen=1, trained=2)
    share_parameters(nlp)
    assert len(sharing._known) == 2
    del nlp, module
    gc.collect()
    assert len(sharing._known) == 0


def test_pipelines_without_torch_are_left_alone():
    nlp = spacy.blank("xx")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("xner")
    assert share_parameters(nlp) == 0


def test_two_transformer_teachers_share_and_say_what_they_said(tmp_path):
    """Two saved pipelines with equal frozen word embeddings and different heads."""
    transformers = pytest.importorskip("transformers", reason="'train' is not installed")
    pytest.importorskip("spacy_transformers", reason="'train' is not installed")
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "Ana", "met", "Bob", "in", "Lagos", "is", "big"]
    words += [f"w{i}" for i in range(MIN_BYTES // 4 // 32)]
    vocabulary = {word: i for i, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
    }
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
    fast.save_pretrained(tmp_path / "encoder")
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(tmp_path / "encoder")
    tok2vec = {
        "@architectures": "spacy-xner.TransformerEncoder.v1",
        "name": str(tmp_path / "encoder"),
        "freeze_embeddings": True,
        "pooling": {"@layers": "reduce_first.v1"},
        "get_spans": {
            "@span_getters": "spacy-transformers.strided_spans.v1",
            "window": 32,
            "stride": 24,
        },
    }
    docs = []
    said = {}
    for seed in (0, 1):
        nlp = xner_pipeline(tok2vec=tok2vec, updates=3, seed=seed)
        nlp.to_disk(tmp_path / str(seed))
        docs = [spacy.tokens.Doc(nlp.vocab, words=["Ana", "met", "Bob", "in", "Lagos"])]
        said[seed] = nlp.get_pipe("xner").predict(docs)[0]
    teachers = [make_xner_teacher(str(tmp_path / str(seed))) for seed in (0, 1)]
    for seed, teacher in enumerate(teachers):
        assert np.allclose(teacher.distributions(docs)[0], said[seed], atol=1e-6)
    assert not np.allclose(said[0], said[1], atol=1e-3)
    large = [
        {
            storage(parameter)
            for node in teacher.nlp.get_pipe("xner").model.walk()
            for shim in node.shims
            for parameter in shim._model.parameters()
            if parameter.numel() * parameter.element_size() >= MIN_BYTES
        }
        for teacher in teachers
    ]
    assert len(large[0]) >= 1
    assert large[0] == large[1]
    assert np.allclose(teachers[0].distributions(docs)[0], said[0], atol=1e-6)
