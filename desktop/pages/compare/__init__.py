"""Two runs side by side; what the source of one was."""
