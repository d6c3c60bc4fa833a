import re
import shutil
import subprocess

import pytest

from spacy_xner.checksums import SUMS, check_sums, read_sums, update_sum, write_sums
from spacy_xner.errors import XnerError
from spacy_xner.evaluation.temperature import set_temperature


@pytest.fixture
def model(make_xner, tmp_path):
    nlp = make_xner()
    nlp.get_pipe("xner").add_label("PER")
    nlp.initialize()
    nlp.to_disk(tmp_path / "model")
    write_sums(tmp_path / "model")
    return tmp_path / "model"


def test_all_files_are_listed_but_those_that_packaging_changes(model):
    names = {p.relative_to(model).as_posix() for p in model.rglob("*") if p.is_file()}
    assert set(read_sums(model / SUMS)) == names - {SUMS, "meta.json"}
    assert "xner/model" in names
    assert check_sums(model) == []


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="no coreutils")
def test_sha256sum_reads_the_list(model):
    def run():
        return subprocess.run(["sha256sum", "--check", SUMS], cwd=model, capture_output=True)

    assert run().returncode == 0
    (model / "config.cfg").write_text("[nlp]\n")
    assert run().returncode == 1


def test_every_fault_is_found(model):
    size = (model / "xner/model").stat().st_size
    with (model / "xner/model").open("r+b") as file:
        file.seek(size // 2)
        byte = file.read(1)
        file.seek(size // 2)
        file.write(bytes([byte[0] ^ 1]))
    (model / "vocab/strings.json").unlink()
    (model / "more").mkdir()
    (model / "more/code.py").write_text("")
    (model / "elsewhere").symlink_to(model.parent)
    changed, missing, *added = sorted(check_sums(model), key=lambda line: "is not in" in line)
    if "missing" in changed:
        changed, missing = missing, changed
    assert re.search(r"xner/model has changed: found the sha256 \w{64}, expected \w{64}$", changed)
    assert re.search(r"vocab/strings.json is missing, expected the sha256 \w{64}$", missing)
    assert [line.split(" is not in")[0] for line in added] == [
        str(model / "elsewhere"),
        str(model / "more/code.py"),
    ]


def test_a_model_without_a_list(model):
    (model / SUMS).unlink()
    (problem,) = check_sums(model)
    assert "cannot be verified" in problem
    update_sum(model, "config.cfg")
    assert not (model / SUMS).exists()


@pytest.mark.parametrize(
    "line", ["", "0" * 63 + "  a", "0" * 64 + "  ", "0" * 64 + "  ../a", "0" * 64 + "  /etc/passwd"]
)
def test_a_damaged_list(model, line):
    (model / SUMS).write_text(f"{'0' * 64}  fine\n{line}\n")
    with pytest.raises(XnerError, match="X705.*line 2"):
        check_sums(model)


def test_a_change_on_purpose(model):
    before = read_sums(model / SUMS)
    assert set_temperature(model, 2.0)
    assert check_sums(model) == []
    after = read_sums(model / SUMS)
    assert {name for name in before if before[name] != after[name]} == {"config.cfg"}


def test_a_change_that_ended_before_its_checksum_was_written(model):
    old = (model / SUMS).read_bytes()
    assert set_temperature(model, 2.0)
    (model / SUMS).write_bytes(old)
    assert check_sums(model)
    assert not set_temperature(model, 2.0)
    assert check_sums(model) == []
