"""The texts of `Errors`, one file a family of numbers."""
