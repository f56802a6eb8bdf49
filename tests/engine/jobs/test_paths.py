"""Candles and terms of one path: drawn by its number alone, charged and margined at its own prices."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.backtest.perpetual import Funding, Mark, Perpetual
from engine.jobs.paths import at_prices, candles_of_path
from engine.model.brackets import Brackets
from engine.model.market import CandleFile
from engine.parallel.tasks import PathsTask
from tests.support.builders import random_candles

REAL = random_candles(200, 5)
PERPETUAL = Perpetual(
    Funding(*np.random.default_rng(0).normal(0, 1, (4, 200))),
    Mark(REAL.open * 1.01, REAL.high * 1.02, REAL.low * 0.99),
    Brackets.of([(0.0, 0.005, 20.0)]),
    None,
    True,
)


def task(blocks: float | None = None, noise: float = 0.0, seed: int = 1) -> PathsTask:
    return PathsTask(
        study="s", strategy=Path("x.py"), params={}, candles=CandleFile(Path("c"), 0), warmup=0, timeframe="1h",
        numbers=(), seed=seed, blocks=blocks, noise=noise,
    )  # fmt: skip


@pytest.mark.parametrize("asked", [task(blocks=20), task(noise=0.5)], ids=["blocks", "noise"])
def test_a_path_is_drawn_by_its_number_and_the_seed_alone(asked: PathsTask):
    hashes = [candles_of_path(asked, REAL, number).sha256() for number in (0, 1, 2, 1)]
    assert hashes[0] == REAL.sha256()
    assert len(set(hashes)) == 3
    assert hashes[1] == hashes[3]
    assert candles_of_path(replace(asked, seed=2), REAL, 1).sha256() != hashes[1]


def test_funding_and_mark_keep_their_ratio_to_the_price_and_nothing_else_changes():
    path = candles_of_path(task(blocks=10), REAL, 3)
    found = at_prices(PERPETUAL, REAL, path)
    assert found is not None
    assert found.funding is not None
    assert found.mark is not None
    np.testing.assert_allclose(found.mark.low, path.low * 0.99, rtol=1e-12)
    np.testing.assert_allclose(found.mark.high, path.high * 1.02, rtol=1e-12)
    assert PERPETUAL.funding is not None
    np.testing.assert_allclose(
        found.funding.inside / path.open, PERPETUAL.funding.inside / REAL.open, rtol=1e-9
    )
    assert (found.brackets, found.filters, found.filtered) == (PERPETUAL.brackets, None, True)


def test_at_the_real_prices_the_terms_are_the_real_ones_to_the_last_bit():
    found = at_prices(PERPETUAL, REAL, REAL)
    assert found is not None
    for name, column in PERPETUAL.columns().items():
        assert (found.columns()[name] == column).all()
    assert at_prices(None, REAL, REAL) is None
