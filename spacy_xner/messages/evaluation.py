"""Messages: X5 evaluation; X6 the command line."""


class EvaluationMessages:
    """Numbers X5 and X6; see `errors.Errors`."""

    # X5: evaluation
    X501 = (
        "Found {scores} scores for {spans} spans in doc.spans['{key}'], expected one score a span. "
        "A component changed the group after it was scored: set its 'scores' attribute too, or "
        "evaluate another group with the 'spans_key' setting."
    )
    X502 = (
        "Found no entity of {labels} in the gold annotations of '{language}' (labels found: "
        "{found}), expected at least one. Change --labels or the data."
    )
    X503 = (
        "Found different tokens after the pipeline ran on '{language}' (document {index}: {found} "
        "tokens, expected {expected}). Remove components that change tokens, such as "
        "'merge_entities', from the pipeline."
    )
    X504 = (
        "Found counts of shape {found_a} and {found_b} or of different gold entities, expected two "
        "arrays (sentences, 3) over the same sentences. Score both systems on the same data."
    )
    X505 = (
        "Cannot compute strict scores: seqeval is not installed. "
        "Install the training extra with 'pip install spacy-xner[train]'."
    )
    X506 = (
        "Found the components {found}, expected an 'xner' among them: no other component has a "
        "temperature. Name another pipeline."
    )
    X507 = (
        "Found silver annotations in document {number}, expected gold entities: silver says what "
        "teachers think, not whether they are right. Give the development set of a source."
    )
    X508 = (
        "Found {tokens} tokens with gold annotation and {entities} entities of {labels}, expected "
        "at least {minimum} tokens and one entity. Give a larger development set."
    )
    X509 = (
        "Found no best temperature between {low} and {high} on {tokens} tokens, expected some "
        "right and some wrong tags. Give a larger development set that was not trained on."
    )
    X510 = "Found the baseline '{found}', expected one of {expected}. Change --baseline."
    X511 = (
        "Found no 'xner' in the config '{path}', expected one because the student is to be "
        "calibrated: no other component has a temperature. Set --calibrate (the project's "
        "calibrate_student) to false, or take another config."
    )

    # X6: the command line
    X601 = "Found no file or folder '{path}'. Check the path."
    X602 = (
        "Cannot use GPU {gpu_id} ({reason}). Set --gpu-id to -1 to run on the CPU, or install CuPy "
        "and a driver for the GPU."
    )
    X603 = (
        "Found no pipeline '{name}' ({reason}), expected the folder of a saved pipeline or the "
        "name of an installed one. Check the path, or install the package."
    )
    X604 = (
        "Cannot load the pipeline '{name}' ({reason}). Install the packages it needs, or, if it is "
        "damaged, save it again."
    )
    X605 = (
        "Found more than one file for the language '{language}', expected one. "
        "Give each file its own name: 'name=path'."
    )
    X606 = "Found no label in --labels '{labels}', expected names with commas, such as 'PER,LOC'."
    X607 = "Cannot use the config '{path}' ({reason}). Correct what the message names."
    X608 = (
        "Found no '{name}' in '{path}', expected what the pipeline predicted before it was "
        "packaged. Write it with 'xner smoke --record', and package the pipeline again."
    )
    X609 = (
        "Cannot read '{path}' ({reason}), expected what 'xner smoke --record' writes. Write it "
        "again with the pipeline as it was before it was packaged."
    )
    X610 = (
        "The pipeline does not predict what it did before it was packaged. Text {number}: "
        "'{text}'. Found {found}. Expected {expected}, scores within {tolerance}. Compare the "
        "versions of its requirements, and check its files with 'xner verify'; where only scores "
        "differ, and one of the machines computes in a lower precision, raise --tolerance."
    )
    X611 = "Cannot measure '{name}' ({reason}). Check its path and the Python that runs it."
    X612 = (
        "Found no 'spacy-xner.TransformerEncoder.v1' in '{path}' (components: {found}), expected "
        "one in its 'xner', to put the same parameters into a Hugging Face pipeline. Change "
        "--transformers."
    )
    X613 = (
        "Found speeds of {found}, expected some of the pipelines whose accuracy is known: "
        "{expected}. Give both benchmarks the same names."
    )
