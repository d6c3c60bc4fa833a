"""`xner similarity`: weigh source languages for a target, by an identifier or by neighbours."""

import random
from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..errors import Errors, XnerError
from ..util import setup_gpu, write_json
from ._app import command, similarity_app

TEXT = ".txt, .jsonl, .spacy, or a folder"
Limit = Annotated[int, typer.Option(min=0, help="Random sample of so many a text, 0 for all.")]
Seed = Annotated[int, typer.Option(help="Seed of samples and training.")]
GpuId = Annotated[int, typer.Option(help="GPU to use, -1 for the CPU.")]


@command("train", group=similarity_app)
def train(
    texts: Annotated[list[str], typer.Argument(metavar="TEXT...", help=f"name=path: {TEXT}.")],
    encoder: Annotated[Path, typer.Option(help="Folder of a pretrained encoder.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .npz file to write.")],
    layers: Annotated[int, typer.Option(min=1, help="Layers of the encoder, from below.")] = 8,
    rank: Annotated[int, typer.Option(min=1, help="Rank of the similarity.")] = 64,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the sentences.")] = 10,
    limit: Limit = 2000,
    seed: Seed = 0,
    gpu_id: GpuId = -1,
) -> None:
    """Train a language identifier on unlabelled text of the source languages."""
    from ..encoders.features import load_features
    from ..ensemble.similarity import save_identifier, train_identifier
    from ..ensemble.similarity_weights import describe_encoder

    samples = _samples(texts, limit, seed)
    setup_gpu(gpu_id)
    encode = load_features(encoder, num_hidden_layers=layers)
    features = {name: encode(found) for name, found in samples.items()}
    identifier = train_identifier(features, rank=rank, epochs=epochs, seed=seed)
    right = {
        name: float((identifier.scores(rows).argmax(axis=1) == k).mean())
        for k, (name, rows) in enumerate(features.items())
    }
    metadata = {
        "encoder": describe_encoder(output, encoder, layers),
        "rank": rank,
        "epochs": epochs,
        "seed": seed,
        "sentences": {name: len(rows) for name, rows in features.items()},
        "accuracy": right,
    }
    save_identifier(output, identifier, metadata)
    rows = [(name, len(features[name]), f"{right[name]:.1%}") for name in features]
    msg.table(rows, header=("language", "sentences", "told rightly"), divider=True)
    msg.good("Saved an identifier", output)


@command("weights", group=similarity_app)
def weights(
    identifier: Annotated[Path, typer.Argument(help="What 'xner similarity train' wrote.")],
    texts: Annotated[list[str], typer.Argument(metavar="TEXT...", help=f"name=path: {TEXT}.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file for SimilarityWeights.")
    ] = None,
    sources: Annotated[
        str | None, typer.Option(help="Languages that take part, with spaces; else all.")
    ] = None,
    encoder: Annotated[
        Path | None, typer.Option(help="Folder of the identifier's encoder, if it has moved.")
    ] = None,
    limit: Limit = 1000,
    seed: Seed = 0,
    gpu_id: GpuId = -1,
) -> None:
    """Print how much each source language is like the target, by a sample of the target's text.

    A target that is itself among the sources is left out of them.
    """
    from ..ensemble.similarity import language_alpha, load_identifier
    from ..ensemble.similarity_weights import describe_weights, load_encoder

    samples = _samples(texts, limit, seed)
    found, metadata = load_identifier(identifier)
    setup_gpu(gpu_id)
    encode = load_encoder(identifier, metadata, encoder=encoder)
    targets = {}
    for target, sentences in samples.items():
        names = sources.split() if sources is not None else found.languages
        others = tuple(name for name in names if name != target)
        alpha, tau = language_alpha(found, encode(sentences), others)
        targets[target] = {"weights": alpha, "tau": tau, "sentences": len(sentences)}
        msg.divider(f"{target} ({len(sentences)} sentences, tau {tau:.3f})")
        best = sorted(alpha.items(), key=lambda item: -item[1])
        msg.table([(name, f"{share:.3f}") for name, share in best])
    if output:
        write_json(output, describe_weights(output, identifier, targets))
        msg.good(f"Saved the weights for {', '.join(targets)}", output)


@command("rank", group=similarity_app)
def rank(
    texts: Annotated[
        list[str], typer.Argument(metavar="TEXT...", help=f"Sources as name=path: {TEXT}.")
    ],
    target: Annotated[
        list[str], typer.Option("--target", "-t", help="Target as name=path; may be repeated.")
    ],
    encoder: Annotated[Path, typer.Option(help="Folder of a pretrained encoder.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSON file for RankedWeights.")
    ] = None,
    layers: Annotated[int, typer.Option(min=1, help="Layers of the encoder, from below.")] = 8,
    pool: Annotated[int, typer.Option(min=1, help="Sub-words of each source.")] = 5000,
    target_tokens: Annotated[int, typer.Option(min=1, help="Sub-words of each target.")] = 2000,
    neighbours: Annotated[
        int, typer.Option("--neighbours", "-k", min=1, help="Votes of each target sub-word.")
    ] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the samples.")] = 0,
    gpu_id: GpuId = -1,
) -> None:
    """Rank source languages for a target by the nearest neighbours of its tokens.

    A target that is itself among the sources is left out of them. All sources give as many
    sub-words as the one with the least text has.
    """
    from ..encoders.features import load_token_features
    from ..ensemble.language_weights import VERSION
    from ..ensemble.nn_rank import rank as best_first
    from ..ensemble.nn_rank import rank_sources
    from ..ensemble.similarity_weights import describe_encoder

    sources, targets = _samples(texts, 0, seed), _samples(target, 0, seed)
    setup_gpu(gpu_id)
    size, entries = rank_sources(
        sources,
        targets,
        load_token_features(encoder, num_hidden_layers=layers),
        pool=pool,
        target_tokens=target_tokens,
        neighbours=neighbours,
        seed=seed,
    )
    for name, entry in entries.items():
        msg.divider(f"{name} ({entry['tokens']} sub-words, {size} of each source)")
        weights = entry["weights"]
        msg.table([(other, f"{weights[other]:.3f}") for other in best_first(weights)])
    if output:
        described = describe_encoder(output, encoder, layers)
        settings = {"encoder": described, "pool": size, "neighbours": neighbours, "seed": seed}
        write_json(output, {"version": VERSION, **settings, "targets": entries})
        msg.good(f"Saved the weights for {', '.join(targets)}", output)


def _samples(options: list[str], limit: int, seed: int) -> dict[str, list[str]]:
    """Read arguments of the form name=path, and a random sample of each text.

    RAISES (XnerError): X420 for another form or a name that comes twice, X427 for an empty text.
    """
    from ..corpora.raw_text import read_text

    found: dict[str, list[str]] = {}
    for option in options:
        name, equals, path = option.partition("=")
        if not (name and equals and path) or name in found:
            raise XnerError(Errors.X420.format(found=option))
        texts = [record.text for record in read_text(Path(path))]
        if not texts:
            raise XnerError(Errors.X427.format(name=name))
        if limit and len(texts) > limit:
            texts = random.Random(seed).sample(texts, limit)
        found[name] = texts
    return found
