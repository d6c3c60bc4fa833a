"""Named entity recognition without labelled data: teacher-student learning for spaCy."""

__version__ = "0.1.0"
