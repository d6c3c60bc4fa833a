"""The components `xner` and `teacher_ensemble`."""
