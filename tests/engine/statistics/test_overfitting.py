"""The probability of overfitting and the test of the best: known matrices, invariances, bounds."""

import math
import time
import tracemalloc

import numpy as np
import pytest

from engine.statistics.overfitting import (
    blocks_for,
    bootstrap_weights,
    distinct,
    long_run_variance,
    overfitting,
    superiority,
)


def superior(*args, **more):
    return superiority(*args, **more)


def noise(days=320, trials=50, seed=0):
    return np.random.default_rng(seed).standard_normal((days, trials))


def test_known_matrix_gives_what_two_libraries_give():
    found = overfitting(noise(), 8)
    assert found.pbo == 19 / 70
    assert found.loss == 20 / 70
    assert found.slope == pytest.approx(-0.176599, abs=1e-6)
    assert len(found.logits) == 70


def test_it_is_what_halving_by_hand_gives():
    """The definition, step by step, of every way to halve four blocks; the two earliest days are left over."""
    from itertools import combinations

    returns = noise(42, 12, seed=4)
    blocks = returns[2:].reshape(4, 10, 12)
    rows = []
    for inside in combinations(range(4), 2):
        halves = [
            np.concatenate([blocks[at] for at in range(4) if (at in inside) is here])
            for here in (True, False)
        ]
        sharpe = [half.mean(axis=0) / half.std(axis=0, ddof=1) for half in halves]
        best = sharpe[0].argmax()
        w = (np.sort(sharpe[1]).searchsorted(sharpe[1][best]) + 1) / 13
        rows.append((math.log(w / (1 - w)), sharpe[0][best], sharpe[1][best]))
    found = overfitting(returns, 4)
    assert pytest.approx(np.array(rows)) == np.array([found.logits, found.chosen, found.achieved]).T
    slope, intercept = np.polyfit(found.chosen, found.achieved, 1)
    assert (found.slope, found.intercept) == pytest.approx((slope, intercept))


def test_columns_that_sum_to_nothing_are_always_worst_where_they_were_best():
    """Each return has its opposite on some other day; nearly the same size makes the ratios of the halves opposite too."""
    rng = np.random.default_rng(0)
    half = rng.choice([-1, 1], (160, 50)) * (1 + 1e-9 * rng.standard_normal((160, 1)))
    found = overfitting(rng.permutation(np.concatenate([half, -half])), 8)
    assert found.logits == pytest.approx(np.full(70, -math.log(50)))
    assert (found.pbo, found.dominance) == (1, 0)
    assert found.slope == pytest.approx(-1)


def test_dominance_is_that_of_the_two_distributions():
    """Both distributions whole, at every ratio that occurs; seeds of which each order, and none, is among."""
    from itertools import combinations

    orders = []
    for seed in range(12):
        returns = noise(160, 10, seed) * np.linspace(0.3, 2, 10) + (seed % 3) * 0.04
        found = overfitting(returns, 8)
        blocks = returns.reshape(8, 20, 10)
        halves = [blocks[list(chosen)].reshape(-1, 10) for chosen in combinations(range(8), 4)]
        everything = np.sort([half.mean(axis=0) / half.std(axis=0, ddof=1) for half in halves], axis=None)
        at = np.union1d(everything, found.achieved)
        best = np.sort(found.achieved)
        below, chosen = (side.searchsorted(at + 1e-9) / len(side) for side in (everything, best))
        lacking = np.maximum(at[:, None] - everything, 0).mean(axis=1)
        falls = np.maximum(at[:, None] - best, 0).mean(axis=1)
        order = 1 if (below >= chosen).all() else 2 if (lacking >= falls - 1e-12).all() else 0
        assert found.dominance == order, seed
        orders.append(order)
    assert {0, 2} <= set(orders)


def test_one_column_that_is_truly_better_is_always_best():
    returns = noise()
    returns[:, 7] += 0.5
    found = overfitting(returns, 8)
    assert found.logits == pytest.approx(np.full(70, math.log(50)))
    assert (found.pbo, found.loss, found.dominance) == (0, 0, 1)


def test_noise_is_overfitted_half_the_time_on_average():
    found = [overfitting(noise(seed=seed), 8).pbo for seed in range(60)]
    assert np.mean(found) == pytest.approx(0.49, abs=0.09)


def test_skill_in_a_tenth_of_the_trials_is_found():
    returns = noise(1000, 200)
    returns[:, :20] += 0.15
    assert overfitting(returns, 16).pbo <= 0.01


@pytest.mark.long
@pytest.mark.parametrize(("annual", "pbo"), [(0, 1.0), (1, 0.726), (2, 0.111), (3, 0.002)])
def test_design_of_lopez_de_prado(annual, pbo):
    """99 columns whose own Sharpe ratio is 0, and one with that much a year of 260.9 days."""
    found = []
    for seed in range(12):
        returns = noise(1000, 100, seed)
        returns -= returns.mean(axis=0)
        returns[:, 0] += annual / math.sqrt(260.9) * returns[:, 0].std(ddof=1)
        found.append(overfitting(returns, 16).pbo)
    assert np.mean(found) == pytest.approx(pbo, abs=0.12)


def test_scale_order_of_columns_and_of_blocks_change_nothing():
    returns = noise()
    before = overfitting(returns, 8)
    rng = np.random.default_rng(1)
    scaled = returns * rng.uniform(0.001, 1000, 50)
    shuffled = returns[:, rng.permutation(50)]
    moved = returns.reshape(8, 40, 50)[rng.permutation(8)].reshape(320, 50)
    for other in (scaled, shuffled, moved):
        after = overfitting(other, 8)
        assert np.sort(after.logits) == pytest.approx(np.sort(before.logits))
        assert (after.pbo, after.loss) == (before.pbo, before.loss)
        assert after.slope == pytest.approx(before.slope)


def test_equal_columns_count_once_and_constant_ones_not_at_all():
    returns = noise()
    more = np.concatenate(
        [returns[:, :3], np.zeros((320, 2)), returns, returns, np.full((320, 1), 0.1)], axis=1
    )
    kept, constant, equal = distinct(more)
    assert (kept.shape, constant, equal) == ((320, 50), 3, 53)
    assert overfitting(kept, 8).pbo == 19 / 70


def test_days_decide_how_many_blocks_there_are():
    assert [blocks_for(days) for days in (159, 160, 319, 320, 5000)] == [None, 8, 8, 16, 16]


def test_a_half_without_movement_has_a_ratio_of_nothing():
    """All trades of a trial lie in one half: in the other it is neither best nor worst for what rounding leaves."""
    returns = noise(320, 12, seed=3) * 0.01
    returns[:, 0] = 0
    returns[7, 0] = 0.5
    found = overfitting(returns, 8)
    assert np.isfinite(found.achieved).all()
    assert np.abs(found.chosen).max() < 1
    lone = overfitting(np.abs(returns) * -1 + 0.001 * (np.arange(12) == 0), 8)
    assert np.isfinite(lone.logits).all()


@pytest.mark.long
def test_a_thousand_trials_of_a_year_take_little_time_and_memory():
    """Under 2 s and 200 MB; what other processes take of the machine is not counted."""
    returns = noise(365, 1000)
    tracemalloc.start()
    began = time.process_time()
    found = overfitting(returns, 16)
    took, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.logits) == 12_870
    assert took < 2 * 2  # two threads of the linear algebra
    assert peak < 200e6


def test_best_of_noise_is_not_superior_and_skill_is():
    returns = noise(365, 100)
    assert superior(returns).consistent > 0.05
    returns[:, 3] += 0.4
    assert superior(returns).consistent == 1 / 1001


def test_superiority_of_noise_is_a_fair_test():
    """p values of samples without skill are spread evenly."""
    found = [superior(noise(200, 10, seed), 200).upper for seed in range(120)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.1)
    assert np.mean(np.array(found) < 0.1) == pytest.approx(0.1, abs=0.09)


@pytest.mark.parametrize("shift", [-0.3, 0.0, 0.1])
def test_ways_to_judge_the_bad_ones_are_ordered(shift):
    returns = noise(250, 30, seed=5) + shift + np.linspace(-0.5, 0.1, 30)
    found = superior(returns, 300)
    assert 0 < found.lower <= found.consistent <= found.upper <= 1


def test_superiority_does_not_see_scale_nor_columns_that_stand_still():
    returns = noise(200, 20, seed=2)
    more = np.concatenate([returns * np.geomspace(1e-3, 1e3, 20), np.zeros((200, 2))], axis=1)
    assert superior(more, 300) == superior(returns, 300)


@pytest.mark.parametrize(("days", "told"), [(0, False), (1, False), (2, False), (29, False), (30, True)])
def test_few_days_tell_nothing(days, told):
    assert (superior(noise(days, 10), 50) is not None) is told


def test_nothing_better_than_nothing_is_certainly_not_superior():
    assert superior(noise(200, 10) - 2, 100).consistent == 1
    assert superior(np.zeros((200, 3))) is None


def test_superiority_repeats_by_its_seed():
    returns = noise(200, 10)
    assert superior(returns, 200, seed=1) == superior(returns, 200, seed=1)
    assert superior(returns, 200, seed=1) != superior(returns, 200, seed=2)


def test_variance_in_closed_form_is_that_of_bootstrapped_means():
    values = np.zeros(120)
    rng = np.random.default_rng(0)
    for at in range(1, 120):
        values[at] = 0.5 * values[at - 1] + rng.standard_normal()
    weights = bootstrap_weights(120, 4_000, 0.2, seed=0)
    assert weights.sum(axis=1) == pytest.approx(np.ones(4_000))
    drawn = np.var(weights @ values) * 120
    assert long_run_variance(values[:, None], 0.2)[0] == pytest.approx(drawn, rel=0.1)
