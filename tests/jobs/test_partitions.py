"""The loop of docs/annotation.md, as Spark, Dask or a user would run it."""

import re
from pathlib import Path

import spacy

from spacy_xner.jobs.verify import verify_shards
from spacy_xner.shards import read_docs

PAGE = Path(__file__).parents[2] / "docs" / "annotation.md"


def test_partitions_of_ones_own(job, tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf8"), re.S)
    monkeypatch.chdir(tmp_path)
    Path("silver").mkdir()
    Path("training").symlink_to(job)
    found: dict = {}
    exec(compile(code, str(PAGE), "exec"), found)
    parts = [["Ana left", "Bob met Ana"], [], ["Lagos is big"]]
    # Partitions come back in any order.
    found["finish"]([found["partition"](i, part) for i, part in reversed(list(enumerate(parts)))])
    assert verify_shards(Path("silver")) == []
    docs = list(read_docs(Path("silver"), spacy.blank("xx").vocab))
    assert [doc.text for doc in docs] == ["Ana left", "Bob met Ana", "Lagos is big"]
    assert [doc.user_data["id"] for doc in docs] == ["0:0", "0:1", "2:0"]
    assert {"Ana", "Lagos"} <= {ent.text for doc in docs for ent in doc.ents}
