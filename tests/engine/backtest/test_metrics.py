"""The metrics against values computed by hand, against backtesting.py's own where definitions agree, and as properties."""

import math

import numpy as np
import pandas as pd
import pytest
from backtesting._stats import compute_stats
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backtest.metrics import compute_metrics, daily_returns
from engine.model.account import Costs
from engine.model.market import DAY_MS, HOUR_MS, Candles, Timeframe
from engine.model.metric_definitions import DEFINITIONS, OF_TRIALS
from tests.engine.backtest.accounts import measure, trade
from tests.engine.backtest.playing import BUY, SELL, near, play
from tests.support.builders import START_MS, flat_candles, random_candles
from tests.support.examples import examples

CONTRACT = {
    "return_pct",
    "buy_hold_return_pct",
    "cagr_pct",
    "sharpe",
    "sortino",
    "calmar",
    "max_drawdown_pct",
    "max_drawdown_days",
    "trades",
    "open_trades",
    "win_rate_pct",
    "profit_factor",
    "expectancy_pct",
    "sqn",
    "kelly",
    "exposure_pct",
    "commission",
    "slippage",
    "funding",
    "final_equity",
    "peak_equity",
    "best_trade_pct",
    "worst_trade_pct",
    "avg_trade_pct",
}


def test_every_metric_of_the_contract_is_there_defined_and_in_order() -> None:
    metrics = measure([100, 101])
    assert set(metrics) >= CONTRACT
    assert list(metrics) == list(DEFINITIONS)
    assert {d.unit for d in DEFINITIONS.values()} == {
        "%",
        "money",
        "days",
        "hours",
        "years",
        "bps",
        "count",
        "ratio",
        "fraction",
    }
    assert all(d.title and d.definition.endswith(".") for d in DEFINITIONS.values())


def test_every_metric_is_a_plain_number_or_none() -> None:
    candles = random_candles(2500, 3)
    columns = {BUY: range(0, 2500, 20), SELL: range(10, 2500, 20)}
    outcome = play(candles, columns, reverse=True)
    metrics = compute_metrics(outcome, candles, Costs(cash=1000), Timeframe("1h"))
    assert {type(value) for value in metrics.values()} == {float, int, type(None)}
    terms = [
        "funding",
        "funding_coverage_pct",
        "funding_edge",
        "nearest_liquidation_pct",
        "equity_low",
        "equity_high",
        "settled_trades",
        *OF_TRIALS,
    ]
    never = {*terms, "break_even_bps"}
    assert {name for name, value in metrics.items() if value is None} in (set(terms), never), (
        "one that could be computed was not"
    )


# -- the account


def test_result_in_money_and_percent() -> None:
    metrics = measure([110, 95, 105], candles=flat_candles([10, 11, 12], step_ms=DAY_MS))
    assert (metrics["final_equity"], metrics["peak_equity"], metrics["low_equity"]) == (105, 110, 95)
    assert (metrics["net_profit"], metrics["return_pct"]) == (5, near(5))
    assert metrics["buy_hold_return_pct"] == near(20)
    assert metrics["excess_return_pct"] == near(-15)


def test_the_peak_is_at_least_the_starting_cash() -> None:
    assert measure([90, 80])["peak_equity"] == 100


def test_buy_and_hold_runs_from_the_first_open_to_the_last_close() -> None:
    candles = Candles.from_rows([(START_MS, 8, 12, 8, 10, 1), (START_MS + DAY_MS, 11, 13, 10, 12, 1)])
    assert measure([100, 100], candles=candles)["buy_hold_return_pct"] == near(50)


def test_exposure_counts_candles_whose_close_sees_a_position() -> None:
    assert measure([100] * 4, [trade(1, candles=2)], entries=[1])["exposure_pct"] == 50


# -- drawdown


def test_drawdown_starts_from_the_cash() -> None:
    metrics = measure([90, 95, 99])
    assert metrics["max_drawdown_pct"] == near(-10)
    assert metrics["max_drawdown_money"] == near(10)
    assert metrics["max_drawdown_days"] == 3  # from the start to the end, never recovered


def test_drawdown_lasts_from_the_peak_to_its_recovery() -> None:
    #       day 1  2    3   4   5    6    7    8
    equity = [110, 100, 99, 90, 110, 120, 114, 120]
    metrics = measure(equity)
    assert metrics["max_drawdown_pct"] == near((90 / 110 - 1) * 100)
    assert metrics["max_drawdown_days"] == 4  # close of day 1 to close of day 5
    assert metrics["drawdowns"] == 2
    assert metrics["avg_drawdown_days"] == 3
    assert metrics["avg_drawdown_pct"] == near(((90 / 110 - 1) + (114 / 120 - 1)) / 2 * 100)
    assert metrics["time_under_water_pct"] == 50
    assert metrics["ulcer_index_pct"] == near(
        100 * math.sqrt(((10 / 110) ** 2 + (11 / 110) ** 2 + (20 / 110) ** 2 + (6 / 120) ** 2) / 8)
    )
    assert metrics["recovery_factor"] == near(20 / 20)


def test_the_longest_drawdown_need_not_be_the_deepest() -> None:
    assert measure([120, 60, 120, 119, 119, 119, 121])["max_drawdown_days"] == 4


def test_what_only_rounding_took_is_no_drawdown() -> None:
    metrics = measure([110, 110 * (1 - 2e-16), 110, 99])
    assert (metrics["drawdowns"], metrics["max_drawdown_days"], metrics["time_under_water_pct"]) == (1, 1, 25)
    assert measure([110, 110 * (1 - 2e-16)])["max_drawdown_pct"] == 0


def test_without_a_loss_there_is_no_drawdown() -> None:
    metrics = measure([100, 101, 101, 102])
    assert (metrics["max_drawdown_pct"], metrics["max_drawdown_days"], metrics["drawdowns"]) == (0, 0, 0)
    assert metrics["recovery_factor"] is None


# -- days


def test_daily_returns_use_the_last_value_of_each_utc_day_and_start_from_the_cash() -> None:
    opens = (
        START_MS + np.array([22, 23, 24, 47, 48]) * HOUR_MS
    )  # two candles of day 1, two of day 2, one of day 3
    values = np.array([101.0, 110.0, 90.0, 99.0, 99.0])
    assert daily_returns(100.0, values, opens).tolist() == near([0.1, -0.1, 0.0])


def test_days_without_candles_carry_forward() -> None:
    opens = START_MS + np.array([0, 3 * DAY_MS])
    assert daily_returns(100.0, np.array([110.0, 121.0]), opens).tolist() == near([0.1, 0, 0, 0.1])


def test_a_ruined_account_returns_nothing_more() -> None:
    opens = START_MS + np.arange(4) * DAY_MS
    assert daily_returns(100.0, np.array([50.0, 0.0, 0.0, 0.0]), opens).tolist() == [-0.5, -1.0, 0.0, 0.0]


MONTH = [100 * 1.02 ** (i // 2 + i % 2) * 0.99 ** (i // 2) for i in range(1, 41)]  # +2 %, -1 %, +2 %, ...
RETURNS = np.array([0.02, -0.01] * 20)


def test_annual_figures_by_hand() -> None:
    assert measure(MONTH)["return_pct"] == near((1.02**20 * 0.99**20 - 1) * 100)
    metrics = measure(MONTH)
    deviation = math.sqrt(40 / 39) * 0.015
    assert metrics["volatility_pct"] == near(deviation * math.sqrt(365) * 100)
    assert metrics["sharpe"] == near(0.005 / deviation * math.sqrt(365))
    assert metrics["sortino"] == near(0.005 / (0.01 / math.sqrt(2)) * math.sqrt(365))
    cagr = (1.02**20 * 0.99**20) ** (365 / 40) - 1
    assert metrics["cagr_pct"] == near(cagr * 100)
    assert metrics["max_drawdown_pct"] == near(-1)
    assert metrics["calmar"] == near(cagr / 0.01)
    assert metrics["upi"] == near(cagr / (0.01 / math.sqrt(2)))
    assert metrics["omega"] == near(2)
    assert (metrics["best_day_pct"], metrics["worst_day_pct"]) == (near(2), near(-1))
    assert (metrics["winning_days"], metrics["losing_days"], metrics["winning_days_pct"]) == (20, 20, 50)
    assert metrics["avg_day_pct"] == near(0.5)
    assert metrics["skew"] == near(0, abs=1e-9)
    assert metrics["kurtosis"] == near(-2)  # two equally likely values


def test_the_probabilistic_sharpe_ratio_by_its_formula() -> None:
    deviation = math.sqrt(40 / 39) * 0.015
    sharpe = 0.005 / deviation
    z = sharpe * math.sqrt(39) / math.sqrt(1 - 0 * sharpe + (1 - 1) / 4 * sharpe**2)  # skew 0, kurtosis 1
    assert measure(MONTH)["psr"] == near(0.5 * math.erfc(-z / math.sqrt(2)), rel=1e-6)


def test_beta_and_alpha_against_a_market_that_is_half_as_bold() -> None:
    prices = 10 * np.cumprod(1 + RETURNS / 2)
    rows = [(START_MS + i * DAY_MS, p, p, p, p, 1.0) for i, p in enumerate(prices.tolist())]
    rows[0] = (START_MS, 10.0, 10.1, 10.0, rows[0][4], 1.0)
    metrics = measure(MONTH, candles=Candles.from_rows(rows))
    assert metrics["beta"] == near(2)
    assert metrics["alpha_pct"] == near(0, abs=1e-9)
    half = RETURNS / 2
    assert metrics["information_ratio"] == near(half.mean() / half.std(ddof=1) * math.sqrt(365))


@pytest.mark.parametrize(("days", "shown"), [(29, False), (30, True)])
def test_nothing_is_annualised_below_thirty_days(days: int, shown: bool) -> None:
    metrics = measure(MONTH[:days])
    names = ("cagr_pct", "volatility_pct", "sharpe", "sortino", "calmar", "psr", "omega", "skew", "upi")
    assert all((metrics[name] is not None) is shown for name in names)


def test_partial_days_count_as_they_are_in_the_length() -> None:
    hourly = flat_candles([10.0] * (30 * 24 - 1))
    equity = [100 + (i % 7) for i in range(len(hourly))]
    assert measure(equity, candles=hourly, timeframe="1h")["sharpe"] is None
    hourly = flat_candles([10.0] * (30 * 24))
    assert measure([*equity, 103], candles=hourly, timeframe="1h")["sharpe"] is not None


def test_an_account_that_never_moves_has_no_annual_figures() -> None:
    metrics = measure([100.0] * 200)
    for name in (
        "cagr_pct",
        "volatility_pct",
        "sharpe",
        "sortino",
        "calmar",
        "psr",
        "beta",
        "skew",
        "kurtosis",
        "omega",
    ):
        assert metrics[name] is None, name


def test_without_a_losing_day_there_is_no_sortino() -> None:
    metrics = measure([100 + i * (1 + i % 3) for i in range(40)])
    assert metrics["sortino"] is not None or metrics["losing_days"] == 0
    rising = measure(np.cumsum([100.0, *([1.0, 2.0] * 20)]).tolist())
    assert (rising["sortino"], rising["omega"], rising["calmar"]) == (None, None, None)
    assert rising["sharpe"] is not None


def test_tail_figures_need_a_hundred_days() -> None:
    rng = np.random.default_rng(1)
    returns = rng.normal(0, 0.02, 120)
    equity = (100 * np.cumprod(1 + returns)).tolist()
    metrics = measure(equity)
    low, high = np.percentile(returns, (5, 95))
    assert metrics["var95_pct"] == near(low * 100)
    assert metrics["cvar95_pct"] == near(returns[returns <= low].mean() * 100)
    assert metrics["tail_ratio"] == near(abs(high) / abs(low))
    assert measure(equity[:99])["cvar95_pct"] is None


def test_monthly_candles_end_where_the_next_month_begins() -> None:
    opens = [1_704_067_200_000, 1_706_745_600_000]  # January and February 2024
    candles = Candles.from_rows([(t, 10, 10, 10, 10, 1) for t in opens])
    metrics = measure([90, 95], candles=candles, timeframe="1M")
    assert metrics["max_drawdown_days"] == 31 + 29


def test_one_candle_of_data_is_enough() -> None:
    metrics = measure([100.0])
    assert (metrics["return_pct"], metrics["max_drawdown_pct"], metrics["trades"]) == (0, 0, 0)
    assert metrics["sharpe"] is None


# -- against backtesting.py, where the definitions agree


def test_figures_with_the_same_definition_equal_backtesting_pys() -> None:
    candles = random_candles(24 * 60, 11)
    columns = {BUY: range(5, 1400, 40), SELL: range(25, 1400, 40), "exit_short": [1410]}
    outcome = play(candles, columns, reverse=True, cash=1e6, size=0.5)
    metrics = compute_metrics(outcome, candles, Costs(cash=1e6), Timeframe("1h"))

    frame = candles.frame().tz_localize(None)
    rows = pd.DataFrame(
        {
            "Size": [t.size for t in outcome.trades],
            "EntryBar": [(t.entry_time - START_MS) // HOUR_MS for t in outcome.trades],
            "ExitBar": [(t.exit_time - START_MS) // HOUR_MS for t in outcome.trades],
            "PnL": [t.pnl for t in outcome.trades],
            "ReturnPct": [t.return_pct / 100 for t in outcome.trades],
            "Duration": [pd.Timedelta(t.exit_time - t.entry_time, "ms") for t in outcome.trades],
        }
    )
    assert metrics["open_trades"] == 0
    theirs = compute_stats(rows, outcome.equity, frame.rename(columns=str.title), None)
    for ours, name in (
        ("return_pct", "Return [%]"),
        ("max_drawdown_pct", "Max. Drawdown [%]"),
        ("win_rate_pct", "Win Rate [%]"),
        ("best_trade_pct", "Best Trade [%]"),
        ("worst_trade_pct", "Worst Trade [%]"),
        ("expectancy_pct", "Expectancy [%]"),
        ("sqn", "SQN"),
        ("kelly", "Kelly Criterion"),
        ("trades", "# Trades"),
        ("final_equity", "Equity Final [$]"),
        ("peak_equity", "Equity Peak [$]"),
    ):
        assert metrics[ours] == near(theirs[name], rel=1e-9), name


# -- properties


@given(st.lists(st.floats(0.5, 2.0), min_size=1, max_size=150), st.integers(0, 3))
@settings(max_examples=examples(60), deadline=None)
def test_metrics_hold_together_for_any_equity(steps: list[float], holes: int) -> None:
    equity = (100 * np.cumprod(np.array(steps) ** 0.1)).tolist()
    times = START_MS + np.cumsum([1 + holes * (i % 5 == 0) for i in range(len(equity))]) * DAY_MS
    candles = Candles.from_rows([(int(t), 10, 10, 10, 10, 1) for t in times])
    metrics = measure(equity, candles=candles)
    assert -100 <= metrics["max_drawdown_pct"] <= 0 <= metrics["max_drawdown_days"]
    assert metrics["avg_drawdown_pct"] >= metrics["max_drawdown_pct"] - 1e-9
    assert metrics["low_equity"] <= metrics["final_equity"] <= metrics["peak_equity"]
    assert metrics["worst_day_pct"] <= metrics["avg_day_pct"] <= metrics["best_day_pct"]
    assert 0 <= metrics["time_under_water_pct"] <= 100
    assert metrics["psr"] is None or 0 <= metrics["psr"] <= 1
    assert metrics["sharpe"] is None or metrics["volatility_pct"] > 0
    if metrics["psr"] is not None and abs(metrics["sharpe"]) > 1e-6:
        assert (metrics["psr"] > 0.5) == (metrics["sharpe"] > 0)


@given(st.lists(st.floats(0.5, 2.0), min_size=30, max_size=80), st.integers(-20, 20))
@settings(max_examples=examples(30), deadline=None)
def test_ratios_do_not_depend_on_the_unit_of_money(steps: list[float], power: int) -> None:
    equity = 100 * np.cumprod(np.array(steps) ** 0.1)
    one, other = measure(equity.tolist()), measure((equity * 2.0**power).tolist(), cash=100 * 2.0**power)
    for name, definition in DEFINITIONS.items():
        if definition.unit != "money":
            assert one[name] == other[name], name
