"""What a user says of a run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Remark:
    """A note in the user's words, whether the run is pinned, and what it is called (empty: by its strategy). It is no part
    of the run: no figure depends on it.
    """

    note: str = ""
    pinned: bool = False
    name: str = ""
