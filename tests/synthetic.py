"""Sentences without words and teachers that err independently of each other."""

import numpy as np

from spacy_xner.ensemble.bea import resolve_overlaps

N_LABELS = 3


def corpus(random, n_docs):
    """Documents as (number of tokens, [(start, end, label number)])."""
    docs = []
    for _ in range(n_docs):
        length, entities, t = int(random.integers(5, 35)), [], 0
        while t < length:
            if random.random() < 0.12:
                end = min(t + int(random.choice([1, 2, 3], p=[0.5, 0.35, 0.15])), length)
                entities.append((t, end, int(random.integers(N_LABELS))))
                t = end
            t += 1
        docs.append((length, entities))
    return docs


def teacher(random, docs, error):
    """Entities of each document. With the probability `error` an entity is missed, misnamed or cut
    wrongly; false ones are as frequent as fits it.
    """  # noqa: D205
    answers = []
    for length, entities in docs:
        taken, found = np.zeros(length, bool), []
        for start, end, label in entities:
            fate = random.random() / error
            if 0.35 <= fate < 0.7:
                label = (label + int(random.integers(1, N_LABELS))) % N_LABELS
            elif 0.7 <= fate < 1.0:
                shorter = end - start > 1 and random.random() < 0.5
                end = end - 1 if shorter else min(end + 1, length)
            if fate >= 0.35 and not taken[start:end].any():
                found.append((start, end, label))
            taken[start:end] = True
        for t in range(length):
            if not taken[t] and random.random() < 0.06 * error:
                found.append((t, t + 1, int(random.integers(N_LABELS))))
        answers.append(sorted(found))
    return answers


def f1(docs, answers):
    gold = {(d, *entity) for d, (_, entities) in enumerate(docs) for entity in entities}
    found = {(d, *entity) for d, entities in enumerate(answers) for entity in entities}
    return 2 * len(gold & found) / (len(gold) + len(found))


def tag_votes(docs, teachers):
    """Tags of shape (tokens of all documents, teachers)."""
    rows = []
    for d, (length, _) in enumerate(docs):
        votes = np.zeros((length, len(teachers)), dtype=int)
        for k, answers in enumerate(teachers):
            for start, end, label in answers[d]:
                votes[start:end, k] = 2 + 2 * label
                votes[start, k] = 1 + 2 * label
        rows.append(votes)
    return np.concatenate(rows)


def span_votes(docs, teachers):
    """Spans as (document, start, end), and votes of shape (spans, teachers)."""
    found = {}
    for k, answers in enumerate(teachers):
        for d, entities in enumerate(answers):
            for start, end, label in entities:
                row = found.setdefault((d, start, end), np.zeros(len(teachers), dtype=int))
                row[k] = 1 + label
    keys = sorted(found)
    return keys, np.array([found[key] for key in keys])


def read_spans(docs, keys, posteriors):
    """Entities of each document from posteriors of spans."""
    offsets = np.concatenate(([0], np.cumsum([length for length, _ in docs])))
    starts = np.array([offsets[d] + start for d, start, _ in keys])
    ends = np.array([offsets[d] + end for d, _, end in keys])
    answers = [[] for _ in docs]
    for i in resolve_overlaps(starts, ends, posteriors):
        d, start, end = keys[i]
        if posteriors[i].argmax():
            answers[d].append((start, end, int(posteriors[i].argmax()) - 1))
    return answers
