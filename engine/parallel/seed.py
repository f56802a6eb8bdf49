"""Chance in strategies: every evaluation finds the shared generators where every other does."""

import random
from typing import Final

import numpy as np

SEED: Final = 0


def seed_random() -> None:
    """Make the shared generators of `random` and numpy start where they start in every evaluation of a strategy."""
    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002 - the generator that plug-ins share
