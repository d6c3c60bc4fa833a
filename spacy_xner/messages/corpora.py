"""Messages: X2 corpora and assets."""


class CorpusMessages:
    """Numbers X2; see `errors.Errors`."""

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
        "Found an unreadable text in '{path}': {item} ({reason}). Expected UTF-8 text of at most "
        "{limit} characters, or JSON with a 'text' or 'tokens'. Correct it, or take it out."
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
        "Found the {kind} {found} of '{path}', expected {expected} as the project says "
        "(project.yml, assets/*.sha256). Nothing was overwritten: delete the file, or correct the "
        "mirror, and fetch again."
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
    X220 = "Cannot read '{path}' ({reason}). It is truncated or damaged: write it again."
    X221 = (
        "Cannot read '{path}' without the package '{package}'. Install it with "
        "'pip install spacy-xner[formats]'."
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
    X225 = (
        "Found {found} among the sources of the one teacher and among the targets: it would be "
        "taught these targets' labels. Leave them out of 'sources', or set pooled_teacher to false."
    )
    X226 = (
        "Found the teacher '{path}', which was taught {found}, expected one that was taught "
        "{expected}: these are the sources. Run 'teachers' again."
    )
