"""Numbers as people and programs write them: digits 0-9, a sign, a decimal point, an exponent.

Python's own `float` and `int` take more: underscores (`1_00.0`), digits of other scripts, `nan` and `infinity`. In a file
or an option each of these is a slip, and what it would be taken for is a guess.
"""

import re
from collections.abc import Sequence
from typing import Final

BLANKS: Final = " \t"
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE: Final = re.compile(r"[+-]?[0-9]+")
# made of these alone, what `float` (and `int`) takes is what is a number here
_OF_NUMBERS: Final = b"0123456789+-.eE" + BLANKS.encode()
_OF_WHOLES: Final = b"0123456789+-" + BLANKS.encode()


def counted(count: int, word: str) -> str:
    """As people say it: 1 trial, 1,000 trials."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def is_number(text: str) -> bool:
    """Whether the text is a number, blanks around it aside."""
    return _NUMBER.fullmatch(text.strip(BLANKS)) is not None


def read_number(text: str) -> float:
    """The number that is written there; raises ValueError for anything else. Too many digits make an infinite one."""
    if not is_number(text):
        raise ValueError(f"{text!r} is not a number")
    return float(text)


def read_whole(text: str) -> int:
    """The whole number that is written there; raises ValueError for anything else."""
    if not _WHOLE.fullmatch(text.strip(BLANKS)):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def read_numbers(texts: Sequence[str], point: str = ".") -> list[float]:
    """Many numbers at once; `point` is their decimal mark, "." or ",". Raises ValueError, naming none of them."""
    joined = "".join(texts).encode()
    if point != ".":
        if b"." in joined:
            raise ValueError("a point where a comma is the decimal mark")
        joined = joined.replace(point.encode(), b".")
        texts = [text.replace(point, ".") for text in texts]
    if joined.translate(None, _OF_NUMBERS):
        raise ValueError("not all are numbers")
    return [float(text) for text in texts]


def read_wholes(texts: Sequence[str]) -> list[int]:
    """Many whole numbers at once; raises ValueError, naming none of them."""
    if "".join(texts).encode().translate(None, _OF_WHOLES):
        raise ValueError("not all are whole numbers")
    return [int(text) for text in texts]
