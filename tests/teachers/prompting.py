"""Prompted teachers that ask a fake server."""

from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_xner.teachers.prompted import make_prompted_teacher

CONFIG = """
[nlp]
lang = "{lang}"
pipeline = ["llm"]

[components]

[components.llm]
factory = "llm"

[components.llm.task]
@llm_tasks = "spacy.NER.{version}"
labels = ["LOC", "PER"]

[components.llm.model]
@llm_models = "{model}"
name = "fake"
endpoint = "{endpoint}"
max_tries = 1
interval = 0.01
max_request_time = {patience}
config = {{"temperature": 1.0}}
context_length = {context}
"""
OURS, OPENAI = "spacy-xner.ChatModel.v1", "spacy.GPT-4.v3"


def write_config(
    path, endpoint, *, model=OURS, version="v3", lang="xx", patience=0.3, more="", **other
):
    settings = {"endpoint": endpoint, "model": model, "version": version, "lang": lang}
    settings |= {"patience": patience, "context": 4000, **other}
    path.write_text(CONFIG.format(**settings) + more, encoding="utf8")
    return path


def prompted(path, **settings):
    return make_prompted_teacher(str(path), **{"tokens": "target", "certainty": 1.0, **settings})


def doc(text):
    words = text.split()
    return Doc(Vocab(), words=words, spaces=[i < len(words) for i in range(1, len(words) + 1)])
