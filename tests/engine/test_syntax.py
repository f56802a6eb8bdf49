"""Python's parser in many threads: source, and the heads of numpy's files, which it reads too."""

import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from engine.reproduction.inputs import DECIDING
from engine.reproduction.own_source import source_of
from engine.syntax import mapped_array, read_array, syntax_tree


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


@pytest.mark.usefixtures("turns_within_a_tree")
def test_threads_that_load_arrays_do_not_disturb_those_that_read_source(tmp_path: Path) -> None:
    file = tmp_path / "some.npy"
    np.save(file, np.arange(3.0))
    source = source_of(DECIDING[0])[:20_000].rpartition(b"\n\n\n")[0]

    def look(turn: int) -> None:
        if turn % 3 == 0:
            syntax_tree(source)
        elif turn % 3 == 1:
            assert mapped_array(file).tolist() == [0, 1, 2]
        else:
            with file.open("rb") as opened:
                assert read_array(opened).tolist() == [0, 1, 2]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(look, range(60)))
