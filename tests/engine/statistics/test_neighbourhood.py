"""Neighbours of a set of parameters: flat ground, lone peaks, corners, and the definition by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.statistics.neighbourhood import neighbourhood
from tests.support.examples import examples


def around(cells, scores):
    return neighbourhood(cells, scores)


def grid(*shape):
    return np.array(list(itertools.product(*map(range, shape))))


def test_flat_ground_is_all_plateau():
    found = around(grid(4, 5), np.full(20, 1.5))
    assert (found.ratio, found.least, found.losses) == (1, 1, 0)
    assert found.plateau == pytest.approx(np.full(20, 1.5))
    assert (found.best, found.suggested) == (0, 0)


def test_lone_spike_among_nothing_has_nothing_beside_it():
    scores = np.zeros(25)
    scores[12] = 2
    found = around(grid(5, 5), scores)
    assert (found.best, found.neighbours, found.ratio, found.least, found.losses) == (12, 8, 0, 0, 1)


@pytest.mark.parametrize(("best", "neighbours"), [(0, 3), (1, 5), (6, 8)])
def test_corner_edge_and_middle_have_as_many_neighbours_as_exist(best, neighbours):
    scores = np.ones(25)
    scores[best] = 2
    assert around(grid(5, 5), scores).neighbours == neighbours


def test_plateau_is_suggested_beside_a_higher_lone_peak():
    scores = np.zeros((7, 7))
    scores[0, 0] = 5
    scores[3:6, 3:6] = 2
    found = around(grid(7, 7), scores.ravel())
    assert (found.best, found.suggested) == (0, 4 * 7 + 4)


def test_cells_that_failed_or_do_not_exist_are_no_neighbours():
    cells = np.array([(0, 0), (0, 1), (1, 1), (2, 2)])
    found = around(cells, np.array([1.0, np.nan, 3.0, 0.6]))
    assert (found.best, found.neighbours) == (2, 2)
    assert found.ratio == pytest.approx(0.8 / 3)
    assert found.least == pytest.approx(0.2)
    assert np.isnan(found.plateau[1])


def test_best_alone_or_not_above_nothing_has_no_ratio():
    alone = around(np.array([(0,), (5,)]), np.array([1.0, 0.5]))
    assert (alone.neighbours, alone.ratio, alone.least, alone.losses) == (0, None, None, None)
    losing = around(grid(3), np.array([-1.0, -2, -3]))
    assert (losing.ratio, losing.least, losing.losses) == (None, None, 1)


def test_nothing_is_said_without_a_score_or_of_a_grid_too_large():
    assert around(grid(3), np.full(3, np.nan)) is None
    assert around(np.empty((0, 2), dtype=np.int64), np.empty(0)) is None
    assert around(np.array([(0, 0), (9_999, 9_999)]), np.ones(2)) is None


@settings(max_examples=examples(30))
@given(st.data())
def test_plateau_is_its_definition(data):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    cells = grid(*shape)
    value = st.one_of(st.just(np.nan), st.floats(-10, 10))
    scores = np.array(data.draw(st.lists(value, min_size=len(cells), max_size=len(cells))))
    found = around(cells, scores)
    if found is None:
        assert np.isnan(scores).all()
        return
    for at in np.flatnonzero(np.isfinite(scores)):
        near = scores[np.abs(cells - cells[at]).max(axis=1) <= 1]
        near = near[np.isfinite(near)]
        assert found.plateau[at] == pytest.approx(near.mean() - near.std(), abs=1e-6)
