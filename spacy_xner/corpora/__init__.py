"""Corpora: column files, label maps, raw text, the leakage check, assets."""
