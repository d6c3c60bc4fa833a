"""Accuracy over speed: one picture from the results of students.py and inference.py."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from spacy_xner.cli._app import command
from spacy_xner.errors import Errors, XnerError
from spacy_xner.safety import read_metadata

app = typer.Typer(pretty_exceptions_enable=False)


@command("tradeoff", group=app)
def tradeoff(
    accuracy: Annotated[Path, typer.Argument(help="JSON file that students.py wrote.")],
    speed: Annotated[Path, typer.Argument(help="JSON file that inference.py wrote.")],
    output: Annotated[Path, typer.Argument(help="Picture (.png, .svg, ...).")],
    threads: Annotated[int, typer.Option(min=1, help="Threads of the speed.")] = 1,
) -> None:
    """Draw the macro F1 of the pipelines that both files know, over words a second."""
    scores, contenders = read_metadata(accuracy)["students"], read_metadata(speed)["contenders"]
    names = [name for name in scores if name in contenders]
    if not names:
        known = {"found": ", ".join(contenders), "expected": ", ".join(scores)}
        raise XnerError(Errors.X613.format(**known))
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for name in names:
        macro = scores[name]["macro"]
        x = contenders[name]["threads"][str(threads)]["words_per_second"]
        axes.errorbar(x, 100 * macro["mean"], yerr=100 * macro["sd"], fmt="o", capsize=3)
        axes.annotate(name, (x, 100 * macro["mean"]), xytext=(6, 5), textcoords="offset points")
    axes.set_xscale("log")
    axes.margins(0.2)
    axes.set(xlabel=f"words a second, {threads} thread(s)", ylabel="macro F1 (%)")
    axes.grid(visible=True, which="both", alpha=0.3)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=150)
    msg.good("Drew", output)


if __name__ == "__main__":
    app()
