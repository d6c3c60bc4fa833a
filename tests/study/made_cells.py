"""Invented result files of a study, and silver sentences written by hand."""

import json
from pathlib import Path

import numpy as np
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_xner.decode import ScoredEntity
from spacy_xner.labels import iob2_tags
from spacy_xner.shards import write_docs
from spacy_xner.silver import Silver, set_hard_reading, write_silver
from spacy_xner.spans import set_scored_spans
from spacy_xner.study.score import pack_counts

SIZES = {"source": 50, "target": 20, "test": 30}
TARGETS = ("amh", "hau", "swa")
SOURCES = ("en", "es", "fr", "pt")
GOLD = 2


def counts(quality, sentences=30, seed=0):
    """Of two gold entities in each sentence a share is found, and nothing else."""
    rng = np.random.default_rng(seed)
    right = rng.binomial(GOLD, quality, size=sentences)
    return np.stack([right, right, np.full(sentences, GOLD)], axis=1)


def payload(
    system,
    *,
    quality=0.5,
    sources=SOURCES,
    order="all",
    targets=TARGETS,
    seed=0,
    setting="rich",
    study="made",
    sizes=SIZES,
    sentences=30,
):
    """What a result file holds; `quality` is the share of entities that are found."""
    identity = {
        "study": study,
        "setting": setting,
        "system": system,
        "sources": list(sources),
        "order": order,
        "targets": list(targets),
        "seed": seed,
        "sizes": dict(sizes),
    }
    provenance = {
        "date": f"2026-01-0{1 + seed % 9}T00:00:00+00:00",
        "commit": "abc",
        "machine": {"platform": "Linux", "cpus": 2},
        "packages": {"spacy": "3.8.0"},
    }
    found = {"format": 1, "key": "k" * 64, "cell": identity, "provenance": provenance}
    if system == "ranking":
        weights = dict(zip(sources, (0.1, 0.6, 0.2, 0.1), strict=False))
        return {**found, "ranking": dict.fromkeys(targets, weights)}
    scores, columns = {}, {}
    for number, target in enumerate(targets):
        table = counts(quality, sentences, seed=100 * number + seed)
        right, predicted, gold = table.sum(axis=0).tolist()
        f1 = 2 * right / (predicted + gold)
        scores[target] = {
            "precision": 1.0,
            "recall": right / gold,
            "f1": f1,
            "ece": 0.1,
            "sentences": sentences,
        }
        columns[target] = pack_counts(table)
    bins = [[10, 10 * (0.05 + 0.1 * b), b + 0.5] for b in range(10)]
    return {
        **found,
        "scores": scores,
        "counts": columns,
        "calibration": bins,
        "slices": {
            "class": {"LOC": [round(6 * quality), 6, 9], "PER": [5, 8, 9], "ORG": [0, 0, 0]},
            "seen": {"seen": [5, 8, 9], "unseen": [4, 6, 9]},
            "length": {"1": [5, 8, 9], "2": [4, 6, 9]},
        },
        "weights": {t: dict.fromkeys(sources, 1 / len(sources)) for t in targets},
        "cost": {"train_seconds": 60.0 * len(sources), "teachers_seconds": 30.0},
    }


def write(folder: Path, *payloads) -> Path:
    """Write result files, each under a name of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    known = len(list(folder.rglob("*.json")))
    for number, found in enumerate(payloads, start=known):
        setting = found["cell"]["setting"]
        path = folder / (setting if setting.isalpha() else "odd") / f"{number:04d}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(found), encoding="utf8")
    return folder


def whole_study(seeds=(0, 1, 2), sentences=30):
    """All kinds of cells: weighted students are best, and more sources help."""
    more = {"sentences": sentences}
    found = [payload("ranking", sources=SOURCES)]
    for seed in seeds:
        more["seed"] = seed
        quality = {"direct": 0.5, "uniform": 0.55, "weighted": 0.7, "ensemble": 0.65}
        quality |= {"pooled": 0.58, "ner": 0.5, "mtmt": 0.68, "hybrid": 0.72}
        found += [payload(system, quality=q, **more) for system, q in quality.items()]
        for source, q in zip(SOURCES, (0.4, 0.5, 0.3, 0.6), strict=True):
            single = {"sources": (source,), "order": "single", "quality": q, **more}
            found += [payload("weighted", **single), payload("direct", **single)]
        for order, names in (("ranked", SOURCES[1:]), ("random-0", SOURCES[:3])):
            for k, q in ((2, 0.55), (3, 0.62)):
                part = {"sources": names[:k], "order": order, **more}
                found.append(payload("weighted", quality=q, **part))
                found.append(payload("direct", quality=q - 0.1, **part))
        for target in TARGETS:
            own = {"targets": (target,), **more}
            found.append(payload("weighted", quality=0.66, **own))
            single = {**own, "sources": (target,), "order": "single"}
            found.append(payload("supervised", quality=0.9, **single))
            family = (*SOURCES, *(t for t in TARGETS if t != target))
            for system, q in (("weighted", 0.8), ("uniform", 0.75)):
                found.append(payload(system, quality=q, setting="family", sources=family, **own))
    return found


SENTENCES = [
    ("Amina Odhiambo visited Kisumu .", [(0, 2, "PER", 0.93), (3, 4, "LOC", 0.61)]),
    ("Nobody in the market knew Baraka Ltd .", [(5, 7, "ORG", 0.42)]),
    ("The rain stopped in March .", []),
]


def silver_doc(text, entities, number=0):
    """A silver sentence with the votes of two teachers: `en` agrees, `es` sees another place."""
    labels = ("LOC", "ORG", "PER")
    words = text.split()
    doc = Doc(Vocab(), words=words)
    tags = iob2_tags(labels)
    rows = np.full((len(words), len(tags)), 0.5 / (len(tags) - 1))
    rows[:, 0] = 0.5
    weights = {"en": 0.75, "es": 0.25}
    write_silver(doc, Silver(labels, rows, np.ones(len(words)), 1.0, weights))
    scored = [ScoredEntity(*entity) for entity in entities]
    set_hard_reading(doc, scored, rows.max(axis=1), threshold=0.5)
    set_scored_spans(doc, "silver/en", scored)
    last = ScoredEntity(len(words) - 2, len(words) - 1, "LOC", 0.55)
    set_scored_spans(doc, "silver/es", [last])
    doc.user_data["id"] = f"made:{number}"
    return doc


def write_silver_folder(folder: Path, sentences=SENTENCES, targets=("hau", "swa")) -> Path:
    """A folder with one folder of shards a target."""
    for target in targets:
        (folder / target).mkdir(parents=True)
        docs = [silver_doc(*sentence, number=i) for i, sentence in enumerate(sentences)]
        write_docs(folder / target / "part-000000-000000000000.spacy", docs)
    return folder
