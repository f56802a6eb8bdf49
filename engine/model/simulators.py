"""The simulators, called engines where people choose one, and how far back a strategy may ask them to look."""

from __future__ import annotations

from typing import Final

from engine.errors import InputError

AUTO: Final = "auto"
COMPILED: Final = "compiled"
REFERENCE: Final = "reference"
PLAIN: Final = "plain"  # the slow one that checks the compiled one; nobody chooses it
ENGINES: Final = (AUTO, COMPILED, REFERENCE)
MAX_WARMUP: Final = 1_000_000


def choose_engine(wanted: str, *, native: bool) -> str:
    """The engine that runs: compiled for what gives signals, reference for a native backtesting.Strategy.

    Raises InputError where a native one is to be compiled.
    """
    if wanted not in (*ENGINES, PLAIN):
        raise InputError(f"unknown engine {wanted!r}; known: {', '.join(ENGINES)}")
    if native and wanted == COMPILED:
        raise InputError(
            "a backtesting.Strategy decides candle by candle and cannot be compiled; choose --engine auto or reference"
        )
    if native:
        return REFERENCE
    return wanted if wanted in (REFERENCE, PLAIN) else COMPILED
