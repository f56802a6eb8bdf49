"""The known cases: files as people have them on the real half year of SOLUSDT, with the figures of the library itself.

They lie beside the real candles (`../shared/cases`), outside the project; skipped where they are not.
"""

import os
from pathlib import Path

import pytest

from engine.backtest.library.native import NativeRun, play_native
from engine.loader import load_strategy
from engine.model.account import Costs
from engine.model.market import parse_time
from tests.engine.backtest.playing import near
from tests.support.builders import real_candles

FIRST, LAST = parse_time("2024-01-01"), parse_time("2024-07-01")
CASES = [
    ("cash_size", 10_505.421696, 68, 1),
    ("margin_size", 10_505.421696, 68, 1),
    ("peak_cash", 11_516.941050, 61, 1),
    ("eq_curve", 9_798.944097, 68, 1),
    ("withdraw", 9_270.15006, 1, 1),
    ("id_trade", 10_949.160460, 106, 1),
    ("key_trade", 10_949.160460, 106, 1),
    ("ident", 10_291.558949, 37, 1),
    ("qualname", 10_024.27022, 68, 1),
    ("ruin_many", 0.0, 4, 0),
    ("sell_pos", 10_508.048861, 68, 1),
    ("sell_pos_btc", 9_687.404025, 74, 1),
    ("sell_pos_small", 9_999.671823, 74, 1),
    ("quickstart", 0.0, 11, 0),
    ("replace_tag", 10_307.486580, 44, 0),
    ("params_inf", 10_053.553190, 44, 0),
    ("params_types", 10_242.512685, 43, 1),
    ("bracket", 11_054.974333, 21, 1),
    ("clear_orders", 10_076.203161, 355, 0),
    ("flip", 6_306.000965, 283, 3),
    ("half_int", 11_323.390070, 87, 1),
    ("initover", 9_959.120924, 22, 0),
    ("lamb", 10_985.576574, 14, 0),
    ("mtf", 10_743.272857, 35, 1),
    ("partial", 10_011.159922, 554, 1),
    ("risk", 9_700.730133, 48, 1),
    ("sig", 0.0, 25, 0),
    ("trail", 8_420.445685, 60, 1),
]


def case(name: str) -> type:
    beside = Path(__file__).parents[4] / "shared" / "data"
    file = Path(os.environ.get("BACKTEST_TEST_DATA", beside)).parent / "cases" / "strategies" / f"{name}.py"
    if not file.is_file():
        pytest.skip(f"no case {name} on this machine; it is looked for beside the real candles")
    return load_strategy(file)


def played(name: str, strategy: type) -> NativeRun:
    symbol = "BTCUSDT" if name in ("sell_pos_btc", "sell_pos_small") else "SOLUSDT"
    candles = real_candles(f"usdm-{symbol}-1h-20231201")
    inside = slice(*candles.timestamp.searchsorted([FIRST, LAST]))
    return play_native(candles.slice(inside.start, inside.stop), strategy, {}, Costs())


@pytest.mark.parametrize(("name", "final", "closed", "held"), CASES, ids=[row[0] for row in CASES])
def test_a_case_ends_as_in_the_library(name: str, final: float, closed: int, held: int) -> None:
    outcome = played(name, case(name)).outcome
    assert outcome.equity[-1] == near(final, rel=1e-9, abs=1e-6)
    still = int(outcome.table.is_open.sum())
    assert (len(outcome.table) - still, still) == (closed, held)


def test_the_short_in_four_pieces_is_ruined_as_a_whole() -> None:
    outcome = played("ruin_many", case("ruin_many")).outcome
    assert {t.exit_reason for t in outcome.trades} == {"ruin"}
    assert {t.exit_time for t in outcome.trades} == {parse_time("2024-03-18T10:00:00Z")}
    assert sum(t.pnl for t in outcome.trades) == near(-10_161.839616, rel=1e-9)
    assert outcome.shortfall == near(161.839616, rel=1e-7)


def test_a_quick_start_without_its_setting_is_told_of_its_cancelled_orders() -> None:
    strategy = case("quickstart")
    assert "79 orders cancelled: not enough cash" in played("quickstart", strategy).orders_check()["note"]
    stated = type(strategy.__name__, (strategy,), {"exclusive_orders": True})
    outcome = played("quickstart", stated).outcome
    assert (outcome.equity[-1], int((~outcome.table.is_open).sum())) == (near(9_096.497180, rel=1e-9), 227)


def test_what_a_strategy_takes_out_is_said() -> None:
    run = played("withdraw", case("withdraw"))
    assert run.moved == near(-1000)


def test_a_rewritten_tag_is_the_trade_s() -> None:
    assert {t.entry_signal for t in played("replace_tag", case("replace_tag")).outcome.trades} == {"in out"}
