"""The referee: the same rules once more in plain Python, written apart from the kernel, to be read and not to be fast."""
