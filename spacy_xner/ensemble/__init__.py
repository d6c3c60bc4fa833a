"""How the teachers' voices are weighted and combined."""
