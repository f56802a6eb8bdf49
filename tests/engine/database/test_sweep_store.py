"""A stored sweep shows again exactly as it was, and a trial once made stays counted."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.database.store import Store
from engine.errors import InputError, InUse
from engine.model.account import Costs
from engine.model.market import Market, Period, Timeframe
from engine.model.ranges import parse_range
from engine.model.run import CANCELLED, FINISHED, RUNNING, STOPPED, RunResult, counted_warmup
from engine.model.sweep import SweepPart, SweepResult, TrialReturns, unmade_checks
from engine.model.sweep_spec import SweepSpec
from engine.model.trial import trial_identity
from tests.engine.database.test_run_store import a_run
from tests.support.database import execute
from tests.support.examples import examples

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


def all_of(result: SweepResult, identities: Sequence[bytes | None] | None = None) -> SweepPart:
    """All trials of a sweep of which nothing is stored yet."""
    return SweepPart(np.arange(len(result)), prints(result) if identities is None else identities)


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
    said = store.sweeps.save(stored, all_of(stored), {"candles": {"sha256": "ab"}}, [b"source"])
    assert said.trials_of_strategy == store.sweeps.trial_count("ema_cross") == 4
    stored = said
    found = store.sweeps.get(stored.id[:8])
    assert_same(replace(stored, errors={3: "file.py:3: it\n\ufffd broke"}), found)
    assert found.order.tolist() == stored.order.tolist()
    assert store.sources.get([hashlib.sha256(b"source").hexdigest()])


def test_a_sweep_without_finished_trials_is_stored_too(store: Store) -> None:
    stored = a_sweep(0, status=CANCELLED, error="stopped by the user")
    stored = store.sweeps.save(stored, all_of(stored))
    assert_same(stored, store.sweeps.get(stored.id))
    assert store.sweeps.get(stored.id).best is None


@settings(
    max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
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
    store.sweeps.save(stored, all_of(stored))
    found = store.sweeps.get(stored.id)
    assert np.array_equal(found.metrics["sharpe"], stored.metrics["sharpe"], equal_nan=True)
    assert found.params["fast"].tolist() == whole[:n]
    assert found.params["mode"].tolist() == clean


def test_the_list_shows_the_newest_first_each_with_its_best_trial(store: Store) -> None:
    old, new = a_sweep(created_ms=1_700_000_000_000), a_sweep(created_ms=1_800_000_000_000)
    empty = a_sweep(0, created_ms=1_600_000_000_000)
    for sweep in (old, new, empty):
        store.sweeps.save(sweep, all_of(sweep))
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
    store.sweeps.save(first, all_of(first, [*identities, None]))
    store.sweeps.save(again, all_of(again, [*identities, None]))  # the same trials once more
    assert store.sweeps.trial_count("ema_cross") == 4  # one of five failed
    store.sweeps.save(other, all_of(other, prints(other, "other")))
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
        store.sweeps.save(stored, all_of(stored, prints(stored)[:2]))
    assert store.sweeps.newest() == []


def so_far(sweep: SweepResult, n: int, status: str = RUNNING) -> SweepResult:
    """The same when n trials of it were made."""
    return replace(
        sweep,
        status=status,
        numbers=sweep.numbers[:n],
        params={name: column[:n] for name, column in sweep.params.items()},
        metrics={name: column[:n] for name, column in sweep.metrics.items()},
        errors={at: line for at, line in sweep.errors.items() if at < n},
        done=n,
        failed=sum(at < n for at in sweep.errors),
    )


def part_of(sweep: SweepResult, first: int, n: int) -> SweepPart:
    """The trials between, each with a return."""
    chosen = np.arange(first, n)
    kept = np.array([at for at in chosen.tolist() if at not in sweep.errors])
    returns = TrialReturns(sweep.numbers[kept], np.stack([kept + 0.5, -kept], axis=1)) if len(kept) else None
    return SweepPart(chosen, [prints(sweep)[at] for at in chosen], returns, first or None)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.sets(st.integers(1, 19)))
def test_a_sweep_stored_in_parts_is_the_one_stored_at_once(store: Store, cuts: set[int]) -> None:
    sweep, bounds = a_sweep(20), [0, *sorted(cuts), 20]
    for first, n in pairwise(bounds):
        status = FINISHED if n == 20 else RUNNING
        store.sweeps.save(so_far(sweep, n, status), part_of(sweep, first, n), {"source": {"a": "ef"}}, [b"s"])
    atonce = replace(sweep, id=str(uuid.uuid4()))
    store.sweeps.save(atonce, part_of(atonce, 0, 20), {"source": {"a": "ef"}}, [b"s"])
    found, other = store.sweeps.get(sweep.id), store.sweeps.get(atonce.id)
    assert_same(replace(found, id=other.id), other)
    kept, others = store.sweeps.returns(sweep.id), store.sweeps.returns(atonce.id)
    assert kept is not None
    assert others is not None
    assert kept.numbers.tolist() == others.numbers.tolist()
    assert kept.returns.tobytes() == others.returns.tobytes()
    listed = {one.id: one for one in store.sweeps.newest()}
    assert listed[sweep.id].best == listed[atonce.id].best == sweep.best


def test_a_sweep_that_nobody_works_on_any_more_is_stopped_and_gone_on_with(store: Store) -> None:
    sweep, sweeps = a_sweep(), store.sweeps
    sweeps.save(so_far(sweep, 2), part_of(sweep, 0, 2), {"source": {"a": "ef"}})
    assert [one.status for one in (sweeps.get(sweep.id), *sweeps.newest())] == [STOPPED] * 2
    with sweeps.working_on(sweep.id):
        assert [one.status for one in (sweeps.get(sweep.id), *sweeps.newest())] == [RUNNING] * 2
        with (
            pytest.raises(InUse, match=f"another job of this program is at work on sweep {sweep.id[:8]}"),
            sweeps.working_on(sweep.id),
        ):
            pass
    begun = sweeps.begun(sweep.id[:9])
    assert (begun.sweep.done, begun.inputs) == (2, {"source": {"a": "ef"}})
    assert begun.returns is not None
    assert begun.returns.numbers.tolist() == [0, 2]
    assert sweeps.begun(sweep.id).sweep.trials_of_strategy is None
    assert sweeps.save(sweep, part_of(sweep, 2, 5)).trials_of_strategy == 4
    with pytest.raises(InputError, match="is finished: there is nothing to go on with"):
        sweeps.begun(sweep.id)


def test_a_sweep_that_somebody_works_on_is_neither_hidden_nor_deleted_nor_are_others_with_it(
    store: Store,
) -> None:
    sweep, other, sweeps = a_sweep(), a_sweep(), store.sweeps
    for one in (sweep, other):
        sweeps.save(so_far(one, 2), part_of(one, 0, 2))
    with sweeps.working_on(sweep.id):
        for refused in (
            lambda: sweeps.remove([other.id, sweep.id]),
            lambda: sweeps.delete(sweep.id),
        ):
            with pytest.raises(InUse, match=f"is at work on sweep {sweep.id[:8]}; nothing was done"):
                refused()
        assert {one.id for one in sweeps.newest()} == {sweep.id, other.id}
        assert sweeps.save(so_far(sweep, 4), part_of(sweep, 2, 4)).done == 4
        assert sweeps.remove([other.id]) == 1
    assert sweeps.remove([sweep.id]) == 1


def test_of_two_that_go_on_with_a_sweep_one_stores_and_of_a_deleted_one_nothing_is_stored(
    store: Store, database_url: str
) -> None:
    sweep, sweeps = a_sweep(), store.sweeps
    sweeps.save(so_far(sweep, 2), part_of(sweep, 0, 2))
    late = part_of(sweep, 2, 5)
    sweeps.save(so_far(sweep, 4), part_of(sweep, 2, 4))
    with pytest.raises(
        InputError, match="was deleted, or gone on with elsewhere, while it was made; nothing"
    ):
        sweeps.save(sweep, late)
    assert sweeps.get(sweep.id).done == len(sweeps.get(sweep.id)) == 4
    sweeps.delete(sweep.id)
    with pytest.raises(InputError, match="was deleted"):
        sweeps.save(sweep, part_of(sweep, 4, 5))
    assert sweeps.newest() == []
    assert execute(database_url, "SELECT count(*) FROM trials WHERE sweep_id IS NOT NULL") == [(0,)]
    assert execute(database_url, "SELECT count(*) FROM sweep_returns") == [(0,)]


def test_a_part_whose_commit_was_not_answered_is_stored_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Database.write` does its work again then."""
    sweep, once = a_sweep(), store.database.write
    monkeypatch.setattr(store.database, "write", lambda work: (once(work), once(work))[1])
    for first, n in pairwise((0, 2, 4, 5)):
        status = FINISHED if n == 5 else RUNNING
        said = store.sweeps.save(so_far(sweep, n, status), part_of(sweep, first, n))
    assert said.trials_of_strategy == 4
    found, kept = store.sweeps.get(sweep.id), store.sweeps.returns(sweep.id)
    assert (found.status, found.done, found.numbers.tolist()) == (FINISHED, 5, sweep.numbers.tolist())
    assert kept is not None
    assert kept.numbers.tolist() == [0, 2, 4, 8]


def test_the_sweep_of_one_of_several_markets_has_no_name_of_its_own(store: Store) -> None:
    whole, one = a_sweep(0), a_sweep()
    store.sweeps.save(whole, part_of(whole, 0, 0))
    store.sweeps.save(one, part_of(one, 0, 5), part_of=(whole.id, 0))
    for ask in (store.sweeps.get, store.sweeps.begun, store.sweeps.id_of, store.sweeps.delete):
        with pytest.raises(InputError, match=f"no sweep '{one.id}' is stored"):
            ask(one.id)


def test_ids_of_sweeps_are_asked_for_in_words(store: Store) -> None:
    for given_id, part in (("zz", "is not a sweep id"), ("abcd", "no sweep 'abcd' is stored")):
        with pytest.raises(InputError, match=part):
            store.sweeps.get(given_id)


def test_a_thousand_trials_are_one_row_each(store: Store, database_url: str) -> None:
    stored = a_sweep(1000)
    store.sweeps.save(stored, all_of(stored))
    assert execute(database_url, "SELECT count(*), count(error) FROM trials") == [(1000, 1)]
