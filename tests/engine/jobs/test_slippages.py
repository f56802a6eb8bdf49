"""A row of a cost surface: every figure by hand, the end of the profit where the closed form has it."""

import math
from pathlib import Path

import numpy as np
import pytest

from engine.jobs.slippages import run_slippages
from engine.model.account import Costs
from engine.model.cost_surface import FIGURES
from engine.model.market import CandleFile
from engine.parallel.tasks import SlippagesAnswer, SlippagesTask
from tests.support.builders import flat_candles

SLIPPAGES = (0.0, 0.001, 0.002, 0.003)
BUYS_ONCE = '''
import numpy as np
from engine.strategy import Strategy


class Once(Strategy):
    """In at the second open, out at the fourth."""

    def signals(self, candles, indicators):
        at = np.arange(len(candles))
        return {"signal_a_buy": at == 0, "exit_long": at == 2}
'''
STOPS_WHEN_POORER = '''
from backtesting import Strategy


class Careful(Strategy):
    """Buys and sells in turn as long as most of the money is there."""

    def init(self):
        pass

    def next(self):
        if self.position:
            self.position.close()
        elif self.equity > 9_950:
            self.buy(size=0.9)
'''


def row(folder: Path, body: str, prices: list[float], commission: float) -> SlippagesAnswer:
    """What comes of the strategy on candles that stand still at these prices."""
    (folder / "mine.py").write_text(body)
    flat_candles(prices).save(folder / "candles.npy")
    task = SlippagesTask(
        strategy=folder / "mine.py", params={}, candles=CandleFile(folder / "candles.npy", 0), warmup=0,
        costs=Costs(commission=commission), engine="auto", timeframe="1h", slippages=SLIPPAGES,
    )  # fmt: skip
    return run_slippages(task, lambda *_: None)


def test_every_cell_and_the_break_even_are_those_of_the_formula(tmp_path: Path):
    fee = 0.0004
    found = row(tmp_path, BUYS_ONCE, [199.5, 199.5, 199.5, 200.5, 200.5], fee)
    for slippage, values in zip(SLIPPAGES, found.figures, strict=True):
        bought, sold = 199.5 * (1 + slippage), 200.5 * (1 - slippage)
        units = math.floor(9_500 / (bought + fee * 199.5) * 1e8) / 1e8
        gross, value, rate = units * 1.0, units * 400.0, fee
        net = gross * (1 + rate * slippage) - value * (rate + slippage)
        assert net == pytest.approx(units * (sold * (1 - fee) - bought * (1 + fee)), rel=1e-9)
        cell = dict(zip(FIGURES, values.tolist(), strict=True))
        assert cell["final_equity"] == pytest.approx(10_000 + net, abs=1e-6)
        assert cell["return_pct"] == pytest.approx(net / 100, abs=1e-8)
        assert cell["trades"] == 1
        assert math.isnan(cell["sharpe"])  # of five hours
    assert found.break_even == pytest.approx(21.000021e-4, abs=1e-9)  # G 1,000, V 400,000
    assert (len(set(found.trades)), found.errors) == (1, [])


def test_what_loses_everywhere_or_wins_everywhere_has_no_break_even(tmp_path: Path):
    assert row(tmp_path, BUYS_ONCE, [200.0] * 5, 0.0004).break_even is None
    assert row(tmp_path, BUYS_ONCE, [200.0, 200.0, 200.0, 250.0, 250.0], 0.0004).break_even is None


def test_trades_that_other_costs_leave_out_are_seen_and_the_account_asks_the_strategy_anew(tmp_path: Path):
    found = row(tmp_path, STOPS_WHEN_POORER, [200.0] * 40, 0.0)
    trades = found.figures[:, FIGURES.index("trades")].tolist()
    assert trades == sorted(trades, reverse=True)
    assert trades[0] > trades[-1] > 0
    assert len(set(found.trades)) == len(set(trades))
    np.testing.assert_allclose(found.figures[0, FIGURES.index("final_equity")], 10_000)
