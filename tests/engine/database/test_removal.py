"""What is removed is hidden at once, comes back exactly as it was, and goes for good only later; trials stay counted."""

import pytest

from engine.database.store import Store
from engine.errors import InputError
from engine.model.remark import Remark
from engine.model.trial import trial_identity
from tests.engine.database.test_run_store import a_run
from tests.engine.database.test_sweep_store import a_sweep, all_of
from tests.support.database import execute

CHECKS = {"crosscheck": {"status": "pending"}}


def test_a_removed_run_is_nowhere_and_comes_back_exactly_as_it_was(store: Store):
    gone, kept = a_run(checks=CHECKS), a_run()
    for run in (gone, kept):
        store.runs.save(run)
    before = store.runs.get(gone.id)
    assert store.runs.remove([gone.id]) == 1
    assert [run.id for run in store.runs.newest()] == [kept.id]
    assert store.runs.pending_checks() == []
    assert store.describe()["runs"] == 1
    with pytest.raises(InputError, match="no run"):
        store.runs.get(gone.id)
    assert store.runs.remove([gone.id]) == 0
    assert store.runs.restore([gone.id]) == 1
    after = store.runs.get(gone.id)
    assert (after.trades, after.metrics, after.inputs) == (before.trades, before.metrics, before.inputs)
    assert store.runs.pending_checks() == [gone.id]


def test_only_what_was_removed_long_enough_ago_is_deleted_for_good(store: Store, database_url: str):
    old, fresh, kept = a_run(), a_run(), a_run()
    for run in (old, fresh, kept):
        store.runs.save(run)
    tried = store.sweeps.trial_count("ema_cross")
    store.runs.remove([old.id, fresh.id])
    execute(
        database_url,
        f"UPDATE backtest_runs SET removed_at = now() - interval '31 seconds' WHERE id = '{old.id}'",
    )
    assert store.runs.purge(30) == 1
    assert store.runs.restore([old.id]) == 0
    assert store.runs.restore([fresh.id]) == 1
    assert {run.id for run in store.runs.newest()} == {fresh.id, kept.id}
    assert store.sweeps.trial_count("ema_cross") == tried


def test_a_removed_sweep_comes_back_with_its_trials_and_purged_ones_stay_counted(store: Store):
    made = a_sweep()
    identities = [trial_identity({"ema_cross.py": "ef" * 32}, made.params_of(k)) for k in range(len(made))]
    stored = store.sweeps.save(made, all_of(made, identities))
    assert store.sweeps.remove([stored.id]) == 1
    assert store.sweeps.newest() == []
    with pytest.raises(InputError, match="no sweep"):
        store.sweeps.get(stored.id)
    assert store.sweeps.purge(30) == 0
    assert store.sweeps.restore([stored.id]) == 1
    assert len(store.sweeps.get(stored.id)) == len(made)
    count = store.sweeps.trial_count("ema_cross")
    store.sweeps.remove([stored.id])
    assert store.sweeps.purge(0) == 1
    assert store.sweeps.restore([stored.id]) == 0
    assert store.sweeps.trial_count("ema_cross") == count > 0


def test_notes_and_pins_are_kept_beside_the_run_and_outlive_its_being_saved_again(store: Store):
    run, other = a_run(), a_run()
    for one in (run, other):
        store.runs.save(one)
    store.runs.save_remark(run.id, Remark("before\0 the halving ü", pinned=True, name="good\0"))
    store.runs.save(run)
    assert store.runs.remarks() == {run.id: Remark("before\ufffd the halving ü", True, "good\ufffd")}
    store.runs.save_remark(run.id, Remark())
    assert store.runs.remarks() == {}
    store.runs.delete(run.id)
    with pytest.raises(InputError, match="was deleted"):
        store.runs.save_remark(run.id, Remark("late"))
