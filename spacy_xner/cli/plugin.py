"""Adds the commands to spaCy's own command line: `spacy xner ...`."""

from spacy.cli._util import app as spacy_app

from . import app

spacy_app.add_typer(app, name="xner")
