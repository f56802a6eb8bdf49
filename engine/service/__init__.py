"""The one door to all that the program can do: `Engine`."""

from engine.service.engine import Engine

__all__ = ["Engine"]
