"""Messages: X7 safety, locks and checksums."""


class SafetyMessages:
    """Numbers X7; see `errors.Errors`."""

    X701 = (
        "Found that another process is writing to '{path}'. Wait until it has finished, stop it, "
        "or name another folder."
    )
