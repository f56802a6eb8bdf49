"""What `new-strategy` writes: a strategy that works as it is."""

from pathlib import Path

import numpy as np
import pytest

from engine.backtest.evaluation import evaluate
from engine.backtest.frame import CandleFrame
from engine.errors import InputError
from engine.loader import (
    find_strategy_files,
    load_strategy,
    strategy_infos,
    template,
)
from engine.parallel.pool import WorkerPool
from tests.engine.loader.asking import Asked
from tests.support.builders import random_candles


@pytest.mark.parametrize(
    ("name", "kind"), [("my_first_strategy", "market"), ("x", "limit"), ("a1", "trailing"), ("b", "dca")]
)
def test_the_template_works_as_it_is(pool: WorkerPool, tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / f"{name}.py").write_text(template(name, kind))
    (info,) = strategy_infos(find_strategy_files([tmp_path]), Asked(pool), tmp_path / "cache")
    assert (info.name, info.error) == (name, None)
    assert info.title == name.replace("_", " ").capitalize()
    assert [param["name"] for param in info.params][:2] == ["fast", "slow"]
    strategy, path = load_strategy(tmp_path / f"{name}.py")(), tmp_path / f"{name}.py"
    said = evaluate(strategy, path, CandleFrame(random_candles(600, 3)))
    assert np.count_nonzero(said.signals.entry) > 5
    assert (said.signals.orders is None) == (kind == "market")


@pytest.mark.parametrize("name", ["", "a-b", "../x", "class", "_x", "ä", "a b", "x.py"])
def test_a_template_needs_a_name_that_would_be_found(name: str) -> None:
    with pytest.raises(InputError, match="cannot name a strategy"):
        template(name)
