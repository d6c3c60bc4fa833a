"""Messages: X8 the study."""


class StudyMessages:
    """Numbers X8; see `errors.Errors`."""

    X801 = (
        "Found a result '{path}' of other texts, labels, recipes or sizes (key {found}, expected "
        "{expected}). Give another folder of results, or move the file away to compute it anew."
    )
    X810 = (
        "Found other inputs after '{path}' was computed than before: texts, labels, recipes or the "
        "encoder changed meanwhile. Nothing was written. Run the study again, and leave them alone."
    )
