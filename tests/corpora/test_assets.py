import hashlib
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import srsly
from typer.testing import CliRunner

from spacy_xner.corpora.assets import (
    Asset,
    check_assets,
    fetch_assets,
    read_assets,
    read_sources,
    select_assets,
)
from spacy_xner.corpora.columns import FORMATS
from spacy_xner.corpora.label_map import read_label_map
from spacy_xner.errors import XnerError

ROOT = Path(__file__).parents[2]
URL = "https://raw.githubusercontent.com/owner/repo/0123abcd/data/aa/train.txt"
LANGUAGES = "en es fr de pt it nl pl ru da sv hr sr sk zh amh hau ibo kin lug luo pcm swa wol yor"
LABELLED, RAW = b"Ana B-PER\n", b"Ana saw Rio\n"


def md5(data):
    return hashlib.md5(data).hexdigest()


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    (folder / "assets").mkdir(parents=True)
    assets = [
        {"dest": "assets/masakhaner/m/aa/train.conll", "url": URL, "checksum": md5(LABELLED)},
        {"dest": "assets/masakhaner/unlabelled/bb.txt", "checksum": md5(RAW).upper()},
        {"dest": "assets/other.txt", "url": "https://example.org/other.txt"},
    ]
    assets[2]["checksum"] = md5(b"")
    srsly.write_yaml(folder / "project.yml", {"title": "t", "assets": assets})
    sources = {
        "aa": {"format": "conll", "train": "assets/masakhaner/m/aa/train.conll"},
        "bb": {"format": "conll", "unlabelled": "assets/masakhaner/unlabelled/bb.txt"},
    }
    srsly.write_json(folder / "assets" / "masakhaner.json", sources)
    return folder


@pytest.fixture
def mirror(tmp_path):
    folder = tmp_path / "mirror"
    for name, data in [("raw/repo/data/aa/train.txt", LABELLED), ("unlabelled/bb.txt", RAW)]:
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(data)
    return folder


def test_copies_then_keeps(project, mirror):
    assets = read_assets(project)
    assert [asset.dest for asset in assets] == [
        "assets/masakhaner/m/aa/train.conll",
        "assets/masakhaner/unlabelled/bb.txt",
    ]
    assert fetch_assets(project, assets, mirror=mirror) == (0, 2)
    assert (project / assets[0].dest).read_bytes() == LABELLED
    assert fetch_assets(project, assets, mirror=mirror) == (2, 0)
    assert fetch_assets(project, assets) == (2, 0)
    assert sorted(path.name for path in project.rglob("*.*")) == [
        "bb.txt",
        "masakhaner.json",
        "project.yml",
        "train.conll",
    ]


def test_without_a_mirror_both_ways_are_named(project):
    with pytest.raises(XnerError, match=r"X211.*1 assets.*spacy project assets.*XNER_ASSET_MIRROR"):
        fetch_assets(project, read_assets(project))


def test_a_wrong_file_is_never_overwritten(project, mirror):
    assets = read_assets(project)
    path = project / assets[0].dest
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine")
    for way in (mirror, None):
        with pytest.raises(XnerError, match=r"X208.*train\.conll"):
            fetch_assets(project, assets, mirror=way)
    assert path.read_bytes() == b"mine"


def test_a_wrong_mirror_writes_nothing(project, mirror):
    (mirror / "unlabelled" / "bb.txt").write_bytes(b"other")
    assets = read_assets(project)[1:]
    with pytest.raises(XnerError, match=r"X208.*mirror.*bb\.txt"):
        fetch_assets(project, assets, mirror=mirror)
    assert not (project / assets[0].dest).exists()
    (mirror / "raw" / "repo" / "data" / "aa" / "train.txt").unlink()
    with pytest.raises(XnerError, match=r"X209.*train\.txt"):
        fetch_assets(project, read_assets(project), mirror=mirror)


def test_a_forged_file_has_the_md5_and_not_the_sha256(project, mirror):
    name = "masakhaner/m/aa/train.conll"
    sums = project / "assets/masakhaner.sha256"
    sums.write_text(f"{hashlib.sha256(LABELLED).hexdigest()}  {name}\n")
    (asset, _) = read_assets(project)
    assert fetch_assets(project, [asset], mirror=mirror) == (0, 1)
    assert check_assets(project, [asset]) == []
    sums.write_text(f"{'0' * 64}  {name}\n")
    (asset, _) = read_assets(project)
    with pytest.raises(XnerError, match=r"X208.*sha256.*train\.conll"):
        fetch_assets(project, [asset])
    assert "has the sha256" in check_assets(project, [asset])[0]
    sums.write_text(f"{'0' * 64}  ../../elsewhere\n")
    with pytest.raises(XnerError, match="X705"):
        read_assets(project)


def test_all_public_corpora_have_a_sha256():
    assert all(len(asset.sha256) == 64 for asset in read_assets(ROOT))


def test_text_without_an_address_is_optional(project, mirror):
    """Where the mirror lacks it, the train set without its labels serves as raw text."""
    assets = read_assets(project)[1:]
    assert fetch_assets(project, assets) == (0, 0)
    (mirror / "unlabelled" / "bb.txt").unlink()
    assert fetch_assets(project, assets, mirror=mirror) == (0, 0)


@pytest.mark.parametrize("dest", ["../x", "assets/masakhaner/../../../x", "/tmp/x"])
def test_destinations_stay_inside(project, dest):
    srsly.write_yaml(project / "project.yml", {"assets": [{"dest": dest, "checksum": "0" * 32}]})
    with pytest.raises(XnerError, match="X210"):
        read_assets(project)


@pytest.mark.parametrize(
    "content", ["assets: [{dest: assets/masakhaner/x}]", "- a", "a: [", "assets: [x]", "assets: 3"]
)
def test_unreadable_projects(tmp_path, content):
    with pytest.raises(XnerError, match="X213"):
        read_assets(tmp_path)
    (tmp_path / "project.yml").write_text(content)
    with pytest.raises(XnerError, match="X213"):
        read_assets(tmp_path)


@pytest.mark.parametrize("content", ["", "[", "[]", "3", '{"aa": 3}', '{"aa": {"train": []}}'])
def test_unreadable_catalogues(content, tmp_path):
    path = tmp_path / "catalogue.json"
    with pytest.raises(XnerError, match="X601"):
        read_sources(path)
    path.write_text(content)
    with pytest.raises(XnerError, match=r"X218.*catalogue\.json"):
        read_sources(path)


def test_selection_by_language(project):
    assets, sources = read_assets(project), read_sources(project / "assets" / "masakhaner.json")
    assert select_assets(assets, sources, ["bb"]) == assets[1:]
    assert select_assets(assets, sources, ["bb", "aa", "bb"]) == assets
    with pytest.raises(XnerError, match=r"X212.*'cc'.*aa"):
        select_assets(assets, sources, ["cc"])


SCRIPT = ROOT / "scripts" / "fetch_assets.py"


def test_script_fails_with_one_message(project):
    environment = {k: v for k, v in os.environ.items() if k != "XNER_ASSET_MIRROR"}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], cwd=project, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "X211" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_script_copies_what_is_asked_for(project, mirror, monkeypatch):
    app = runpy.run_path(str(SCRIPT))["app"]
    monkeypatch.setenv("XNER_ASSET_MIRROR", str(mirror))
    one = CliRunner().invoke(app, [str(project), "--targets", "bb"])
    assert (one.exit_code, "copied 1" in one.output) == (0, True)
    both = CliRunner().invoke(app, [str(project), "--sources", "aa", "--targets", "bb"])
    assert "Checked 1 assets, copied 1" in both.output
    own = CliRunner().invoke(app, [str(project), "--targets", "cc"])
    assert (own.exit_code, "Checked 0 assets" in own.output) == (0, True)
    wrong = CliRunner().invoke(app, [str(project), "--sources", "cc"])
    assert (wrong.exit_code, "X212" in wrong.output) == (1, True)


def test_mirror_paths():
    assert Asset("assets/masakhaner/a/x", "", URL).mirror_path == "raw/repo/data/aa/train.txt"
    assert Asset("assets/masakhaner/unlabelled/x.txt", "").mirror_path == "unlabelled/x.txt"


def test_sources_name_formats_label_maps_and_files():
    sources = read_sources(ROOT / "assets" / "masakhaner.json")
    assert " ".join(sources) == LANGUAGES
    for language, entry in sources.items():
        assert entry["format"] in FORMATS
        assert set(read_label_map(ROOT / entry["labels"]).values()) == {"PER", "LOC", "ORG", ""}
        assert entry["train"] != entry["dev"]
        assert ("unlabelled" in entry) == (len(language) == 3)


def test_project_lists_every_file_of_the_sources():
    if not (ROOT / "project.yml").exists():
        pytest.skip("no project.yml")
    listed = {asset.dest for asset in read_assets(ROOT)}
    sources = json.loads((ROOT / "assets" / "masakhaner.json").read_text())
    wanted = {v for e in sources.values() for v in e.values() if v.startswith("assets/masakhaner/")}
    assert wanted <= listed
