"""The workers of this machine, and what those of others must have to do the same."""
