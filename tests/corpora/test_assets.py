import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import srsly

from spacy_xner.corpora.assets import (
    Asset,
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
    srsly.write_json(folder / "assets" / "sources.json", sources)
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
        "project.yml",
        "sources.json",
        "train.conll",
    ]


def test_without_a_mirror_both_ways_are_named(project):
    with pytest.raises(XnerError, match=r"X211.*2 assets.*spacy project assets.*XNER_ASSET_MIRROR"):
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
    (mirror / "unlabelled" / "bb.txt").unlink()
    with pytest.raises(XnerError, match=r"X209.*bb\.txt"):
        fetch_assets(project, assets, mirror=mirror)
    assert not (project / assets[0].dest).exists()


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


def test_selection_by_language(project):
    assets, sources = read_assets(project), read_sources(project / "assets" / "sources.json")
    assert select_assets(assets, sources, ["bb"]) == assets[1:]
    assert select_assets(assets, sources, ["bb", "aa", "bb"]) == assets
    with pytest.raises(XnerError, match=r"X212.*'cc'.*aa"):
        select_assets(assets, sources, ["cc"])


def run_script(project, *args, mirror=None):
    environment = {k: v for k, v in os.environ.items() if k != "XNER_ASSET_MIRROR"}
    environment["PYTHONPATH"] = str(ROOT)
    if mirror:
        environment["XNER_ASSET_MIRROR"] = str(mirror)
    script = str(ROOT / "scripts" / "fetch_assets.py")
    return subprocess.run(
        [sys.executable, script, *args],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_script(project, mirror):
    missing = run_script(project)
    assert missing.returncode == 1
    assert "X211" in missing.stdout + missing.stderr
    assert "Traceback" not in missing.stderr
    assert "copied 1" in run_script(project, "--targets", "bb", mirror=mirror).stdout
    done = run_script(project, mirror=mirror)
    assert (done.returncode, "Checked 1 assets, copied 1" in done.stdout) == (0, True)


def test_mirror_paths():
    assert Asset("assets/masakhaner/a/x", "", URL).mirror_path == "raw/repo/data/aa/train.txt"
    assert Asset("assets/masakhaner/unlabelled/x.txt", "").mirror_path == "unlabelled/x.txt"


def test_sources_name_formats_label_maps_and_files():
    sources = read_sources(ROOT / "assets" / "sources.json")
    assert list(sources) == [
        "en",
        "es",
        "fr",
        "de",
        "pt",
        "it",
        "nl",
        "pl",
        "ru",
        "da",
        "sv",
        "hr",
        "sr",
        "sk",
        "zh",
        "amh",
        "hau",
        "ibo",
        "kin",
        "lug",
        "luo",
        "pcm",
        "swa",
        "wol",
        "yor",
    ]
    for language, entry in sources.items():
        assert entry["format"] in FORMATS
        assert set(read_label_map(ROOT / entry["labels"]).values()) == {"PER", "LOC", "ORG", ""}
        assert entry["train"] != entry["dev"]
        assert ("unlabelled" in entry) == (len(language) == 3)


def test_project_lists_every_file_of_the_sources():
    project = ROOT / "project.yml"
    if not project.exists():
        pytest.skip("no project.yml")
    listed = {asset.dest for asset in read_assets(project)}
    sources = json.loads((ROOT / "assets" / "sources.json").read_text())
    wanted = {v for e in sources.values() for v in e.values() if v.startswith("assets/masakhaner/")}
    assert wanted <= listed
