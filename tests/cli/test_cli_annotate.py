import json
import subprocess
import sys

import spacy
from spacy.tokens import Doc

from spacy_xner.shards import read_docs, write_docs


def silver(folder):
    return list(read_docs(folder, spacy.blank("xx").vocab))


def test_annotate_then_nothing_to_do(xner, ensemble, tmp_path):
    out = tmp_path / "silver"
    code, output = xner("annotate", ensemble, "raw.txt", out, "--shard-size", "2")
    assert code == 0, output
    assert "3 documents in 2 shards" in output
    docs = silver(out)
    assert [doc.text for doc in docs] == ["Ana met Bob in Lagos", "Lagos is big", "Bob left"]
    assert {ent.label_ for doc in docs for ent in doc.ents} == {"LOC", "PER"}
    assert [doc.user_data["id"] for doc in docs] == ["raw.txt:1", "raw.txt:3", "raw.txt:4"]
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.spacy")}
    assert xner("annotate", ensemble, "raw.txt", out, "--shard-size", "2")[0] == 0
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.spacy")} == before


def test_another_run_into_the_same_folder(xner, ensemble, tmp_path):
    arguments = ("annotate", ensemble, "raw.txt", tmp_path / "silver")
    assert xner(*arguments)[0] == 0
    code, output = xner(*arguments, "--limit", "1")
    assert (code, "[X411]" in output) == (1, True), output
    assert len(silver(tmp_path / "silver")) == 3
    assert xner(*arguments, "--limit", "1", "--force")[0] == 0
    assert len(silver(tmp_path / "silver")) == 1


def test_tokens_are_kept_where_they_are_given(xner, ensemble, tmp_path):
    (tmp_path / "a.txt").write_text("Ana's Bob-Lagos\n")
    assert xner("annotate", ensemble, tmp_path / "a.txt", tmp_path / "o", "--tokenised")[0] == 0
    assert [token.text for token in silver(tmp_path / "o")[0]] == ["Ana's", "Bob-Lagos"]
    data = json.dumps({"tokens": ["Ana", "'s", "Bob-Lagos"], "id": 7})
    (tmp_path / "b.jsonl").write_text(data + "\n")
    assert xner("annotate", ensemble, tmp_path / "b.jsonl", tmp_path / "p")[0] == 0
    (doc,) = silver(tmp_path / "p")
    assert ([token.text for token in doc], doc.user_data["id"]) == (["Ana", "'s", "Bob-Lagos"], "7")
    vocab = spacy.blank("xx").vocab
    gold = Doc(vocab, words=["Ana-Bob", "left"], ents=["B-ZZZ", "O"])
    write_docs(tmp_path / "c.spacy", [gold])
    assert xner("annotate", ensemble, tmp_path / "c.spacy", tmp_path / "q")[0] == 0
    (doc,) = silver(tmp_path / "q")
    assert [token.text for token in doc] == ["Ana-Bob", "left"]
    assert "ZZZ" not in {ent.label_ for ent in doc.ents}


def test_text_with_evaluation_sentences_is_refused(xner, ensemble, tmp_path):
    (tmp_path / "leaky.txt").write_text("Something new\nkofi LIVES in Accra!\n")
    arguments = ("annotate", ensemble, tmp_path / "leaky.txt", tmp_path / "silver")
    code, output = xner(*arguments, "--against", "gold.spacy")
    assert (code, "[X206]" in output, "kofi LIVES" in output) == (1, True, True), output
    assert not (tmp_path / "silver").exists()
    assert xner("annotate", ensemble, "raw.txt", tmp_path / "ok", "--against", "gold.spacy")[0] == 0


def test_bad_lines(xner, ensemble, tmp_path):
    """They are left out, and the rest is annotated; too many of them are an error at the end."""
    (tmp_path / "bad.txt").write_bytes(b"Ana left\n\xff\xfe\nBob\0by\nBob left\n")
    arguments = ("annotate", ensemble, tmp_path / "bad.txt", tmp_path / "silver")
    code, output = xner(*arguments)
    assert (code, "[X460]" in output, "bad.txt:2: it is not UTF-8" in output) == (3, True, True)
    assert [doc.text for doc in silver(tmp_path / "silver")] == ["Ana left", "Bob left"]
    code, output = xner(*arguments, "--max-failures", "0.5")
    assert (code, "Left out 2 texts that failed" in output) == (0, True), output
    (letters,) = (tmp_path / "silver" / "dead-letters").iterdir()
    rows = [json.loads(line) for line in letters.read_text("utf8").splitlines()]
    assert [row["where"] for row in rows] == ["bad.txt:2", "bad.txt:3"]


def test_standard_input(ensemble, tmp_path):
    """Through a real pipe, packed before; it goes on where it stopped if it gets the same text."""
    lines = [json.dumps({"text": f"Ana met {i} in Lagos", "page": i}) for i in range(5)]
    command = [sys.executable, "-m", "spacy", "xner", "annotate", str(ensemble), "-"]
    command += [str(tmp_path / "silver"), "--stdin-format", "jsonl", "--shard-size", "2"]

    def run(rows):
        text = "".join(f"{row}\n" for row in rows)
        return subprocess.run(command, input=text, capture_output=True, text=True)

    done = run(lines)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [doc.user_data["meta"]["page"] for doc in silver(tmp_path / "silver")] == list(range(5))
    sorted((tmp_path / "silver").glob("*.spacy"))[1].unlink()
    assert run(lines).returncode == 0
    assert len(silver(tmp_path / "silver")) == 5
    done = run([lines[1], *lines[1:]])
    assert (done.returncode, "[X461]" in done.stdout) == (1, True), done.stdout


def test_a_changed_input_is_refused_or_mixed(xner, ensemble, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("Ana left\nBob left\nZuri left\n")
    arguments = ("annotate", ensemble, path, tmp_path / "silver", "--shard-size", "1")
    assert xner(*arguments)[0] == 0
    path.write_text("Ana left\nBob came\nZuri left\nAna came\n")
    code, output = xner(*arguments)
    assert (code, "[X411]" in output, "changed: input" in output) == (1, True, True), output
    assert len(silver(tmp_path / "silver")) == 3
    assert xner(*arguments, "--mix")[0] == 0
    assert [doc.text for doc in silver(tmp_path / "silver")] == path.read_text().splitlines()
    lines = (tmp_path / "silver" / "log.jsonl").read_text().splitlines()
    shards = [json.loads(line) for line in lines if '"shard"' in line][-4:]
    assert [event["fresh"] for event in shards] == [False, True, False, True]


def test_mistakes(xner, world, ensemble, tmp_path):
    out = tmp_path / "out"
    for arguments, expected in [
        ((ensemble, "none.txt", out), "[X601]"),
        ((ensemble, tmp_path / "ensemble" / "vocab", out), "[X007]"),
        (("tagger", "raw.txt", out), "[X410]"),
        (("nowhere", "raw.txt", out), "[X603]"),
        ((ensemble, "raw.txt", out, "--gpu-id", "97"), "[X602]"),
        ((ensemble, "raw.txt", "raw.txt"), "raw.txt"),
        ((ensemble, "-", out, "--against", "gold.spacy"), "[X462]"),
        ((ensemble, "-", out, "--engine", "ray"), "[X462]"),
    ]:
        code, output = xner("annotate", *arguments)
        assert (code, expected in output) == (1, True), (arguments, output)
    assert not out.exists()
    assert xner("annotate", ensemble, "raw.txt", out, "--shard-size", "0")[0] == 2
