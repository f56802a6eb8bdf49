"""Plain data, the only thing that leaves a worker: JSON values and numpy arrays, one line of JSON, then .npy blocks.

Nothing in it can name a class, so reading it runs no code and needs no import, whatever a strategy put into its result.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import numpy as np

from engine.syntax import read_array

_ARRAY: Final = "\0array"  # stands for the next .npy block; no key of ours begins with NUL


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A value ready to be written: one line of JSON and the arrays it refers to, in order."""

    line: bytes
    arrays: Sequence[np.ndarray[Any, Any]]

    @property
    def nbytes(self) -> int:
        """About how many bytes `write` will produce."""
        return len(self.line) + sum(array.nbytes + 128 for array in self.arrays)

    def write(self, file: BinaryIO) -> None:
        """Append the value to `file`, which `decode` reads again."""
        file.write(self.line)
        for array in self.arrays:
            np.lib.format.write_array(file, array, allow_pickle=False)


def encode(value: Any) -> Encoded:
    """Make `value` (None, bool, int, float, str, list, tuple, dict with text keys, numpy) ready to leave the process.

    Tuples arrive as lists. Raises TypeError naming the type of anything else.
    """
    arrays: list[np.ndarray[Any, Any]] = []

    def plain(item: Any) -> Any:
        if isinstance(item, np.ndarray) and not item.dtype.hasobject:
            arrays.append(np.asarray(item))
            return {_ARRAY: True}
        if isinstance(item, np.generic):
            return item.item()
        kind = f"array of {item.dtype}" if isinstance(item, np.ndarray) else type(item).__qualname__
        raise TypeError(
            f"the result holds a value of type {kind}; only plain values and numpy arrays can be returned"
        )

    line = json.dumps(value, default=plain, separators=(",", ":")).encode() + b"\n"
    return Encoded(line, arrays)


def decode(file: BinaryIO) -> Any:
    """The value that `Encoded.write` wrote. Arrays come back writable, with their exact dtype and shape."""
    line = file.readline()

    def restore(item: dict[str, Any]) -> Any:  # called in the order in which `encode` met the arrays
        return read_array(file) if _ARRAY in item else item

    return json.loads(line, object_hook=restore)
