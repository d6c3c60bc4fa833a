"""Annotation as a job: any amount of text in bounded memory, and nothing lost under faults."""
