"""The figures of the Analysis page add up to the run's metrics, whatever the run."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings

from engine.analysis.account import Account, calendar, rolling_sharpe
from engine.analysis.analysis import Analysis, analyse
from engine.analysis.columns import TradeColumns
from engine.analysis.groups import DIMENSIONS, binned, clock_ms, grouped
from engine.analysis.market import (
    NO_HISTORY,
    NOT_HELD,
    beside_market,
    measured_candles,
    regime_measures,
    relation,
)
from engine.model.market import DAY_MS, HOUR_MS, Candles, Market, Period
from engine.model.run import RunResult, json_ready
from engine.model.trade_filter import LOSSES, STILL_OPEN, WINS, Facet, TradeFilter
from tests.engine.analysis.runs import RUNS, made
from tests.engine.backtest.playing import near
from tests.support.builders import START_MS, random_candles
from tests.support.examples import examples
from tests.support.timezone import Timezone

Scene = tuple[RunResult, Candles]


def figures(run: RunResult) -> dict[str, Any]:
    """The run's metrics, of which one that is needed is there."""
    return dict(run.metrics)


def holds_together(analysis: Analysis, run: RunResult) -> None:
    metrics = figures(run)
    net = metrics["net_profit"] - metrics["shortfall"]
    scale = max(1.0, sum(abs(trade.pnl) for trade in run.trades))
    for key, groups in analysis.groups.items():
        assert sum(group.trades for group in groups) == metrics["trades"], key
        assert sum(group.open_trades for group in groups) == metrics["open_trades"], key
        assert sum(group.wins for group in groups) == metrics["winning_trades"], key
        assert sum(group.losses for group in groups) == metrics["losing_trades"], key
        assert abs(sum(group.pnl for group in groups) - net) <= 1e-9 * scale, key
        places = sorted(place for group in groups for place in group.places)
        assert places == list(range(len(run.trades))), key
        for group in groups:
            assert abs(sum(run.trades[at].pnl for at in group.places) - group.pnl) <= 1e-9 * scale


@given(RUNS)
@settings(max_examples=examples(25), deadline=None)
def test_groups_add_up_to_the_runs_metrics(scene: Scene) -> None:
    run, candles = scene
    analysis = analyse(run, candles)
    assert {*DIMENSIONS, "trend", "volatility"} == set(analysis.groups)
    holds_together(analysis, run)
    total, metrics = analysis.total, figures(run)
    assert total.trades == metrics["trades"]
    assert total.win_rate_pct == near(metrics["win_rate_pct"])
    assert total.profit_factor == near(metrics["profit_factor"])
    longest = {
        won: max([one.trades for one in analysis.streaks if one.won is won], default=0)
        for won in (True, False)
    }
    assert longest[True] == metrics["max_consecutive_wins"]
    lost_in_a_row = metrics["max_consecutive_losses"]
    assert longest[False] <= lost_in_a_row  # break-even, which ends a streak here, counts as not won there


@given(RUNS)
@settings(max_examples=examples(25), deadline=None)
def test_the_account_adds_up_to_the_runs_metrics(scene: Scene) -> None:
    run, candles = scene
    analysis, metrics = analyse(run, candles), figures(run)
    assert analysis.calendar is not None
    months = analysis.calendar.months[~np.isnan(analysis.calendar.months)]
    assert np.prod(1 + months / 100) == near(1 + metrics["return_pct"] / 100, rel=1e-9)
    assert np.prod(1 + analysis.calendar.totals / 100) == near(1 + metrics["return_pct"] / 100, rel=1e-9)
    assert analysis.calendar.total == near(metrics["return_pct"], abs=1e-9)
    found = analysis.drawdowns
    assert len(found) == metrics["drawdowns"]
    assert (found[0].depth_pct if found else 0) == metrics["max_drawdown_pct"]
    assert max((one.days for one in found), default=0) == metrics["max_drawdown_days"]
    assert all(one.start_ms < one.trough_ms <= (one.recovery_ms or one.trough_ms) for one in found)
    assert min((one.money for one in found), default=0) == near(-metrics["max_drawdown_money"], abs=1e-9)
    json.dumps(json_ready(analysis.to_json()), allow_nan=False)


@given(RUNS)
@settings(max_examples=examples(20), deadline=None)
def test_alpha_and_beta_are_those_of_least_squares_and_of_the_metrics(scene: Scene) -> None:
    run, candles = scene
    account = Account.of(run)
    assert account is not None
    found = beside_market("SOLUSDT", account, candles)
    if found.beta is None:
        assert found.days < 30 or account.returns.std() < 1e-12
        return
    if found.days == len(account.days):  # the metrics count days without candles too
        assert (found.alpha_pct, found.beta) == (
            near(figures(run)["alpha_pct"]), near(figures(run)["beta"])
        )  # fmt: skip
    ends = np.searchsorted(candles.timestamp // DAY_MS, account.days // DAY_MS, side="right") - 1
    closes = np.concatenate(([candles.open[0]], candles.close[ends]))
    held = np.isin(account.days // DAY_MS, candles.timestamp // DAY_MS)
    held[1:] &= held[:-1].copy()
    x, y = (closes[1:] / closes[:-1] - 1)[held], account.returns[held]
    (beta, alpha), *_ = np.linalg.lstsq(np.column_stack((x, np.ones_like(x))), y, rcond=None)
    assert (found.beta, found.alpha_pct) == (near(beta), near(alpha * 36500, abs=1e-6))
    assert found.correlation == near(np.corrcoef(x, y)[0, 1])


def test_a_window_of_all_days_has_the_runs_sharpe_ratio() -> None:
    run, _ = made(3, 24 * 60)
    account = Account.of(run)
    assert account is not None
    whole = rolling_sharpe(account, 60)
    assert whole is not None
    assert whole.values.tolist() == [near(figures(run)["sharpe"])]
    assert whole.times.tolist() == [START_MS + 60 * DAY_MS]
    thirty = rolling_sharpe(account, 30)
    assert thirty is not None
    assert len(thirty.values) == 31
    last = account.returns[-30:]
    assert thirty.values[-1] == near(last.mean() / last.std(ddof=1) * 365**0.5)
    assert rolling_sharpe(account, 61) is None


def test_months_of_several_years_stand_in_their_cells() -> None:
    run, _ = made(1, 500, "1d", start_ms=START_MS + 350 * DAY_MS)  # 2024-12-16 to 2026-04-29
    account = Account.of(run)
    assert account is not None
    found = calendar(account)
    assert found.years == (2024, 2025, 2026)
    assert np.isnan(found.months[0, :11]).all()
    assert np.isnan(found.months[2, 4:]).all()
    assert not np.isnan(found.months[1]).any()
    equity = account.equity
    january_end = int(np.searchsorted(account.opens, 1_738_368_000_000)) - 1  # 2025-02-01
    december_end = int(np.searchsorted(account.opens, 1_735_689_600_000)) - 1  # 2025-01-01
    assert found.months[1, 0] == near((equity[january_end] / equity[december_end] - 1) * 100)


# -- the filter


def test_a_filter_narrows_every_group_but_its_own_and_leaves_the_account() -> None:
    run, candles = made(5, 3000)
    whole = analyse(run, candles)
    monday = whole.groups["weekday"][0]
    facet = Facet("weekday", monday.label, frozenset(monday.places))
    narrowed = analyse(run, candles, TradeFilter(side="long", facets=(facet,)))
    longs = [at for at in monday.places if run.trades[at].side == "long"]
    assert narrowed.shown.place.tolist() == longs
    assert narrowed.total.pnl == near(sum(run.trades[at].pnl for at in longs))
    for key, groups in narrowed.groups.items():
        expected = len(longs) if key != "weekday" else sum(trade.side == "long" for trade in run.trades)
        assert sum(group.trades for group in groups) == expected, key
    assert narrowed.groups["weekday"][0].places == tuple(longs)
    assert narrowed.calendar is not None
    assert narrowed.calendar.total == whole.calendar.total if whole.calendar else False
    assert narrowed.drawdowns == whole.drawdowns


def test_what_a_filter_says_of_outcomes_and_words() -> None:
    run, _ = made(5, 3000)
    ends = {outcome: {at for at, trade in enumerate(run.trades) if TradeFilter(outcome=outcome).admits(at, trade)}
            for outcome in (WINS, LOSSES, STILL_OPEN)}  # fmt: skip
    assert sum(map(len, ends.values())) == len(run.trades)
    assert len(ends[WINS]) == figures(run)["winning_trades"]
    words = TradeFilter(words="DIP 2024-03")
    assert [at for at, trade in enumerate(run.trades) if words.admits(at, trade)] == [
        at for at, trade in enumerate(run.trades)
        if trade.entry_signal == "signal_dip_buy" and 1_709_251_200_000 <= trade.entry_time < 1_711_929_600_000
    ]  # fmt: skip
    facet = Facet("hour", "03", frozenset({1}))
    once = TradeFilter().toggled(facet)
    assert once.admits(1, run.trades[1])
    assert not once.admits(2, run.trades[2])
    assert once.toggled(Facet("hour", "04", frozenset({2}))).facets == (Facet("hour", "04", frozenset({2})),)
    assert once.toggled(facet) == TradeFilter()


# -- clocks, bins, regimes


def test_the_clock_of_a_zone_shifts_hours_weekdays_and_months() -> None:
    zone = ZoneInfo("Asia/Kolkata")
    times = np.array([START_MS, START_MS + 18 * HOUR_MS + 1_800_000, START_MS + 400 * DAY_MS], dtype=np.int64)
    shown = clock_ms(times, zone)
    for utc, local in zip(times.tolist(), shown.tolist(), strict=True):
        there = datetime.fromtimestamp(utc / 1000, tz=zone).replace(tzinfo=UTC)
        assert datetime.fromtimestamp(local / 1000, tz=UTC) == there
    here = Timezone("Asia/Kolkata")
    try:
        assert clock_ms(times, None).tolist() == shown.tolist()
    finally:
        here.close()
    run, candles = made(5, 2000)
    utc, shifted = analyse(run, candles), analyse(run, candles, zone=zone)
    assert [one.trades for one in utc.groups["hour"]] != [one.trades for one in shifted.groups["hour"]]
    holds_together(shifted, run)
    assert utc.calendar is not None
    assert shifted.calendar is not None
    assert shifted.calendar.total == utc.calendar.total


@pytest.mark.parametrize(
    "values", [[], [0.0], [3.0, 3.0], [-0.4, 0.0, 0.4], [1e-9, -1e-9], [-1e6, 5.0, 1e6], [1.0] * 500 + [1e4]]
)
def test_every_result_lies_in_the_bin_whose_label_names_it(values: list[float]) -> None:
    codes, labels = binned(np.array(values))
    assert len(codes) == len(values)
    assert len(labels) <= 30
    assert all(0 <= code < len(labels) for code in codes.tolist())
    for value, code in zip(values, codes.tolist(), strict=True):
        if "…" in labels[code]:
            low, high = (float(edge.replace("−", "-").replace(",", "")) for edge in labels[code].split(" … "))
            assert low <= value < high
            assert low >= 0 or high <= 0  # wins and losses never share a bar


def test_a_regime_is_what_was_known_when_the_trade_was_entered() -> None:
    candles = random_candles(2000, 9)
    back = measured_candles(candles)
    measures = regime_measures(candles)
    at = 1500
    logs = np.log(candles.close[at - back - 1 : at])
    assert measures["trend"][at] == near(logs[-1] - logs[0])
    assert measures["volatility"][at] == near(np.diff(logs).std(ddof=1))
    assert np.isnan(measures["trend"][: back + 1]).all()
    later = Candles(
        candles.timestamp,
        *(np.where(np.arange(2000) < at, column, 7.0) for column in candles.columns().values()),
    )
    for name, measure in regime_measures(later).items():
        assert measure[at] == near(measures[name][at], rel=1e-6), name
    run, candles = made(5, 2000)
    labels = [group.label for group in analyse(run, candles).groups["trend"]]
    assert labels == ["Falling", "Middle", "Rising", NO_HISTORY]


# -- several runs, odd runs


def test_symbols_of_several_runs_are_counted_each() -> None:
    one, candles = made(1, 900)
    two, _ = made(2, 900)
    two = replace(two, market=Market(two.market.exchange, "ETHUSDT", "ETH/USDT:USDT"))
    again, _ = made(3, 900)
    table = analyse(one, candles, TradeFilter(side="short"), others=[two, again]).by_symbol
    shorts = [sum(trade.side == "short" for trade in run.trades) for run in (one, two, again)]
    assert {group.label: group.trades for group in table} == {
        "SOLUSDT": shorts[0] + shorts[2], "ETHUSDT": shorts[1],
    }  # fmt: skip


def test_trades_whose_candles_are_not_held_any_more_are_of_no_regime() -> None:
    run, candles = made(1, 900)
    part = candles.within(Period(int(candles.timestamp[450]), int(candles.timestamp[-1]) + 1))
    gone = sum(trade.entry_time < part.timestamp[0] for trade in run.trades)
    assert 0 < gone < len(run.trades)
    for kind in ("trend", "volatility"):
        by_label = {group.label: group.trades for group in analyse(run, part).groups[kind]}
        assert by_label[NOT_HELD] == gone
        assert sum(by_label.values()) == len(run.trades)


def test_a_ruined_account_a_run_without_trades_and_one_without_equity() -> None:
    ruined, candles = made(0, 800, volatility=0.9)
    assert figures(ruined)["shortfall"]
    holds_together(analyse(ruined, candles), ruined)
    none = RunResult(
        "b" * 32, "finished", "idle", ruined.market, ruined.timeframe, ruined.period, {}, ruined.costs, "compiled"
    )  # fmt: skip
    empty = analyse(none)
    assert (empty.total.trades, empty.total.pnl, empty.total.win_rate_pct) == (0, 0, None)
    assert (empty.calendar, empty.drawdowns, empty.streaks, empty.market) == (None, (), (), None)
    json.dumps(json_ready(empty.to_json()), allow_nan=False)


def test_a_market_of_which_days_are_missing_is_compared_on_those_that_both_have() -> None:
    run, _ = made(4, 24 * 90)
    account = Account.of(run)
    assert account is not None
    bitcoin = random_candles(120, 77, step_ms=DAY_MS, start_ms=START_MS - 10 * DAY_MS)
    keep = np.ones(120, dtype=bool)
    keep[40:45] = False
    holed = Candles(bitcoin.timestamp[keep], *(column[keep] for column in bitcoin.columns().values()))
    found = beside_market("BTCUSDT", account, holed)
    assert found.days == 90 - 6  # the day after the hole has no day before it
    theirs = bitcoin.close[10:100] / bitcoin.close[9:99] - 1
    known = keep[10:100] & keep[9:99]
    expected = relation("BTCUSDT", account.returns[known], theirs[known])
    assert (found.beta, found.correlation) == (
        near(expected.beta),
        near(expected.correlation),
    )


def test_a_hundred_thousand_trades_are_counted_by_every_dimension() -> None:
    k = 100_000
    rng = np.random.default_rng(1)
    pnl = rng.normal(size=k)
    columns = TradeColumns(
        np.arange(k), rng.random(k) < 0.5, np.zeros(k, dtype=bool), pnl, pnl, -np.abs(pnl), np.abs(pnl),
        START_MS + np.arange(k) * HOUR_MS, START_MS + np.arange(1, k + 1) * HOUR_MS, np.ones(k, dtype=np.int64),
        np.full(k, "signal_buy"), np.full(k, "exit_long"),
    )  # fmt: skip
    for dimension in DIMENSIONS.values():
        assert sum(one.trades for one in grouped(columns, *dimension.codes(columns, UTC))) == k
