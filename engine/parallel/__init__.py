"""Worker processes of our own: strategy code runs there, one job at a time, and can hurt nobody but its own job."""
