"""How a job's end travels between processes: one letter, then plain data. V value; X raised, T timed out, D died."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

from engine.parallel.job import BadEnd, Died, Done, Outcome, Raised, TimedOut, V
from engine.parallel.plain import decode, encode

_BAD_ENDS: Final = {b"X": Raised, b"T": TimedOut, b"D": Died}
_LETTERS: Final = {kind: letter for letter, kind in _BAD_ENDS.items()}


def bad_end(outcome: BadEnd) -> bytes:
    """The message about a job that came to no value."""
    return _LETTERS[type(outcome)] + encode(asdict(outcome)).line


def message_of(outcome: Done[Any] | BadEnd) -> bytes:
    """The message about a job that ended by itself."""
    if not isinstance(outcome, Done):
        return bad_end(outcome)
    message = io.BytesIO(b"V")
    message.seek(1)
    encode(outcome.value).write(message)
    return message.getvalue()


def read_message(message: bytes, read: Callable[[Any], V]) -> Outcome[V]:
    """What a message says; `read` makes the value. Raises ValueError, TypeError or KeyError where it makes no sense."""
    value = decode(io.BytesIO(message[1:]))
    return Done(read(value)) if message[:1] == b"V" else _BAD_ENDS[message[:1]](**value)
