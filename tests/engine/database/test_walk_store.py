"""A walk-forward in the database while it is made: what its row says, and whose it is."""

import threading
import uuid
from typing import Any

import numpy as np
import pytest

from engine.database.store import Store
from engine.errors import DatabaseError, InputError, InUse
from engine.model.market import HOUR_MS, Market
from engine.model.run import FAILED, FINISHED, RUNNING, STOPPED
from engine.model.walk_forward import TriedPart, WalkForward, WalkForwardSpec
from tests.engine.database.test_run_store import a_run
from tests.engine.database.test_sweep_store import PERIOD, a_spec
from tests.support.database import execute

INPUTS = {"source": {"ema_cross.py": "ef" * 32}}


def a_walk(**changes: Any) -> WalkForward:
    """Four combinations in three windows of a day, none tried."""
    usual: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "spec": WalkForwardSpec(a_spec(objective="return_pct"), 6 * HOUR_MS, 6 * HOUR_MS),
        "status": RUNNING,
        "unified": "SOL/USDT:USDT",
        "period": PERIOD,
        "warmup": 0,
        "columns": {"fast": np.arange(5, 9)},
        "fixed": {"slow": 60},
        "figures": np.full((4, 3, 2, 2), np.nan),
        "done": 0,
    }
    return WalkForward(**usual | changes)


def a_part(number: int) -> TriedPart:
    return TriedPart(np.array([number]), np.ones((1, 3, 2, 2)), {}, [bytes([number]) * 32])


def begun(store: Store) -> WalkForward:
    walk = a_walk()
    store.walk_forwards.begin(walk, Market("binanceusdm", "SOLUSDT", walk.unified))
    return walk


def test_one_that_goes_on_after_a_failure_has_none_any_more(store: Store):
    walk, walks = begun(store), store.walk_forwards
    with walks.working_on(walk.id):
        walks.end(a_walk(id=walk.id, status=FAILED, error="it broke"))
    assert walks.get(walk.id)[0].error == "it broke"
    with walks.working_on(walk.id):
        walks.add(walk, a_part(2), INPUTS, [])
        found = walks.get(walk.id)[0]
    assert (found.status, found.error) == (RUNNING, None)


def test_a_stopped_one_says_so_while_nobody_works_on_it(store: Store):
    walk, walks, seen = begun(store), store.walk_forwards, list[str]()
    assert walks.get(walk.id)[0].status == STOPPED
    with walks.working_on(walk.id):
        thread = threading.Thread(target=lambda: seen.append(walks.get(walk.id)[0].status))
        thread.start()
        thread.join()
    assert seen == [RUNNING]


def test_one_that_somebody_works_on_is_neither_hidden_nor_deleted(store: Store):
    walk, walks = begun(store), store.walk_forwards
    with walks.working_on(walk.id):
        for refused in (lambda: walks.remove([walk.id]), lambda: walks.delete(walk.id)):
            with pytest.raises(InUse, match=f"is at work on walk-forward {walk.id[:8]}; nothing was done"):
                refused()
    assert [one.id for one in walks.newest()] == [walk.id]
    assert walks.remove([walk.id]) == 1


def test_one_that_was_deleted_meanwhile_is_not_said_to_be_stored(store: Store, database_url: str):
    walk, walks, run = begun(store), store.walk_forwards, a_run()
    with walks.working_on(walk.id):
        execute(database_url, f"DELETE FROM walk_forwards WHERE id = '{walk.id}'")
        with pytest.raises(InputError, match="was deleted while it was made; nothing is kept of it"):
            walks.add(walk, a_part(2), INPUTS, [])
        with pytest.raises(
            InputError, match=f"was deleted while it was made; its stitched run {run.id[:8]} is"
        ):
            walks.end(a_walk(id=walk.id, status=FINISHED, run=run))
    assert walks.newest() == []


BREAK = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_locks
WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def test_one_whose_lock_went_with_its_connection_ends_and_another_goes_on(store: Store, database_url: str):
    walk, walks = begun(store), store.walk_forwards
    with walks.working_on(walk.id):
        walks.add(walk, a_part(0), INPUTS, [])
        execute(database_url, BREAK)
        words = f"broke; what was tried is kept, go on with: backtest walk-forwards resume {walk.id[:8]}"
        with pytest.raises(DatabaseError, match=words):
            walks.add(walk, a_part(1), INPUTS, [])
        with pytest.raises(DatabaseError, match=words):
            walks.end(a_walk(id=walk.id, status=FINISHED))
    with walks.working_on(walk.id):
        (part,) = walks.begun(walk.id).parts
        walks.add(walk, a_part(1), INPUTS, [])
    assert part.numbers.tolist() == [0]
    assert len(walks.begun(walk.id).parts) == 2
