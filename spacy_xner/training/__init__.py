"""What training needs beside spaCy's own loop: targets and corpus readers."""
