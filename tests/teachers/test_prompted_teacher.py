"""A prompted model as a teacher: what it says, what it costs, and what it survives."""

import logging
import subprocess
import sys
import time
from pathlib import Path

import fake_llm_server as fake
import numpy as np
import pytest
from fake_llm_server import fake_server, names
from prompting import OPENAI, OURS, doc, prompted, write_config

from spacy_xner.errors import XnerError
from spacy_xner.teachers.base import Teacher
from spacy_xner.teachers.cached import CachedTeacher
from spacy_xner.teachers.faults import faults_of, tell_faults
from spacy_xner.teachers.responses import FILE

# Columns: O, B-LOC, I-LOC, B-PER, I-PER.
OUT, B_LOC, I_LOC, B_PER, I_PER = np.eye(5)
TEXT = "Ana met Bob in Dar Salaam"
GOOD = names("Ana PER", "Dar Salaam LOC")


@pytest.fixture
def server():
    with fake_server() as found:
        found.script[TEXT] = [GOOD]
        yield found


@pytest.fixture(autouse=True)
def local(monkeypatch):
    """No proxy stands between the tests and their server; OpenAI's host is never asked."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none-of-your-business")
    monkeypatch.setattr("spacy_llm.models.rest.openai.model.OpenAI._verify_auth", lambda _: None)


@pytest.fixture(params=[OURS, OPENAI])
def config(request, server, tmp_path):
    """A config of each model that speaks the protocol."""
    return write_config(tmp_path / "prompt.cfg", server.endpoint, model=request.param)


@pytest.fixture
def ours(server, tmp_path):
    return write_config(tmp_path / "prompt.cfg", server.endpoint)


def counted(teacher):
    return {kind: n for kind, n in teacher.faults.items() if n}


# What it says


def test_spans_become_distributions(config, server):
    teacher = prompted(config)
    assert isinstance(teacher, Teacher)
    (rows,) = teacher.distributions([doc(TEXT)])
    assert teacher.labels == ("LOC", "PER")
    np.testing.assert_allclose(rows, [B_PER, OUT, OUT, OUT, B_LOC, I_LOC])
    assert (server.requests, counted(teacher)) == (1, {})
    assert server.bodies[0]["model"] == "fake"
    assert server.bodies[0]["temperature"] == 1.0


def test_repeated_samples_become_frequencies(config, server):
    server.script[TEXT] = [GOOD, GOOD, names("Ana PER", "Bob PER"), names("Ana LOC")]
    (rows,) = prompted(config, samples=4).distributions([doc(TEXT)])
    half = 0.5 * OUT + 0.5 * B_LOC
    expected = [0.75 * B_PER + 0.25 * B_LOC, OUT, 0.75 * OUT + 0.25 * B_PER, OUT, half]
    np.testing.assert_allclose(rows[:5], expected)
    assert server.requests == 4


def test_certainty_smooths_frequencies(ours, server):
    server.script[TEXT] = [GOOD, names("Bob PER")]
    (rows,) = prompted(ours, samples=2, certainty=0.8).distributions([doc(TEXT)])
    np.testing.assert_allclose(rows[0], [0.425, 0.05, 0.05, 0.425, 0.05])
    np.testing.assert_allclose(rows[1], [0.8, 0.05, 0.05, 0.05, 0.05])
    np.testing.assert_allclose(rows.sum(axis=1), 1.0)


def test_a_failed_sample_is_left_out_of_the_frequencies(config, server):
    server.script[TEXT] = [GOOD, fake.BROKEN, names("Ana PER"), fake.NO_JSON]
    teacher = prompted(config, samples=4)
    (rows,) = teacher.distributions([doc(TEXT)])
    np.testing.assert_allclose(rows[4], 0.5 * OUT + 0.5 * B_LOC)
    np.testing.assert_allclose(rows[0], B_PER)
    assert counted(teacher) == {"errors": 1, "malformed": 1}


def test_the_list_form_of_the_second_version(server, tmp_path):
    path = write_config(tmp_path / "v2.cfg", server.endpoint, version="v2")
    server.script[TEXT] = ["PER: Ana, Zoe\nLOC: Dar Salaam"]
    server.script["It rains"] = ["LOC:\nPER: None"]
    server.script["Bob left"] = ["I think that Bob is a person."]
    teacher = prompted(path)
    found = teacher.distributions([doc(TEXT), doc("It rains"), doc("Bob left")])
    np.testing.assert_allclose(found[0], [B_PER, OUT, OUT, OUT, B_LOC, I_LOC])
    np.testing.assert_allclose(found[1], [OUT, OUT])
    assert not found[2].any()
    assert counted(teacher) == {"not_in_text": 1, "malformed": 1, "abstained": 1}


@pytest.mark.parametrize(
    "answer", ["None", "No entities found.", "There are no named entities in the text.", "N/A"]
)
def test_no_entities_is_an_answer(ours, server, answer):
    server.script["It rains"] = [answer]
    teacher = prompted(ours)
    (rows,) = teacher.distributions([doc("It rains")])
    np.testing.assert_allclose(rows, [OUT, OUT])
    assert counted(teacher) == {}


def test_own_tokens_of_the_teacher(server, tmp_path):
    """Silence stays silence where the teacher's tokens differ from the ensemble's."""
    path = write_config(tmp_path / "en.cfg", server.endpoint, lang="en")
    server.script["Ana's dog"] = [names("Ana PER")]
    server.script["Bob's dog"] = [fake.BROKEN]
    teacher = prompted(path, tokens="teacher")
    ana, bob = teacher.distributions([doc("Ana's dog"), doc("Bob's dog")])
    np.testing.assert_allclose(ana, [B_PER, OUT])
    assert bob.shape == (2, 5) and not bob.any()


def test_a_long_document_is_prompted_in_parts(server, tmp_path):
    words = [f"w{i}" for i in range(200)]
    words[3], words[150] = "Ana", "Lagos"
    server.script = dict.fromkeys([" ".join(words)], [fake.BROKEN])
    path = write_config(tmp_path / "p.cfg", server.endpoint, context=280)
    server.next_answer = _finds(server, Ana="PER", Lagos="LOC")
    (rows,) = prompted(path).distributions([doc(" ".join(words))])
    assert server.requests > 1
    assert np.flatnonzero(rows[:, 0] == 0).tolist() == [3, 150]
    np.testing.assert_allclose(rows[[3, 150]], [B_PER, B_LOC])


def _finds(server, **known):
    def answer(body):
        text = body["messages"][0]["content"].rpartition("Paragraph: ")[2].split()
        server.asked["part"] += 1
        return (
            names(*(f"{name} {label}" for name, label in known.items() if name in text)) or "None"
        )

    return answer


def test_other_components_run_too(ours, server):
    more = '\n[components.entity_ruler]\nfactory = "entity_ruler"\nvalidate = false\n'
    ours.write_text(ours.read_text().replace('["llm"]', '["llm", "entity_ruler"]') + more)
    teacher = prompted(ours)
    ruler = teacher.nlp.get_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PER", "pattern": "Bob"}, {"label": "DATE", "pattern": "in"}])
    (rows,) = teacher.distributions([doc(TEXT)])
    # What is not among the labels is O.
    np.testing.assert_allclose(rows, [B_PER, OUT, B_PER, OUT, B_LOC, I_LOC])


def test_documents_without_tokens_cost_nothing(ours, server):
    teacher = prompted(ours, samples=3)
    (rows,) = teacher.distributions([doc("")])
    assert (rows.shape, server.requests, counted(teacher)) == ((0, 5), 0, {})


# What it survives


@pytest.mark.parametrize(
    ("behaviour", "kind", "tries"),
    [
        (fake.SLOW, "timeouts", 2),
        (fake.BUSY, "errors", 2),
        (fake.BROKEN, "errors", 1),
        (fake.DENIED, "errors", 1),
        (fake.NO_JSON, "malformed", 1),
        (fake.NO_CHOICES, "malformed", 1),
        (fake.REFUSED, "refusals", 1),
        (fake.EMPTY, "refusals", 1),
        ("Sure! Ana is a person.", "malformed", 1),
        ("| | |", "malformed", 1),
    ],
)
def test_a_fault_is_counted_and_skipped(config, server, tmp_path, behaviour, kind, tries):
    server.script[TEXT] = [behaviour]
    teacher = prompted(config, cache=str(tmp_path / "cache"))
    bad, good = teacher.distributions([doc(TEXT), doc("It rains")])
    assert bad.shape == (6, 5) and not bad.any()
    np.testing.assert_allclose(good, [OUT, OUT])
    assert counted(teacher) == {kind: 1, "abstained": 1}
    assert server.asked[TEXT] == tries
    # It is asked again the next time, and what was answered is not.
    server.script[TEXT] = [GOOD]
    again = prompted(config, cache=str(tmp_path / "cache"))
    assert again.distributions([doc(TEXT), doc("It rains")])[0].any()
    assert (server.asked[TEXT], server.asked["It rains"]) == (tries + 1, 1)
    assert counted(again) == {}


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [(fake.FILTERED, "refusals"), (fake.BLOCKED, "refusals"), (fake.CUT, "malformed")],
)
def test_what_only_our_model_tells(ours, server, behaviour, kind):
    server.script[TEXT] = [behaviour]
    teacher = prompted(ours)
    assert not teacher.distributions([doc(TEXT)])[0].any()
    assert counted(teacher) == {kind: 1, "abstained": 1}


def test_retries_of_the_model_come_first(config, server):
    server.script[TEXT] = [fake.BUSY, GOOD]
    teacher = prompted(config)
    assert teacher.distributions([doc(TEXT)])[0].any()
    assert (server.requests, counted(teacher)) == (2, {})


def test_a_span_that_is_not_in_the_text_is_counted_and_the_others_stay(config, server, tmp_path):
    server.script[TEXT] = [names("Ana PER", "Zanzibar LOC", "ana PER")]
    for _ in range(2):  # also when the answer comes from the cache
        teacher = prompted(config, cache=str(tmp_path))
        (rows,) = teacher.distributions([doc(TEXT)])
        np.testing.assert_allclose(rows[0], B_PER)
        assert counted(teacher) == {"not_in_text": 1}
    assert server.requests == 1


def test_text_that_is_no_unicode_is_an_answer_too(ours, server, tmp_path):
    server.script[TEXT] = [names("Ana PER") + "\n\ud800"]
    for _ in range(2):
        teacher = prompted(ours, cache=str(tmp_path / "cache"))
        np.testing.assert_allclose(teacher.distributions([doc(TEXT)])[0][0], B_PER)
    assert (server.requests, counted(teacher)) == (1, {})


def test_nobody_listens(tmp_path):
    with fake_server() as gone:
        path = write_config(tmp_path / "p.cfg", gone.endpoint)
    teacher = prompted(path)
    assert not teacher.distributions([doc(TEXT)])[0].any()
    assert counted(teacher) == {"errors": 1, "abstained": 1}


def test_a_parser_that_fails_is_malformed_and_not_kept(ours, server, tmp_path, monkeypatch):
    def explode(*args):
        raise KeyError("no such thing")

    teacher = prompted(ours, cache=str(tmp_path / "cache"))
    monkeypatch.setattr(teacher.nlp.get_pipe("llm").task, "assign_spans", explode)
    assert not teacher.distributions([doc(TEXT)])[0].any()
    assert counted(teacher) == {"malformed": 1, "abstained": 1}
    prompted(ours, cache=str(tmp_path / "cache")).distributions([doc(TEXT)])
    assert server.requests == 2


def test_faults_are_told_on_one_line(ours, server):
    server.script[TEXT] = [fake.BROKEN]
    teacher = prompted(ours, samples=2)
    assert (
        tell_faults({"gpt": faults_of(teacher), "cached": faults_of(CachedTeacher(teacher, None))})
        == ""
    )
    teacher.distributions([doc(TEXT)])
    assert (
        tell_faults({"gpt": faults_of(teacher)}) == "gpt: 2 errors, 1 documents without an answer"
    )


# What it costs


def test_a_second_run_asks_nothing(config, server, tmp_path):
    server.script[TEXT] = [GOOD, names("Bob PER"), "None"]
    docs = [doc(TEXT), doc("It rains"), doc(TEXT)]
    first = prompted(config, samples=3, cache=str(tmp_path)).distributions(docs)
    assert server.requests == 6
    second = prompted(config, samples=3, cache=str(tmp_path)).distributions(docs)
    assert server.requests == 6
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_more_samples_ask_only_for_the_new_ones(ours, server, tmp_path):
    server.script[TEXT] = [GOOD, "None", "None"]
    prompted(ours, cache=str(tmp_path)).distributions([doc(TEXT)])
    (rows,) = prompted(ours, samples=3, cache=str(tmp_path)).distributions([doc(TEXT)])
    assert server.requests == 3
    np.testing.assert_allclose(rows[0], 2 / 3 * OUT + 1 / 3 * B_PER)


@pytest.mark.parametrize(
    ("old", "new", "asked"),
    [
        ('name = "fake"', 'name = "other"', 2),
        ('{"temperature": 1.0}', '{"temperature": 0.5}', 2),
        ('["LOC", "PER"]', '["LOC", "ORG", "PER"]', 2),
        ("max_request_time = 0.3", "max_request_time = 0.4", 1),
        ("max_tries = 1", "max_tries = 2", 1),
    ],
)
def test_another_model_or_prompt_is_another_question(ours, server, tmp_path, old, new, asked):
    prompted(ours, cache=str(tmp_path)).distributions([doc(TEXT)])
    ours.write_text(ours.read_text().replace(old, new))
    prompted(ours, cache=str(tmp_path)).distributions([doc(TEXT)])
    assert server.requests == asked


def test_what_a_variable_stands_for_counts(ours, server, tmp_path):
    text = ours.read_text().replace('name = "fake"', "name = ${vars.model}")
    ours.write_text(text + '\n[vars]\nmodel = "small"\n')
    prompted(ours, cache=str(tmp_path)).distributions([doc(TEXT)])
    ours.write_text(ours.read_text().replace("small", "large"))
    prompted(ours, cache=str(tmp_path)).distributions([doc(TEXT)])
    assert [body["model"] for body in server.bodies] == ["small", "large"]


def test_a_prompt_goes_nowhere_else(ours, server):
    server.script[TEXT] = [fake.MOVED]
    teacher = prompted(ours)
    (rows,) = teacher.distributions([doc(TEXT)])
    assert not rows.any()
    assert (server.elsewhere, teacher.faults["errors"]) == (0, 1)


KILLED = """
import sys; sys.path.insert(0, {tests!r})
from prompting import doc, prompted
prompted({path!r}, cache={cache!r}).distributions([doc(text) for text in {texts!r}])
"""


def test_a_killed_run_loses_no_answer(server, tmp_path):
    path = write_config(tmp_path / "p.cfg", server.endpoint, patience=30)
    texts = ["one", "two", "three", "four"]
    server.script["three"] = [fake.SLOW, "None"]
    settings = {"path": str(path), "cache": str(tmp_path), "texts": texts}
    code = KILLED.format(tests=str(Path(__file__).parent), **settings)
    process = subprocess.Popen([sys.executable, "-c", code])
    for _ in range(1200):
        if server.asked["three"] or process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert dict(server.asked) == {"one": 1, "two": 1, "three": 1}
    teacher = prompted(path, cache=str(tmp_path))
    teacher.distributions([doc(text) for text in texts])
    assert dict(server.asked) == {"one": 1, "two": 1, "three": 2, "four": 1}
    assert counted(teacher) == {}


def test_a_cache_that_cannot_be_used(ours, tmp_path):
    (tmp_path / FILE).write_text("no database")
    with pytest.raises(XnerError, match="X453"):
        prompted(ours, cache=str(tmp_path)).distributions([doc(TEXT)])


# How it is set up


def test_the_config_of_the_documentation(server, tmp_path):
    page = Path(__file__).parents[2] / "docs" / "new-language.md"
    section = page.read_text("utf8").partition("## A prompted model as a teacher")[2]
    block = section.partition("```ini\n")[2].partition("```")[0]
    text = block.replace("http://127.0.0.1:8000/v1/chat/completions", server.endpoint)
    assert text != block
    (tmp_path / "prompt.cfg").write_text(text, encoding="utf8")
    teacher = prompted(tmp_path / "prompt.cfg")
    assert teacher.distributions([doc(TEXT)])[0].shape == (6, 7)
    assert teacher.labels == ("LOC", "ORG", "PER")
    (body,) = server.bodies
    assert (body["model"], body["temperature"]) == ("my-model", 1.0)
    assert "answer: None" in body["messages"][0]["content"]


def test_a_saved_pipeline_is_a_teacher(ours, server, tmp_path):
    from spacy_llm.util import assemble

    assemble(ours).to_disk(tmp_path / "saved")
    teacher = prompted(tmp_path / "saved")
    np.testing.assert_allclose(teacher.distributions([doc(TEXT)])[0][0], B_PER)
    assert len(teacher.specification()["sha256"]) == 64


def test_specification_hangs_on_the_config_and_the_files_that_it_names(ours, tmp_path):
    shots = tmp_path / "shots.json"
    shots.write_text('[{"text": "Bo ran", "spans": []}]')
    ours.write_text(
        ours.read_text() + "\n[components.llm.task.examples]\n"
        f'@misc = "spacy.FewShotReader.v1"\npath = "{shots}"\n'
    )
    first = prompted(ours).specification()
    assert (first["samples"], first["certainty"], first["kind"]) == (1, 1.0, "PromptedTeacher")
    assert prompted(ours).specification() == first
    shots.write_text('[{"text": "Bo sat", "spans": []}]')
    assert prompted(ours).specification()["sha256"] != first["sha256"]


def test_labels_of_another_task_are_named(ours):
    assert prompted(ours, labels=["PER"]).labels == ("PER",)
    ours.write_text(ours.read_text().replace('["LOC", "PER"]', "[]"))
    with pytest.raises(XnerError, match="X452"):
        prompted(ours).load()


@pytest.mark.parametrize(
    ("settings", "code"), [({"samples": 0}, "X308"), ({"certainty": 0.0}, "X308")]
)
def test_wrong_settings(settings, code):
    with pytest.raises(XnerError, match=code):
        prompted("p.cfg", **settings)


def test_without_spacy_llm(ours, monkeypatch):
    monkeypatch.setattr("spacy_xner.teachers.prompted.find_spec", lambda name: None)
    with pytest.raises(XnerError, match=r"X450.*spacy-xner\[prompted\]"):
        prompted(ours).load()


def test_nothing_is_imported_before_it_is_used():
    code = (
        "import spacy_xner.teachers.prompted, sys; "
        "sys.exit(any(m.startswith('spacy_llm') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_what_cannot_be_loaded(tmp_path):
    with pytest.raises(XnerError, match="X401"):
        prompted(tmp_path / "nowhere").load()
    (tmp_path / "bad.cfg").write_text("[nlp\n")
    with pytest.raises(XnerError, match="X607"):
        prompted(tmp_path / "bad.cfg").load()
    path = write_config(tmp_path / "p.cfg", "http://127.0.0.1:9", more="colour = 3\n")
    with pytest.raises(XnerError, match="X401"):
        prompted(path).load()


def test_a_cached_teacher_does_not_keep_silence(ours, server, tmp_path):
    server.script[TEXT] = [fake.BROKEN, GOOD]
    kept = prompted(ours, cache=str(tmp_path / "responses"))
    teacher = CachedTeacher(kept, tmp_path / "answers")
    docs = [doc(TEXT), doc("It rains")]
    found = teacher.distributions(docs)
    assert not found[0].any() and found[1].any()
    assert faults_of(teacher)["abstained"] == 1
    assert teacher.distributions(docs)[0].any()
    assert teacher.distributions(docs)[0].any()
    assert dict(server.asked) == {TEXT: 2, "It rains": 1}


def test_faults_are_logged_without_prompts(ours, server, caplog):
    caplog.set_level(logging.DEBUG)
    server.script[TEXT] = [fake.BROKEN]
    prompted(ours).distributions([doc(TEXT)])
    (record,) = (r for r in caplog.records if r.name.startswith("spacy_xner"))
    assert record.getMessage().endswith("errors HTTP 500")
    assert "Salaam" not in caplog.text


def test_a_cached_teacher_does_not_keep_half_of_the_samples(ours, server, tmp_path):
    server.script[TEXT] = [names("Ana PER"), fake.BROKEN, "None"]
    settings = {"samples": 2, "cache": str(tmp_path / "responses")}
    cached = CachedTeacher(prompted(ours, **settings), tmp_path / "answers")
    (half,) = cached.distributions([doc(TEXT)])
    (whole,) = cached.distributions([doc(TEXT)])
    assert (half != whole).any()
    assert server.requests == 3  # only what failed was asked again
    cached.distributions([doc(TEXT)])
    assert server.requests == 3
