"""Messages: X46 annotation as a job."""


class JobMessages:
    """Numbers X46; see `errors.Errors`."""

    X460 = (
        "Found that {failed} of {texts} texts failed, expected a share of at most {share}. The "
        "first ones: {reasons}. What was done stays. See the folder dead-letters and correct the "
        "cause; without that folder these texts are tried again. Or allow more: --max-failures."
    )
    X461 = (
        "Found other texts than those that '{file}' in '{path}' was made of, expected the input of "
        "the run that made it. Give the same input, choose another folder, or use --mix to keep "
        "what is the same and annotate the rest."
    )
    X462 = "Found standard input with {option}, which reads it twice. Write the text to a file."
    X463 = (
        "Found that a worker died {attempts} times over shard {index} ({texts} texts), with "
        "{workers} workers. Is the memory full? Use fewer --workers or a smaller --shard-size; "
        "what was done stays."
    )
    X464 = "Found no package 'ray', expected it for --engine ray. Install 'spacy-xner[ray]'."
    X466 = "'xner annotate' failed: {reason}"
    X465 = (
        "Ray failed ({reason}). What was done stays: start the same command again, with the "
        "--address of a running cluster or without one."
    )
    X467 = (
        "Found another pipeline in '{path}' than at the start of the run, expected the same one: "
        "its shards would be mixed with those before. Put that one back, or start a new run."
    )
