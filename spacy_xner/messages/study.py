"""Messages: X8 the study."""


class StudyMessages:
    """Numbers X8; see `errors.Errors`."""

    X801 = (
        "Found a result '{path}' of other texts, labels, recipes or sizes (key {found}, expected "
        "{expected}). Give another folder of results, or move the file away to compute it anew."
    )
    X802 = (
        "Found no '{field}' in the cell '{path}', expected one. The file is damaged or something "
        "else: compute the cell again, or move the file elsewhere."
    )
    X803 = (
        "Found the format {found} in the cell '{path}', expected {expected}. Another version of "
        "spacy-xner wrote it: use that one, or compute the cell again."
    )
    X804 = (
        "Found a wrong value in the cell '{path}' ({reason}). The file is damaged: compute the "
        "cell again."
    )
    X805 = "Found no cell in '{path}', expected result files of a study (*.json). Check the path."
    X806 = (
        "Found two cells of the same experiment with different keys: '{first}' and '{second}'. "
        "One is of an older state of the recipes or the data: move it elsewhere."
    )
    X807 = (
        "Found other test sentences for '{target}' in '{second}' than in '{first}', expected the "
        "same in all cells of a study. Compute one of them again with the same data."
    )
    X808 = (
        "Cannot read '{path}' as a list of expected cells ({reason}). Expected a JSON list of what "
        "each cell has under 'cell'."
    )
    X809 = (
        "Cannot read '{path}' as a cell of a study ({reason}). It is damaged or no result file: "
        "compute the cell again, or move the file elsewhere."
    )
    X810 = (
        "Found other inputs after '{path}' was computed than before: texts, labels, recipes or the "
        "encoder changed meanwhile. Nothing was written. Run the study again, and leave them alone."
    )
