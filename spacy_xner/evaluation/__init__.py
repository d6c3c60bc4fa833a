"""Scores, their calibration, the comparison of two systems, and where figures come from."""
