"""What the answer to a NER prompt of spacy-llm names, before spacy-llm looks for it in the text.

spacy-llm passes over lines that it cannot read and names that it cannot find. Both must be known:
an answer without a readable line says nothing, and is not the same as one without entities.
"""

import re
from typing import Any

# What models write where there are no entities; the prompts give no form for it.
NOTHING = re.compile(
    r"-|\W*(?:none|null|n/?a|(?:there (?:are|were) )?no (?:named )?entit(?:y|ies)"
    r"(?: (?:were |was |are )?(?:found|present|identified|detected))?"
    r"(?: in the (?:text|paragraph))?"
    r")\W*",
    re.IGNORECASE,
)


def named_spans(task: Any, answer: str) -> list[str] | None:
    """The texts that an answer calls entities of the task's labels.

    task (LLMTask): Of spacy-llm. Of one that reads answers in a form of its own, nothing is known.
    answer (str): Of the model.
    RETURNS (Optional[List[str]]): In order; None if no line of the answer can be read.
    """
    from spacy_llm.tasks.span import parse_responses, parse_responses_cot

    lines = [line for line in answer.strip().split("\n") if line.strip()]
    parse = getattr(task, "_parse_responses", None)
    if parse is parse_responses_cot:
        found = _reasons(task, lines)
    elif parse is parse_responses:
        found = _lists(task, lines)
    else:
        return []
    return [] if found is None and NOTHING.fullmatch(answer) else found


def _reasons(task: Any, lines: list[str]) -> list[str] | None:
    """Lines of the form `1. Ana | True | PER | is a person` (`spacy.NER.v3`)."""
    from spacy_llm.tasks.span.examples import SpanReason

    read, found = False, []
    for line in lines:
        try:
            reason = SpanReason.from_str(line)
        except ValueError:
            continue
        read = read or bool(reason.text)
        if reason.is_entity and task.normalizer(reason.label) in task.label_dict:
            found.append(reason.text)
    return found if read else None


def _lists(task: Any, lines: list[str]) -> list[str] | None:
    """Lines of the form `PER: Ana, Juma Ali` (`spacy.NER.v1` and `spacy.NER.v2`)."""
    read, found = False, []
    for line in lines:
        label, colon, phrases = line.partition(":")
        if colon and task.normalizer(label) in task.label_dict:
            read = True
            texts = [text.strip() for text in phrases.split(",")]
            found += [text for text in texts if text and not NOTHING.fullmatch(text)]
    return found if read else None


def missing_spans(task: Any, named: list[str], text: str) -> int:
    """How many of the named entities are not in the text; spacy-llm leaves them out.

    task (LLMTask): Says whether case matters.
    named (List[str]): See `named_spans`.
    text (str): Of the document, or of a part of it that was prompted by itself.
    """
    from spacy_llm.tasks.util import find_substrings

    exact = {"case_sensitive": task.case_sensitive_matching} if named else {}
    return sum(not find_substrings(text, [name], single_match=True, **exact) for name in named)
