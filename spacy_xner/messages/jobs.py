"""Messages: X46 annotation as a job."""


class JobMessages:
    """Numbers X46; see `errors.Errors`."""
