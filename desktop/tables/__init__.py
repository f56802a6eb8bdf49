"""Table models: rows of frozen values, sorted by numbers and not by text."""
