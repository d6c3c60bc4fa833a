"""Messages: X4 teachers and the ensemble."""


class EnsembleMessages:
    """Numbers X4; see `errors.Errors`."""

    X401 = (
        "Cannot load the teacher '{name}' from '{path}' ({reason}). Train it, install it, or "
        "change the path in [components.teacher_ensemble.teachers.{name}]."
    )
    X402 = (
        "Found no label of the ensemble ({labels}) among those of the teacher '{name}' "
        "({found}). Give the teacher a 'label_map', e.g. PERSON = \"PER\"."
    )
    X403 = (
        "Found weights for {found}, expected one for each of the teachers {expected}. Change the "
        "[components.teacher_ensemble.weights] block."
    )
    X404 = (
        "Found no teacher, expected at least one block "
        "[components.teacher_ensemble.teachers.<name>]. Add them or use 'xner ensemble'."
    )
    X405 = (
        "Found a teacher's tokenizer that changes the text: '{source}' for '{target}'. Use "
        'tokens = "target" for this teacher.'
    )
    X406 = (
        "Found the teacher '{name}' with the hash {found}, expected {expected}: it has changed "
        "since the ensemble was saved. Save the ensemble again, or bring the teacher back."
    )
    X407 = (
        "Found {found} from the teacher '{name}', expected arrays of the shapes {expected}: one "
        "row a token that sums to 1, one column a tag. Correct the teacher."
    )
    X408 = (
        "Found no component that sets entities in the teacher '{name}', expected an 'xner' pipe "
        "(XnerTeacher), or a component that assigns doc.ents and names its labels (SpanTeacher); "
        "name the labels with 'labels' in the teacher's block otherwise."
    )
    X409 = (
        "Found the class '{label}' taught by none of the teachers {teachers}. Remove it from the "
        "ensemble's 'labels', or add a teacher or a 'label_map' for it."
    )
    X410 = (
        "Found the components {found}, expected a 'teacher_ensemble' among them. Make such a "
        "pipeline with 'xner ensemble'."
    )
    X411 = (
        "Found {count} .spacy files of another run in '{path}' (changed: {changed}), expected an "
        "empty folder or the same run. Choose another folder; or use --force, which replaces "
        "shards named part-*.spacy and nothing else, or --mix, which keeps them and annotates the "
        "rest."
    )
    X412 = (
        "Found '{found}', expected a teacher as name=path, each name once. Correct the --teacher "
        "option."
    )
    X413 = (
        "Found a teacher whose specification has {found} and no 'sha256', expected one: without it "
        "its answers cannot be told from another teacher's. Add one, or use the teacher itself in "
        "place of 'spacy-xner.CachedTeacher.v1'."
    )
    X414 = (
        "Cannot keep the teachers' answers in '{path}' ({reason}). Name a folder that can be "
        "written, or delete the file in it: the answers can be made again."
    )
    X430 = (
        "Found no votes in document {number} (no group '{prefix}<teacher>' in doc.spans), expected "
        "the entities of each teacher. Annotate again with keep_votes = true in the ensemble."
    )
    X431 = (
        "Found the labels {found} in document {number}, expected {expected} as in the documents "
        "before it, also in the votes. Aggregate shards of different ensembles one by one."
    )
    X432 = (
        "Found votes of {found}, whom the aggregator has never heard, expected only {expected}. It "
        "knows nothing of their reliability: fit it on documents with votes of all teachers."
    )
    X433 = (
        "Found the output '{output}' in the folder of the input '{source}', expected another "
        "folder: shards that are read must not be replaced. Change the output."
    )
    X434 = (
        "Found votes of shape {shape} with values from {low} to {high}, expected one row an "
        "instance, one column a teacher, and values from -1 (no vote) to {top}."
    )
    X435 = (
        "Cannot draw: matplotlib is not installed. Install it with: pip install 'spacy-xner[plot]'"
    )
    X436 = (
        "Cannot draw '{path}' ({reason}). Choose another ending for the picture, for example .png "
        "or .svg."
    )
    X438 = (
        "Found the labels {found} in the student '{path}', expected all of those of the silver "
        "annotations: {expected}. Its share of the mixture would deny what it was never taught; "
        "train it on these annotations."
    )
    X439 = (
        "Found no file '{path}', expected the weights '{name}' of the sources. Run the project's "
        "command 'influence' first, with the same variables."
    )
    X420 = (
        "Found '{found}', expected an argument of the form name=path, each name once. Correct the "
        "command."
    )
    X421 = "Cannot use '{path}' ({reason}), expected what '{command}' writes. Make it again."
    X422 = (
        "Found no weight for the teachers {found} in '{path}', expected one for each; it knows "
        "{expected}. Name the texts of 'xner similarity' after the teachers, or leave these "
        "teachers out."
    )
    X423 = (
        "Found the target {found}, expected one of {expected}. Set 'target' in "
        "[components.teacher_ensemble.weights]."
    )
    X424 = (
        "Found '{path}' with the hash {found}, expected {expected}: it has changed since the "
        "weights were made. Run 'xner similarity' again, or bring the file back."
    )
    X425 = (
        "Found the source languages {found}, expected some of {expected}. Change --sources, or "
        "train the identifier with these languages."
    )
    X426 = (
        "Cannot compute features with an encoder: torch or transformers is not installed. "
        "Install them with: pip install 'spacy-xner[train]'"
    )
    X427 = "Found no sentence in the text '{name}', expected at least one. Check its file."
    X428 = (
        "Found no source for the target '{target}' besides itself, expected at least one. Add the "
        "text of another language as name=path."
    )
    X440 = (
        "Found no similarity evaluator among the teachers {teachers}, expected one or more because "
        "of keep_similarity = true. Give a teacher an 'evaluator', train teachers with "
        "configs/teacher_evaluator.cfg, or set keep_similarity to false."
    )
    X441 = (
        "Found the components {found} in the evaluator '{path}', expected a 'similarity_evaluator' "
        "among them. Train it with configs/evaluator.cfg, or change the path."
    )
    X442 = (
        "Found vectors of the shapes {found} from the evaluator of the teacher '{name}', expected "
        "one row of the same width for each of {expected} tokens. Correct the teacher."
    )
    X450 = (
        "Found no spacy-llm, expected it for a prompted teacher. Install it with: pip install "
        "'spacy-xner[prompted]'"
    )
    X451 = (
        "Found the setting '{setting}' in '{path}', which seems to hold a key, expected none. "
        "Remove it and put the key into the environment, e.g. OPENAI_API_KEY: what is in a config "
        "is copied into everything that is saved."
    )
    X452 = (
        "Found no labels in the components {found} of the prompted teacher '{path}', expected an "
        "'llm' component with a NER task of spacy-llm. Add one, or name the labels of another task "
        "with 'labels' in the teacher's block."
    )
    X453 = (
        "Cannot keep the answers of a model in '{path}' ({reason}). Name a folder that can be "
        "written as 'cache' in the teacher's block, or delete the file in it and pay for the "
        "answers again."
    )
    X443 = (
        "Found {found} among the targets and among the languages that the language model '{name}' "
        "was taught, expected others: with its labels it is no target. Set 'llm' to 'each', or "
        "leave the language out of the sources and train the language model again."
    )
    X444 = (
        "Found no text of the target, expected some by which the teachers can be judged. Name "
        "another file, or hear all teachers (llm_heard = always)."
    )
