"""The parts of the page that `xner report` writes: a frame, a style, scripts."""
