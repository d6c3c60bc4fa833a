"""The study: many small models, a result file each, and the report made of these files."""
