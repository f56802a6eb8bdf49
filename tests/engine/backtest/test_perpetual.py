"""What of a perpetual's market a worker needs: written to a file, and read as it was."""

from pathlib import Path

import numpy as np

from engine.backtest.perpetual import Funding, Mark, Perpetual
from engine.model.brackets import Brackets
from engine.model.perpetual import PerpetualFile

BRACKETS = Brackets.of([(0, 0.004, 125), (300_000, 0.005, 100), (800_000, 0.0065, 75)])


def test_what_is_written_for_workers_is_what_they_read(tmp_path: Path) -> None:
    rows = [np.arange(4.0) + 10 * k for k in range(7)]
    given = Perpetual(Funding(*rows[:4]), Mark(*rows[4:]), BRACKETS)
    file = PerpetualFile.write(tmp_path / "a.npy", given.columns(), given.brackets)
    read = Perpetual.of_file(file)
    assert read is not None
    assert {name: column.tolist() for name, column in read.columns().items()} == {
        name: column.tolist() for name, column in given.columns().items()
    }
    assert read.brackets is not None
    assert read.brackets.cum.tolist() == BRACKETS.cum.tolist()


def test_parts_that_are_not_there_stay_away(tmp_path: Path) -> None:
    alone = Perpetual(brackets=BRACKETS)
    read = Perpetual.of_file(PerpetualFile.write(tmp_path / "b.npy", alone.columns(), alone.brackets))
    assert read is not None
    assert (read.funding, read.mark) == (None, None)
    assert Perpetual.of_file(None) is None


def test_a_part_is_that_of_its_candles() -> None:
    rows = [np.arange(4.0) + 10 * k for k in range(4)]
    part = Perpetual(Funding(*rows), brackets=BRACKETS).slice(1, 3)
    assert [column.tolist() for column in part.columns().values()] == [[1, 2], [11, 12], [21, 22], [31, 32]]
    assert (part.mark, part.brackets) == (None, BRACKETS)
