"""What is known for and against the current run."""
