from pathlib import Path

import pytest
from handmade import save_ruler, xner_pipeline


@pytest.fixture(scope="session")
def tagger(tmp_path_factory) -> str:
    """The folder of a tiny trained `xner` pipeline."""
    folder = tmp_path_factory.mktemp("teachers") / "tagger"
    xner_pipeline().to_disk(folder)
    return str(folder)


@pytest.fixture(scope="session")
def names(tmp_path_factory) -> str:
    """The folder of an English pipeline that knows some names by heart."""
    folder = tmp_path_factory.mktemp("teachers") / "names"
    known = {"Ana": "PERSON", "New York": "GPE", "Lagos": "GPE", "May": "DATE"}
    return save_ruler(folder, known, lang="en")


@pytest.fixture
def copy_of(tmp_path):
    """A copy of a pipeline's folder that a test may spoil."""
    import shutil

    def copy(folder: str) -> Path:
        return Path(shutil.copytree(folder, tmp_path / "copy"))

    return copy
