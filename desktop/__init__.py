"""The window: PySide6 over the engine. Imports nothing, so that the command line can look at it without Qt."""
