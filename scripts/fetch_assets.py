"""Fill assets/ from the mirror that XNER_ASSET_MIRROR names, or check what is there."""

import os
from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.corpora.assets import fetch_assets, read_assets, read_sources, select_assets

app = typer.Typer(pretty_exceptions_enable=False)


@command("fetch", group=app)
def fetch(
    project: Annotated[Path, typer.Argument(help="The project folder.")] = Path(),
    catalogue: Annotated[
        str, typer.Option(help="The benchmark's list of corpora.")
    ] = "assets/masakhaner.json",
    sources: Annotated[str, typer.Option(help="Only the files of these languages.")] = "",
    targets: Annotated[str, typer.Option(help="Only the files of these, if it has them.")] = "",
) -> None:
    """Copy missing assets from XNER_ASSET_MIRROR; check the sums of all."""
    assets = read_assets(project)
    table = read_sources(project / catalogue)
    # A target that is not in the catalogue is the user's own text.
    languages = [*sources.split(), *(name for name in targets.split() if name in table)]
    if sources or targets:
        assets = select_assets(assets, table, languages, path=catalogue)
    mirror = os.environ.get("XNER_ASSET_MIRROR")
    kept, copied = fetch_assets(project, assets, mirror=Path(mirror) if mirror else None)
    msg.good(f"Checked {kept} assets, copied {copied}")


if __name__ == "__main__":
    app()
