import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup


@Language.component("xner_test_scores")
def add_scores(doc):
    """Stand in for the xner pipe: every entity gets the score 0.75."""
    spans = [Span(doc, ent.start, ent.end, ent.label) for ent in doc.ents]
    doc.spans["xner"] = SpanGroup(doc, spans=spans, attrs={"scores": [0.75] * len(spans)})
    return doc


@pytest.fixture
def make_pipeline():
    """A pipeline that knows names by heart."""

    def make(patterns, *, scores=True):
        nlp = spacy.blank("xx")
        ruler = nlp.add_pipe("entity_ruler")
        ruler.add_patterns([{"label": label, "pattern": p} for p, label in patterns.items()])
        if scores:
            nlp.add_pipe("xner_test_scores")
        return nlp

    return make


@pytest.fixture
def gold():
    """Three sentences with five entities: two PER, one LOC, one ORG, one DATE."""
    vocab = spacy.blank("xx").vocab
    sentences = [
        ("Amina lives in Dar", ["B-PER", "O", "O", "B-LOC"]),
        ("Juma Ali joined Umoja today", ["B-PER", "I-PER", "O", "B-ORG", "B-DATE"]),
        ("nobody came", ["O", "O"]),
    ]
    return [Doc(vocab, words=text.split(), ents=ents) for text, ents in sentences]
