"""How many examples a law is tried on: a count is what `make check` tries; `make test` tries a quarter, but ten at least."""

from hypothesis import settings

USUAL = 100  # what Hypothesis tries where nothing is said, and so what the profile of `make check` does
LEAST = 10


def examples(count: int) -> int:
    """`count` times what this lane tries of the usual hundred; no law gets fewer than ten, unless it asks for fewer."""
    return max(min(count, LEAST), count * settings().max_examples // USUAL)
