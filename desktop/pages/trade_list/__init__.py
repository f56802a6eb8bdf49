"""The current run's trades beside those of another program."""
