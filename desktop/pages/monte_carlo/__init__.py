"""What else could have become of the current run."""
