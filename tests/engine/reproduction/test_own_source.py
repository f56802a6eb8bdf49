"""Python source as a tree."""

import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.reproduction.inputs import DECIDING
from engine.reproduction.own_source import source_of, syntax_tree


@pytest.fixture
def turns_within_a_tree() -> Iterator[None]:
    """The collector lets another thread go on in the midst of a tree, as it may with any object that it finalizes."""
    counts = gc.get_threshold()
    gc.callbacks.append(pause)
    gc.set_threshold(100)
    yield
    gc.set_threshold(*counts)
    gc.callbacks.remove(pause)


def pause(*_: object) -> None:
    time.sleep(0.0001)


@pytest.mark.usefixtures("turns_within_a_tree")
def test_many_threads_read_source_at_once():
    sources = [source_of(name)[:20_000].rpartition(b"\n\n\n")[0] for name in DECIDING[:8]]
    with ThreadPoolExecutor(8) as threads:
        trees = list(threads.map(syntax_tree, sources))
    assert len(trees) == len(sources)
