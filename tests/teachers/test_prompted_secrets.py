"""Keys come from the environment, and go nowhere but to the server."""

import logging
import traceback

import fake_llm_server as fake
import pytest
import spacy
from fake_llm_server import fake_server, names
from handmade import ENSEMBLE, save_ruler
from prompting import OPENAI, OURS, doc, prompted, write_config
from spacy.language import Language
from typer.testing import CliRunner

from spacy_xner.cli import app
from spacy_xner.errors import XnerError
from spacy_xner.shards import read_docs
from spacy_xner.silver import read_silver
from spacy_xner.teachers.secrets import find_secret, mask, masked_logs

KEY = "recognisable-key-0123456789"
TEXTS = ["Ana met Bob in Lagos", "It rains", "Bob left", "Lagos is big"]


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("spacy_llm.models.rest.openai.model.OpenAI._verify_auth", lambda _: None)


@pytest.mark.parametrize("model", [OURS, OPENAI])
def test_the_key_is_in_nothing_that_is_written(model, tmp_path, monkeypatch, caplog):
    """From a config to an ensemble, an annotation with faults, its silver, the cache and logs."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.chdir(tmp_path)
    save_ruler(tmp_path / "rules", {"Ana": "PER", "Lagos": "LOC"})
    (tmp_path / "ensemble.cfg").write_text(ENSEMBLE)
    (tmp_path / "raw.txt").write_text("\n".join(TEXTS))
    with fake_server() as server:
        write_config(tmp_path / "prompt.cfg", server.endpoint, model=model)
        good = names("Ana PER", "Lagos LOC", "Zoe PER")
        server.script = {TEXTS[0]: [good], TEXTS[2]: [fake.DENIED], TEXTS[3]: [fake.SLOW]}
        commands = [
            "ensemble ensemble.cfg out --prompted gpt=prompt.cfg --span-teacher rules=rules "
            "--samples 2",
            "annotate out raw.txt silver",
            "annotate out raw.txt again",
        ]
        results = [CliRunner().invoke(app, command.split()) for command in commands]
        said = [" ".join(result.output.split()) for result in results]
        assert [result.exit_code for result in results] == [0, 0, 0], said
        assert set(server.keys) == {f"Bearer {KEY}"}
        # Two samples each; only what failed is asked again.
        assert (server.asked[TEXTS[0]], server.asked[TEXTS[1]]) == (2, 2)
        assert (server.asked[TEXTS[2]], server.asked[TEXTS[3]]) == (4, 8)
    told = "gpt: 2 time-outs, 2 errors, 2 spans that are not in the text"
    assert f"Left out answers of {told}, 2 documents without an answer" in said[1]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"responses.sqlite", "ensemble.json", "manifest.jsonl"} <= {f.name for f in files}
    for path in files:
        assert KEY.encode() not in path.read_bytes(), path
    assert KEY not in caplog.text and not any(KEY in str(r.__dict__) for r in caplog.records)
    assert KEY not in "".join(said)
    # The silver annotations are compressed: look into them too.
    for found in read_docs(tmp_path / "silver", spacy.blank("xx").vocab):
        assert KEY not in str(found.user_data) + found.text + str(found.to_json())
        weights = read_silver(found).teacher_weights
        failed = found.text in TEXTS[2:]
        assert weights == ({"rules": 1.0, "gpt": 0.0} if failed else {"rules": 0.5, "gpt": 0.5})
        assert ("silver/gpt" in found.spans) is not failed
    # And what failed shows in no other place.
    assert not any(text in caplog.text for text in TEXTS[2:])


def test_a_key_goes_to_the_endpoint_that_it_is_for_only(tmp_path, monkeypatch):
    monkeypatch.setenv("MINE_KEY", "the-other-key-0123456789")
    with fake_server() as server:
        for more in ('variable = "MINE_KEY"', 'variable = "NOT_SET"'):
            path = write_config(tmp_path / "p.cfg", server.endpoint, more=f"{more}\n")
            prompted(path).distributions([doc("It rains")])
        assert server.keys == ["Bearer the-other-key-0123456789", None]


@pytest.mark.parametrize(
    ("more", "setting"),
    [
        (f'api_key = "{KEY}"', "model.api_key"),
        ('headers = {"X": "y"}', "model.headers"),
        (f'variable = "{KEY}"', "model.variable"),
        ('[components.llm.model.auth]\ntoken = "abc"', "model.auth.token"),
    ],
)
def test_a_key_in_a_config_is_refused_and_not_shown(tmp_path, more, setting):
    path = write_config(tmp_path / "p.cfg", "http://127.0.0.1:9", more=f"{more}\n")
    with pytest.raises(XnerError, match="X451") as caught:
        prompted(path).load()
    assert f"components.llm.{setting}" in str(caught.value)
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_a_key_in_a_line_that_cannot_be_read_is_not_shown(tmp_path):
    (tmp_path / "p.cfg").write_text('[nlp]\nlang = 1\nsk-abcdefghijklmnopqrst\n"Bearer abc"\n')
    with pytest.raises(XnerError, match="X607") as caught:
        prompted(tmp_path / "p.cfg").load()
    said = "".join(traceback.format_exception(caught.value))
    assert "***" in said and "abcdef" not in said and "abc" not in said


def test_a_key_in_a_saved_pipeline_is_refused(tmp_path):
    with fake_server() as server:
        from spacy_llm.util import assemble

        path = write_config(tmp_path / "p.cfg", server.endpoint)
        assemble(path).to_disk(tmp_path / "saved")
    config = tmp_path / "saved" / "config.cfg"
    config.write_text(config.read_text().replace('name = "fake"', f'name = "{KEY}"'))
    with pytest.raises(XnerError, match="X451"):
        prompted(tmp_path / "saved").load()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"model": {"api-key": "x"}}, "model.api-key"),
        ({"model": {"config": {"openai_api_key": "x"}}}, "model.config.openai_api_key"),
        ({"a": [{"password": "x"}]}, "a.password"),
        ({"a": {"default_headers": {"X": "y"}}}, "a.default_headers"),
        ({"a": {"name": "sk-abcdefghijklmnopqrst"}}, "a.name"),
        ({"a": ["Bearer abc"]}, "a"),
        ({"a": {"url": "https://me:word@host/v1"}}, "a.url"),
        ({"a": {"url": "https://host/v1?key=abc"}}, "a.url"),
        ({"a": {"url": f"https://host/{KEY}"}}, "a.url"),
        ({"a": {"url": "https://host/v1?version=2"}}, None),
        ({"a": {"spans_key": "sc", "max_tokens": 5, "token": None, "use_auth_token": True}}, None),
        ({"a": {"tokens": "teacher", "keys": "x", "tokenizer": "y"}}, None),
    ],
)
def test_what_seems_to_be_a_secret(settings, expected):
    assert find_secret(settings) == expected


def test_the_configs_of_spacy_hold_no_secret():
    nlp = spacy.blank("en")
    for name in ("ner", "spancat", "entity_ruler", "xner", "teacher_ensemble"):
        nlp.add_pipe(name)
    assert find_secret(nlp.config) is None
    assert find_secret(Language.default_config) is None


def test_errors_of_a_server_that_says_the_key(tmp_path, monkeypatch):
    def verify(self):
        raise ValueError(f"no such model for https://host/v1?key={KEY}")

    monkeypatch.setattr("spacy_llm.models.rest.openai.model.OpenAI._verify_auth", verify)
    path = write_config(tmp_path / "p.cfg", "http://127.0.0.1:9", model=OPENAI)
    with pytest.raises(XnerError, match="X401") as caught:
        prompted(path).load()
    assert "no such model" in str(caught.value)
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_warnings_of_a_server_that_says_the_key(tmp_path, monkeypatch):
    import warnings

    monkeypatch.setattr(
        "spacy_llm.models.rest.openai.model.OpenAI._verify_auth",
        lambda _: warnings.warn(f"wrong key {KEY}", stacklevel=1),
    )
    path = write_config(tmp_path / "p.cfg", "http://127.0.0.1:9", model=OPENAI)
    with pytest.warns(UserWarning, match=r"wrong key \*\*\*"):
        prompted(path).load()


def test_logs_of_libraries_are_masked_while_a_model_is_asked(caplog):
    caplog.set_level(logging.DEBUG)
    logger = logging.getLogger("urllib3.connectionpool")
    with masked_logs():
        logger.debug("POST %s", f"/v1?key={KEY}")
    assert caplog.messages == ["POST /v1?key=***"]
    assert not logger.filters
    assert mask(f"{KEY} and {KEY}") == "*** and ***"
