"""A stored sweep shows again exactly as it was, and a trial once made stays counted."""

import hashlib
import uuid
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.database.store import Store
from engine.errors import InputError
from engine.model.account import Costs
from engine.model.market import Market, Period, Timeframe
from engine.model.ranges import parse_range
from engine.model.run import CANCELLED, FINISHED, RunResult, counted_warmup
from engine.model.sweep import SweepResult, SweepSpec, unmade_checks
from engine.model.trial import trial_identity
from tests.engine.database.test_run_store import a_run
from tests.support.database import execute

PERIOD = Period(1_704_067_200_000, 1_704_153_600_000)


def a_spec(**changes: Any) -> SweepSpec:
    usual = SweepSpec(
        "ema_cross", "SOLUSDT", "binanceusdm", Timeframe("1h"), PERIOD,
        {"fast": parse_range("5:7:1"), "width": parse_range("0.1:0.3:0.1"), "mode": ("ä", "b"), "stops": (True, False)},
        params={"slow": "60"}, costs=Costs(cash=1234.5), constraint="fast < 100", objective="sharpe",
    )  # fmt: skip
    return replace(usual, **changes)


def a_sweep(n: int = 5, **changes: Any) -> SweepResult:
    usual = SweepResult(
        id=str(uuid.uuid4()),
        spec=a_spec(),
        status=FINISHED,
        unified="SOL/USDT:USDT",
        period=Period(PERIOD.start, PERIOD.end - 3_600_000),
        warmup=210,
        numbers=np.arange(n, dtype=np.int64) * 2,
        params={
            "fast": np.arange(n) + 5,
            "width": np.linspace(0.1, 1e22, n),
            "mode": np.array((["ä", "'b'"] * n)[:n], dtype=np.str_),
            "stops": np.arange(n) % 2 == 0,
        },
        fixed={"slow": 60, "kind": "€"},
        metrics={
            "sharpe": np.array([1 / 3, np.nan, 5e-324, -0.0, 2.5] * n)[:n],
            "trades": np.arange(n, dtype=np.float64),
        },
        errors={3: "file.py:3: it\n\0 broke"} if n > 3 else {},
        planned=40,
        done=n,
        failed=1 if n > 3 else 0,
        engine="compiled",
        trials_of_strategy=12,
        elapsed_s=0.25,
        created_ms=1_700_000_000_123,
        error=None,
        checks=unmade_checks() | {"warmup": counted_warmup(240, 4_000)},
    )
    return replace(usual, **changes)


def prints(result: SweepResult, salt: str = "") -> list[bytes | None]:
    return [
        None if at in result.errors else hashlib.sha256(f"{salt}{number}".encode()).digest()
        for at, number in enumerate(result.numbers)
    ]


def assert_same(left: SweepResult, right: SweepResult) -> None:
    assert left.to_json() == right.to_json()
    assert left.spec == replace(right.spec, ranges=left.spec.ranges)
    assert {k: list(v) for k, v in left.spec.ranges.items()} == {
        k: list(v) for k, v in right.spec.ranges.items()
    }
    assert left.numbers.tolist() == right.numbers.tolist()
    for mine, other in ((left.params, right.params), (left.metrics, right.metrics)):
        assert list(mine) == list(other)
        for name in mine:
            assert mine[name].dtype.kind == other[name].dtype.kind
            assert mine[name].tobytes() == other[name].astype(mine[name].dtype).tobytes()


def test_a_sweep_is_read_back_as_it_was_stored(store: Store) -> None:
    stored = a_sweep()
    said = store.sweeps.save(stored, prints(stored), {"candles": {"sha256": "ab"}}, [b"source"])
    assert said.trials_of_strategy == store.sweeps.trial_count("ema_cross") == 4
    stored = said
    found = store.sweeps.get(stored.id[:8])
    assert_same(replace(stored, errors={3: "file.py:3: it\n\ufffd broke"}), found)
    assert found.order.tolist() == stored.order.tolist()
    assert store.sources.get([hashlib.sha256(b"source").hexdigest()])


def test_a_sweep_without_finished_trials_is_stored_too(store: Store) -> None:
    stored = a_sweep(0, status=CANCELLED, error="stopped by the user")
    stored = store.sweeps.save(stored, [])
    assert_same(stored, store.sweeps.get(stored.id))
    assert store.sweeps.get(stored.id).best is None


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.floats(), min_size=1, max_size=4),
    texts=st.lists(st.text(max_size=10), min_size=4, max_size=4),
    whole=st.lists(st.integers(-(2**62), 2**62), min_size=4, max_size=4),
)
def test_any_number_and_any_text_comes_back(
    store: Store, values: list[float], texts: list[str], whole: list[int]
) -> None:
    n = len(values)
    clean = [text.replace("\0", "").rstrip("\0").encode("utf-8", "replace").decode() for text in texts[:n]]
    stored = a_sweep(
        n,
        params={"fast": np.array(whole[:n], dtype=np.int64), "mode": np.array(clean, dtype=np.str_)},
        metrics={"sharpe": np.array(values)},
        errors={},
        failed=0,
    )
    store.sweeps.save(stored, prints(stored))
    found = store.sweeps.get(stored.id)
    assert np.array_equal(found.metrics["sharpe"], stored.metrics["sharpe"], equal_nan=True)
    assert found.params["fast"].tolist() == whole[:n]
    assert found.params["mode"].tolist() == clean


def test_the_list_shows_the_newest_first_each_with_its_best_trial(store: Store) -> None:
    old, new = a_sweep(created_ms=1_700_000_000_000), a_sweep(created_ms=1_800_000_000_000)
    empty = a_sweep(0, created_ms=1_600_000_000_000)
    for sweep in (old, new, empty):
        store.sweeps.save(sweep, prints(sweep))
    listed = store.sweeps.newest()
    assert [sweep.id for sweep in listed] == [new.id, old.id, empty.id]
    assert listed[0].best == new.best
    assert [len(sweep) for sweep in listed] == [1, 1, 0]
    assert [sweep.done for sweep in listed] == [5, 5, 0]
    assert len(store.sweeps.newest(limit=1)) == 1


def tried(params: dict[str, Any], source: str = "ef", **changes: Any) -> RunResult:
    """A run of the sweeps' period that tried these parameters."""
    inputs = {"source": {"ema_cross.py": source}, "params": params}
    return a_run(**{"period": a_sweep().period, "inputs": inputs, **changes})


def test_trials_are_counted_once_over_sweeps_and_runs_and_stay_counted_when_deleted(store: Store) -> None:
    first, again, other = a_sweep(), a_sweep(), a_sweep(4)
    identities = [trial_identity({"ema_cross.py": "ef"}, {"fast": at}) for at in range(4)]
    store.sweeps.save(first, [*identities, None])
    store.sweeps.save(again, [*identities, None])  # the same trials once more
    assert store.sweeps.trial_count("ema_cross") == 4  # one of five failed
    store.sweeps.save(other, prints(other, "other"))
    assert store.sweeps.trial_count("ema_cross") == 4 + 3
    new = tried({"fast": 77})
    same = [
        tried({"fast": 0}),
        tried(
            {"fast": 1}, fingerprint="cd" * 32, engine="reference", costs=Costs(commission=0.05)
        ),  # nothing new
        replace(new, error="stored again"),
    ]
    for run in (new, *same, tried({"fast": 8}, fingerprint=None), tried({}, strategy="another")):
        store.runs.save(run)
    assert store.sweeps.trial_count("ema_cross") == 4 + 3 + 1
    for run in (
        tried({"fast": 0}, source="another"),
        tried({"fast": 0}, timeframe=Timeframe("4h")),
        tried({"fast": 0}, market=Market("binanceusdm", "ETHUSDT", "ETH/USDT:USDT")),
        tried({"fast": 0}, market=Market("binance", "SOLUSDT", "SOL/USDT")),
        tried({"fast": 0}, period=PERIOD),
    ):
        store.runs.save(run)
    assert store.sweeps.trial_count("ema_cross") == 4 + 3 + 1 + 5
    store.sweeps.delete(first.id)
    store.sweeps.delete(other.id)
    store.runs.delete(new.id)
    assert store.sweeps.trial_count("ema_cross") == 4 + 3 + 1 + 5
    assert store.sweeps.trial_count("nobody") == 0
    with pytest.raises(InputError, match="no sweep"):
        store.sweeps.get(first.id)


def test_a_sweep_that_cannot_be_stored_whole_is_not_stored_at_all(store: Store) -> None:
    stored = a_sweep()
    with pytest.raises(IndexError):
        store.sweeps.save(stored, prints(stored)[:2])
    assert store.sweeps.newest() == []


def test_ids_of_sweeps_are_asked_for_in_words(store: Store) -> None:
    for given_id, part in (("zz", "is not a sweep id"), ("abcd", "no sweep 'abcd' is stored")):
        with pytest.raises(InputError, match=part):
            store.sweeps.get(given_id)


def test_a_thousand_trials_are_one_row_each(store: Store, database_url: str) -> None:
    stored = a_sweep(1000)
    store.sweeps.save(stored, prints(stored))
    assert execute(database_url, "SELECT count(*), count(error) FROM trials") == [(1000, 1)]
