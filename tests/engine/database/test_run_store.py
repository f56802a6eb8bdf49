"""A stored run shows again exactly as it was."""

import hashlib
import uuid
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.database.codec import pack_series, unpack_series
from engine.database.schema.results import backtest_runs
from engine.database.store import Store
from engine.errors import InputError
from engine.model.account import Costs
from engine.model.market import Float64Array, Market, Period, Timeframe
from engine.model.run import FAILED, FINISHED, RunResult, Series
from engine.model.trade import Trade
from tests.support.database import execute
from tests.support.examples import examples

TRADE = Trade(
    "short", 1e16, 3_600_000, 105.39999999999999, 7_200_000, 1 / 3, -0.1, 5e-324, 1e-9, None, "signal_x_sell", "open", 1,
    -0.0, 2.5,
)  # fmt: skip


def series(length: int, /, **columns: Float64Array) -> Series:
    return Series(np.arange(length, dtype=np.int64) * 3_600_000, columns)


def a_run(**changes: object) -> RunResult:
    usual = RunResult(
        id=str(uuid.uuid4()),
        status=FINISHED,
        strategy="ema_cross",
        market=Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT"),
        timeframe=Timeframe("1h"),
        period=Period(1_704_067_200_000, 1_704_153_600_000),
        params={"fast": 9, "slow": 21, "kind": "ü€𝛼 'quoted'", "flag": True},
        costs=Costs(cash=12_345.67, commission=0.00075),
        engine="reference",
        metrics={"sharpe": 1.25, "trades": 3, "calmar": None},
        signals={"signal_cross_buy": 12},
        trades=(TRADE, replace(TRADE, side="long", funding=0.25)),
        equity=series(3, equity=np.array([1.0, 2.5, 1 / 3])),
        fingerprint="ab" * 32,
        inputs={
            "candles": "cd" * 32,
            "source": {"ema_cross.py": "ef" * 32},
            "params": {"fast": 9},
            "seed": 0,
        },
        elapsed_s=0.125,
        created_ms=1_700_000_000_123,
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


def assert_same_series(left: Series | None, right: Series | None) -> None:
    assert (left is None) == (right is None)
    if left is None or right is None:
        return
    assert left.time.tobytes() == right.time.tobytes()
    assert list(left.columns) == list(right.columns)
    for name, column in left.columns.items():
        assert column.dtype == np.float64
        assert column.tobytes() == right.columns[name].tobytes()


def assert_same(left: RunResult, right: RunResult) -> None:
    assert_same_series(left.equity, right.equity)
    assert_same_series(left.indicators, right.indicators)
    for name in RunResult.__slots__:
        if name not in ("equity", "indicators"):
            assert getattr(left, name) == getattr(right, name), name


def test_a_run_reads_back_exactly_as_it_was_saved(store: Store) -> None:
    weird = np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324])
    run = a_run(indicators=series(5, **{"ema 9 – ü": weird, "vwap": weird[::-1]}))
    store.runs.save(run)
    held = store.runs.get(run.id)
    assert_same(held, run)
    assert [type(value) for value in (held.trades[0].size, held.trades[0].funding)] == [float, type(None)]


def test_half_a_million_points_of_equity_and_indicators_survive(store: Store) -> None:
    walk = np.cumsum(np.random.default_rng(1).normal(size=525_600)) + 10_000
    run = a_run(equity=series(len(walk), equity=walk), indicators=series(len(walk), a=walk / 3, b=walk * 7))
    store.runs.save(run)
    assert_same(store.runs.get(run.id), run)


def test_not_a_number_in_metrics_parameters_and_checks_becomes_null(store: Store) -> None:
    checks = {"data": {"status": "passed", "worst": float("-inf")}}
    run = a_run(metrics={"sharpe": float("nan"), "sqn": float("inf"), "n": np.int64(3)}, checks=checks)
    store.runs.save(replace(run, trades=(replace(TRADE, mae_pct=float("nan")),)))
    held = store.runs.get(run.id)
    assert held.metrics == {"sharpe": None, "sqn": None, "n": 3}
    assert held.checks == {"data": {"status": "passed", "worst": None}}
    assert np.isnan(held.trades[0].mae_pct)


def test_an_error_text_may_hold_anything_a_strategy_can_say(store: Store) -> None:
    run = a_run(
        status=FAILED,
        error="zero \0 byte and lone \ud800",
        traceback="line 1\nline 2 \0",
        trades=(),
        equity=None,
    )
    store.runs.save(replace(run, params={"text\0": ["\udfff"]}))
    held = store.runs.get(run.id)
    assert held.error == "zero \ufffd byte and lone ?"
    assert held.traceback == "line 1\nline 2 \ufffd"
    assert held.params == {"text\ufffd": ["?"]}


def test_saving_again_replaces_the_run(store: Store) -> None:
    run = a_run()
    store.runs.save(run)
    failed = replace(run, status=FAILED, error="worker died", trades=(), equity=None, metrics={})
    store.runs.save(failed)
    assert_same(store.runs.get(run.id), failed)
    assert len(store.runs.newest()) == 1


def test_runs_are_listed_newest_first_and_light(store: Store) -> None:
    made = [a_run(created_ms=ms) for ms in (3_000, 1_000, 2_000)]
    for run in made:
        store.runs.save(run)
    listed = store.runs.newest()
    assert [run.created_ms for run in listed] == [3_000, 2_000, 1_000]
    assert_same(listed[0], replace(made[0], trades=(), equity=None))
    assert [run.created_ms for run in store.runs.newest(limit=1)] == [3_000]


def test_five_thousand_runs_come_in_portions_each_once_and_hold_a_text_once(
    store: Store, database_url: str
) -> None:
    """Many were made in one moment, some between two milliseconds, as other programs may store them."""
    store.runs.save(a_run())
    copied = ", ".join(
        column.name for column in backtest_runs.columns if column.name not in ("id", "created_at")
    )
    execute(
        database_url,
        f"INSERT INTO backtest_runs (id, created_at, {copied}) "
        f"SELECT gen_random_uuid(), created_at - (n / 7) * interval '1.4 ms', {copied} "
        "FROM backtest_runs, generate_series(1, 4999) n",
    )
    found: list[RunResult] = []
    while portion := store.runs.newest(700, before=found[-1] if found else None):
        found += portion
    assert len(found) == len({run.id for run in found}) == 5_000
    assert [run.created_ms for run in found] == sorted((run.created_ms for run in found), reverse=True)
    assert len({id(name) for run in found for name in run.metrics}) == 3
    assert all(run.equity is None and run.trades == () for run in found)
    store.runs.remove([found[10].id])
    assert [run.id for run in store.runs.newest(2, before=found[10])] == [run.id for run in found[11:13]]
    store.runs.purge(0)
    assert len(store.runs.newest(2, before=found[10])) == 2


def test_a_run_of_an_older_version_has_unknown_inputs(store: Store) -> None:
    run = a_run(inputs=None)
    store.runs.save(run)
    assert store.runs.get(run.id).inputs is None


def test_sources_are_kept_once_and_outlive_the_runs_that_brought_them(
    store: Store, database_url: str
) -> None:
    first, second, third = b"x = 1\n", "é = 'coding: utf-8'\r\n".encode(), b"\xff\xfe latin \0"
    made = a_run(), a_run()
    store.runs.save(made[0], [first, second, second])
    store.runs.save(made[1], [second, third])
    names = {hashlib.sha256(source).hexdigest(): source for source in (first, second, third)}
    store.runs.delete(made[0].id)
    assert store.sources.get([*names, "0" * 64]) == names
    assert execute(database_url, "SELECT count(*) FROM strategy_sources") == [(3,)]


def test_a_unique_beginning_of_the_id_is_enough(store: Store) -> None:
    first, second = "abcd1234-0000-4000-8000-000000000001", "abcd5678-0000-4000-8000-000000000002"
    for run_id in (first, second):
        store.runs.save(a_run(id=run_id))
    assert store.runs.get("abcd1").id == first
    assert store.runs.get("ABCD5678").id == second
    assert store.runs.get(first.replace("-", "")).id == first
    assert store.runs.get(second).id == second


@pytest.mark.parametrize(
    "text", ["", "abc", "xyz12345", "'; DROP TABLE backtest_runs; --", "../../etc", "%%%%", "a" * 33]
)
def test_what_is_not_a_run_id_is_refused(store: Store, text: str) -> None:
    store.runs.save(a_run())
    with pytest.raises(InputError, match="is not a run id"):
        store.runs.get(text)
    assert len(store.runs.newest()) == 1


def test_unknown_and_ambiguous_ids_are_told_apart(store: Store) -> None:
    store.runs.save(a_run(id="abcd1234-0000-4000-8000-000000000001"))
    store.runs.save(a_run(id="abcd1234-0000-4000-8000-000000000002"))
    with pytest.raises(InputError, match="several runs begin with 'abcd1234'"):
        store.runs.get("abcd1234")
    with pytest.raises(InputError, match="no run 'ffff'"):
        store.runs.get("ffff")


def test_a_deleted_run_is_gone_and_the_others_stay(store: Store) -> None:
    gone, kept = a_run(), a_run()
    store.runs.save(gone)
    store.runs.save(kept)
    store.runs.delete(gone.id)
    with pytest.raises(InputError, match="no run"):
        store.runs.get(gone.id)
    assert_same(store.runs.get(kept.id), kept)
    with pytest.raises(InputError, match="no run"):
        store.runs.delete(gone.id)


numbers = st.floats(allow_nan=True, allow_infinity=True, width=64)


@given(
    st.integers(0, 40).flatmap(
        lambda n: st.dictionaries(st.text(max_size=8), st.lists(numbers, min_size=n, max_size=n))
    )
)
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_columns_are_packed_and_unpacked_bit_for_bit(columns: dict[str, list[float]]) -> None:
    length = len(next(iter(columns.values()), []))
    given_series = series(
        length, **{name: np.array(values, dtype=np.float64) for name, values in columns.items()}
    )
    assert_same_series(unpack_series(pack_series(given_series)), given_series)
