import json

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
    (tmp_path / "bad.txt").write_bytes(b"Ana left\n\xff\xfe\nBob\0by\nBob left\n")
    arguments = ("annotate", ensemble, tmp_path / "bad.txt", tmp_path / "silver")
    code, output = xner(*arguments)
    assert (code, "[X205]" in output, "line 2" in output) == (1, True, True), output
    code, output = xner(*arguments, "--skip-bad")
    assert (code, "Left out 2 texts" in output) == (0, True), output
    assert [doc.text for doc in silver(tmp_path / "silver")] == ["Ana left", "Bob left"]


def test_mistakes(xner, world, ensemble, tmp_path):
    out = tmp_path / "out"
    for arguments, expected in [
        ((ensemble, "none.txt", out), "[X601]"),
        ((ensemble, tmp_path / "ensemble" / "vocab", out), "[X007]"),
        (("tagger", "raw.txt", out), "[X410]"),
        (("nowhere", "raw.txt", out), "[X603]"),
        ((ensemble, "raw.txt", out, "--gpu-id", "97"), "[X602]"),
        ((ensemble, "raw.txt", "raw.txt"), "raw.txt"),
    ]:
        code, output = xner("annotate", *arguments)
        assert (code, expected in output) == (1, True), (arguments, output)
    assert not out.exists()
    assert xner("annotate", ensemble, "raw.txt", out, "--shard-size", "0")[0] == 2
