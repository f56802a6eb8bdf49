"""Bundled strategies: one file each. README.md shows how to write your own."""
