"""The trades of the current run."""
