import subprocess
import sys

import pytest


def modules_after(statement):
    """Names of the modules in a fresh interpreter after a statement."""
    code = f"{statement}; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_package_imports_nothing_heavy():
    found = modules_after("import spacy_xner")
    assert "spacy_xner" in found
    assert not found & {"torch", "transformers", "spacy_transformers", "spacy", "seqeval"}


# thinc, and so spaCy, imports torch where it is installed; what is ours must not need it.
@pytest.mark.parametrize(
    "statement",
    [
        "import spacy_xner.cli",
        "import spacy_xner.pipeline.xner, spacy_xner.training.corpus, spacy_xner.evaluation.scorer",
    ],
    ids=["command line", "modules"],
)
def test_what_runs_needs_no_training_library(statement):
    blocked = "import sys; sys.modules['torch'] = None"
    found = modules_after(f"{blocked}; {statement}")
    assert not found & {"transformers", "spacy_transformers", "seqeval", "sklearn"}
