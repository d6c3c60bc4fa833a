"""Messages: X8 the study."""


class StudyMessages:
    """Numbers X8; see `errors.Errors`."""

    X801 = (
        "Found a result '{path}' of other texts, labels, recipes or sizes (key {found}, expected "
        "{expected}). Give another folder of results, or move the file away to compute it anew."
    )
