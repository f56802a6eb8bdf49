"""How trials are dealt out: each exactly once, in batches that fit the workers' speed; and how they are named."""

import hashlib
import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.model.trial import trial_identities, trial_identity
from engine.research.batches import BATCH_S, Deal


@given(
    n=st.integers(1, 3000),
    workers=st.integers(1, 16),
    speeds=st.lists(st.floats(1e-5, 5), max_size=30),
    again=st.lists(st.integers(0, 30), max_size=4),
)
def test_every_trial_is_dealt_once_and_those_that_fell_come_again_alone(
    n: int, workers: int, speeds: list[float], again: list[int]
):
    deal = Deal(workers)
    deal.add(np.arange(n))
    dealt: list[int] = []
    fallen: list[int] = []
    count = 0
    while deal.left:
        numbers = deal.next()
        assert len(numbers) >= 1
        if numbers[0] in fallen:
            assert len(numbers) == 1
            fallen.remove(int(numbers[0]))
            continue
        dealt += numbers.tolist()
        if count in again:
            deal.again(numbers)
            fallen += numbers.tolist()
        elif count < len(speeds):
            deal.measured(len(numbers), speeds[count] * len(numbers))
        count += 1
    assert dealt == list(range(n))
    assert fallen == []


def test_batches_grow_to_their_aim_and_shrink_towards_the_end():
    deal = Deal(2)
    deal.add(np.arange(1_000_000))
    assert len(deal.next()) == 1
    assert deal.depth == 2
    deal.measured(1, 0.001)
    assert deal.depth == 4
    sizes = []
    while deal.left:
        sizes.append(len(deal.next()))
    assert max(sizes) == int(BATCH_S / 0.001)
    assert sizes[-1] <= 10  # 10 ms of work: all workers end together
    assert sizes[-40:] == sorted(sizes[-40:], reverse=True)


def test_a_slow_strategy_goes_trial_by_trial():
    deal = Deal(2)
    deal.add(np.arange(50))
    deal.next()
    deal.measured(1, 20.0)
    assert [len(deal.next()) for _ in range(49)] == [1] * 49


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["fast", "slow", "mode"]), st.integers() | st.floats() | st.text() | st.booleans()
        ),
        max_size=5,
    )
)
def test_the_trials_of_a_batch_are_those_of_single_runs(rows: list[dict[str, object]]):
    source = {"b.py": "12", "a.py": "34"}
    found = list(trial_identities(source, rows))
    assert found == [trial_identity(dict(reversed(source.items())), row) for row in rows]
    texts = [json.dumps({"params": row, "source": source}, sort_keys=True) for row in rows]
    assert found == [hashlib.sha256(text.encode()).digest() for text in texts]
