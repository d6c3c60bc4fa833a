"""The report of a study: one HTML page that holds all its data and asks no network for anything.

The texts of the page come from result files, which are not trusted. They are embedded as JSON in
which no character can end the element, and the page's script writes them as text, never as HTML. A
Content-Security-Policy allows this one script and this one style, by their hashes, and nothing
else.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from .rows import SINGLE_BEST, SINGLE_CHOSEN, SINGLE_CROSSED, SINGLE_MEAN

SCRIPTS = ("dom.js", "table.js", "charts.js", "figures.js", "silver.js", "main.js")
SYSTEM_NAMES = {
    "direct": "direct transfer",
    "pooled": "the student of the direct model",
    SINGLE_MEAN: "the mean single-source student",
    SINGLE_CHOSEN: "the single-source student chosen without labels",
    SINGLE_CROSSED: "the single-source student chosen by test scores of other seeds",
    SINGLE_BEST: "the single-source student chosen by an oracle",
    "uniform": "the student of the uniform ensemble",
    "weighted": "the weighted student",
    "hybrid": "the student with a language model among its teachers",
}
TITLES = {
    1: "Is a student of all sources better than one of a single source?",
    2: "Is the student better than direct transfer, and does a language model help?",
}


def render(
    summary: Mapping[str, Any],
    *,
    title: str = "Report of a study",
    silver: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> str:
    """Write the page.

    summary (Mapping[str, Any]): See `summary.summarise`.
    title (str): Of the page.
    silver (Optional[Mapping]): Sentences by target, see `silver_sample.sample_silver`.
    RETURNS (str): HTML.
    """
    page = files(f"{__package__}.page")
    style = page.joinpath("style.css").read_text("utf8")
    script = "".join(page.joinpath(name).read_text("utf8") for name in SCRIPTS)
    data = {
        "title": title,
        "summary": summary,
        "headlines": [headlines(section) for section in summary["sections"]],
        "silver": silver,
    }
    parts = {
        "policy": "; ".join(
            (
                "default-src 'none'",
                f"style-src {_hash(style)}",
                f"script-src {_hash(script)}",
                "base-uri 'none'",
                "form-action 'none'",
            )
        ),
        "style": style,
        "script": script,
        "data": embed(data),
    }
    template = page.joinpath("page.html").read_text("utf8")
    # In one pass: what is filled in is not searched for further places to fill.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def embed(data: Any) -> str:
    """JSON that can stand in a script element.

    data (Any): JSON-able, without NaN.
    RETURNS (str): ASCII; "<", ">" and "&" are escaped, so that neither "</script>" nor "<!--" can
        occur, and neither can the line separators that HTML and JavaScript read differently.
    """
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def headlines(section: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The two questions and their answers in words.

    section (Mapping[str, Any]): Of a summary.
    RETURNS (List[Dict[str, Any]]): For each question "title" and "answers", of which each has
        "where", "text" and "verdict". Of several numbers of sources the largest with a figure is
        told; the page has all of them in a table.
    """
    result = []
    for number, title in TITLES.items():
        groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
        for answer in section["questions"]:
            if answer["question"] == number:
                key = (answer["setting"], answer["mode"], answer["a"], answer["b"])
                groups.setdefault(key, []).append(answer)
        told = [
            max(group, key=lambda answer: (answer["comparison"] is not None, answer["k"]))
            for group in groups.values()
        ]
        # What is measured somewhere may be out of the plan elsewhere.
        known = {(x["a"], x["b"]) for x in told if x["comparison"] is not None}
        told = [x for x in told if x["comparison"] is not None or (x["a"], x["b"]) not in known]
        answers = [{"where": _where(x), "text": sentence(x), "verdict": x["verdict"]} for x in told]
        if not answers:
            answers = [{"where": "", "text": "Not measured yet.", "verdict": "missing"}]
        result.append({"title": title, "answers": answers})
    return result


def _where(answer: Mapping[str, Any]) -> str:
    models = "one model for all targets" if answer["mode"] == "one" else "a model for each target"
    return f"{answer['setting']}, {models}"


def sentence(answer: Mapping[str, Any]) -> str:
    """One comparison in words.

    answer (Mapping[str, Any]): One of the "questions" of a section.
    RETURNS (str): A sentence or two; differences are in points of F1.
    """
    a, b = (SYSTEM_NAMES.get(answer[key], answer[key]) for key in ("a", "b"))
    sources = f"{answer['k']} source" + ("s" if answer["k"] != 1 else "")
    subject = f"With {sources}, {a}"
    found = answer["comparison"]
    if found is None:
        return f"{subject}, compared with {b}: not measured yet."
    difference = 100 * found["difference"]
    claim = {
        "better": f"is better than {b} by {difference:.1f} points",
        "worse": f"is worse than {b} by {-difference:.1f} points",
        "open": f"is not told apart from {b}: {_signed(difference)} points",
    }[answer["verdict"]]
    low, high = (_signed(100 * bound) for bound in found["interval"])
    sign = found["sign"]
    languages = sign["wins"] + sign["losses"] + sign["ties"]
    text = (
        f"{subject} {claim} (95 % interval {low} to {high}; p = {found['adjusted']:.3f}, "
        f"corrected for the number of comparisons). It is ahead on {sign['wins']} of "
        f"{languages} languages (sign test, p = {sign['p_value']:.3f})."
    )
    if answer["preliminary"]:
        seeds = f"{found['seeds']} seed" + ("s" if found["seeds"] != 1 else "")
        text += f" Preliminary: {seeds}, where three are needed."
    return text


def _signed(value: float) -> str:
    # A minus sign and not a hyphen; zero has no sign.
    text = f"{abs(value):.1f}"
    return text if text == "0.0" else ("+" if value > 0 else "−") + text
