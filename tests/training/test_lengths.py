import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry
from tiny_checkpoint import save_tiny_checkpoint

from spacy_xner.errors import XnerError
from spacy_xner.training.lengths import make_subword_length


@pytest.fixture
def encoder(tmp_path):
    return str(save_tiny_checkpoint(tmp_path / "encoder"))


def example(*words):
    doc = Doc(spacy.blank("xx").vocab, words=list(words))
    return Example(doc, doc)


def test_length_is_what_the_tokenizer_cuts(encoder):
    from transformers import AutoTokenizer

    length, tokenizer = make_subword_length(encoder), AutoTokenizer.from_pretrained(encoder)
    for words in (["Ana"], ["Lagos", "Lagos"], ["unpronounceable", "x", "y"] * 300):
        assert length(example(*words)) == len(tokenizer(" ".join(words) + " ")["input_ids"])
    assert length(example()) >= 1


def test_batches_by_subwords_hold_less_padding(encoder):
    """Tokens of many sub-words beside tokens of few, which lengths in tokens mix up."""
    examples = [example(*["a" * (1 + 30 * (i % 2))] * (4 + i % 3)) for i in range(60)]
    subwords = make_subword_length(encoder)

    def padding(**settings):
        batcher = registry.batchers.get("spacy.batch_by_padded.v1")
        batches = batcher(size=400, buffer=60, discard_oversize=False, **settings)(examples)
        lengths = [[subwords(eg) for eg in batch] for batch in batches]
        assert sum(map(len, lengths)) == 60
        return sum(max(row) * len(row) - sum(row) for row in lengths)

    assert padding(get_length=subwords) < padding() / 2


def test_a_tokenizer_that_is_not_there(tmp_path):
    length = make_subword_length(str(tmp_path / "nothing"))
    with pytest.raises(XnerError, match=r"X313.*nothing.*paths\.encoder"):
        length(example("Ana"))
