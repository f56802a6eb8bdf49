"""Searches over a grid: each combination once, repeatable, the same after being told again; and they find what is good."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InputError, Interrupted
from engine.events import CancelToken
from engine.model.market import Float64Array, Period, Timeframe
from engine.model.parameters import Param
from engine.model.ranges import parse_range
from engine.model.sweep_spec import CMAES, NSGA2, RANDOM, SAMPLERS, SOBOL, TPE, SweepSpec
from engine.research.grid import Grid
from engine.research.search import Search, search_of
from tests.support.examples import examples

Loss = Callable[[Float64Array], Float64Array]
GO_ON = CancelToken()
SEARCHES = (SOBOL, CMAES, NSGA2, TPE)
PARAMS = {"a": Param(1), "b": Param(1), "c": Param(1), "mode": Param("x", choices=("x", "y", "z"))}
for _name, _param in PARAMS.items():
    _param.name = _name


def grid_of(
    sampler: str, trials: int, seed: int = 1, constraint: str = "", **ranges: str
) -> tuple[Grid, Search]:
    second = "max_drawdown_pct" if sampler == NSGA2 else ""
    spec = SweepSpec(
        "some", "SOLUSDT", "binanceusdm", Timeframe("1h"), Period(0, 3_600_000),
        {name: parse_range(text) for name, text in ranges.items()},
        constraint=constraint, sampler=sampler, trials=trials, seed=seed, second_objective=second,
    )  # fmt: skip
    grid = Grid.of(spec, [param.to_json() for param in PARAMS.values()])
    return grid, search_of(spec, grid)


def bowl(unit: Float64Array) -> Float64Array:
    """Two losses: how far from (0.7, ...), how far from (0.2, ...)."""
    return np.stack([((unit - middle) ** 2).sum(axis=1) for middle in (0.7, 0.2)], axis=1)


def searched(grid: Grid, search: Search, objectives: int, loss: Loss = bowl) -> tuple[list[int], list[float]]:
    """All that the search asks, told by `loss` of the places as shares of each axis."""
    numbers: list[int] = []
    best: list[float] = []
    while len(asked := search.ask(GO_ON)):
        losses = loss(grid.places(asked) / np.maximum(np.array(grid.shape) - 1, 1))[:, :objectives]
        numbers += asked.tolist()
        best += losses[:, 0].tolist()
        search.tell(losses)
    return numbers, best


@pytest.mark.parametrize("sampler", SEARCHES)
def test_a_search_tries_each_combination_once_and_repeats_itself(sampler: str) -> None:
    ranges = {"a": "1:60:1", "b": "1:60:1", "c": "10:12:1"}
    trials = 70 if sampler == TPE else 300
    found = [
        searched(*grid_of(sampler, trials, seed, **ranges), 1 + (sampler == NSGA2))[0] for seed in (1, 1, 2)
    ]
    assert len(set(found[0])) == len(found[0]) == trials
    assert found[0] == found[1]
    assert found[0] != found[2]


@pytest.mark.parametrize("sampler", [CMAES, NSGA2, TPE])
def test_what_a_search_proposes_gets_better(sampler: str) -> None:
    trials = 96 if sampler == TPE else 600
    grid, search = grid_of(sampler, trials, a="1:1000:1", b="1:1000:1", c="1:1000:1")
    _, losses = searched(grid, search, 1 + (sampler == NSGA2))
    chance = searched(*grid_of(RANDOM, trials, a="1:1000:1", b="1:1000:1", c="1:1000:1"), 1)[1]
    good = 0.05  # within about a fifth of every range
    assert sum(loss < good for loss in losses) > 1.5 * sum(loss < good for loss in chance)


def test_sobol_points_cover_the_grid_and_the_rest_lies_around_the_best() -> None:
    grid, search = grid_of(SOBOL, 400, a="1:200:1", b="1:200:1")
    first = search.ask(GO_ON)
    assert search.planned == 400
    assert len(first) == 320
    _, counts = np.unique(grid.places(first) // 50 @ [4, 1], return_counts=True)
    assert len(counts) == 16
    assert counts.min() >= 18
    assert counts.max() <= 22
    losses = bowl(grid.places(first) / 199)[:, :1]
    search.tell(losses)
    around = search.ask(GO_ON)
    assert len(around) == 80
    best = grid.places(first)[losses[:, 0].argsort()[:60]]
    for place in grid.places(around):
        assert np.abs(best - place).max(axis=1).min() == 1
    search.tell(bowl(grid.places(around) / 199)[:, :1])
    assert not len(search.ask(GO_ON))


def test_a_lone_spike_draws_the_local_grids_less_than_a_plateau() -> None:
    grid, search = grid_of(SOBOL, 400, a="1:200:1", b="1:200:1")
    places = grid.places(first := search.ask(GO_ON))
    spike = np.abs(places - [20, 20]).max(axis=1).argmin()
    losses = np.where(np.abs(places - [150, 150]).max(axis=1) < 30, -1.0, 0.0)
    losses[spike] = -1.5
    search.tell(losses[:, None])
    around = grid.places(search.ask(GO_ON))
    assert (np.abs(around - places[spike]).max(axis=1) > 1).all()
    assert (np.abs(around - 150).max(axis=1) <= 31).all()
    assert len(first) == 320


@settings(max_examples=examples(25))
@given(
    sampler=st.sampled_from((SOBOL, CMAES)), seed=st.integers(0, 2**40), trials=st.integers(1, 90),
    a=st.integers(2, 6), b=st.integers(2, 6), failing=st.floats(0, 1),
)  # fmt: skip
def test_a_small_grid_is_tried_whole_at_most_whatever_fails(
    sampler: str, seed: int, trials: int, a: int, b: int, failing: float
) -> None:
    grid, search = grid_of(sampler, trials, seed, "a != b", a=f"1:{a}:1", b=f"1:{b}:1")

    def loss(unit: Float64Array) -> Float64Array:
        told = bowl(unit)
        told[unit.sum(axis=1) < 2 * failing] = np.nan
        return told

    numbers, _ = searched(grid, search, 1, loss)
    allowed = [number for number in range(a * b) if number // b != number % b]
    assert len(set(numbers)) == len(numbers) == search.planned <= trials
    assert set(numbers) <= set(allowed)
    if sampler == SOBOL:
        assert len(numbers) == min(trials, len(allowed))


@pytest.mark.parametrize(("trials", "a"), [(100, "1:100:1"), (60, "1:5000000:1")])
def test_sobol_tries_as_many_as_asked_where_there_are_few_neighbours(trials: int, a: str) -> None:
    runs = [searched(*grid_of(SOBOL, trials, a=a), 1)[0] for _ in range(2)]
    assert len(set(runs[0])) == len(runs[0]) == trials
    assert runs[0] == runs[1]
    none = grid_of(SOBOL, trials, a=a)
    assert len(searched(*none, 1, lambda unit: bowl(unit) * np.nan)[0]) == trials


@pytest.mark.parametrize(
    ("sampler", "ranges", "part"),
    [
        (CMAES, {"a": "1:9:1"}, "at least two ranges"),
        (CMAES, {"a": "1:9:1", "mode": "x,y"}, "mode is a choice"),
        (CMAES, {"a": "1:9:1", "b": "5,1,3"}, "b is a choice"),
        (TPE, {"a": "1:900000000000:1", "b": "1:900000000000:1"}, "too many to draw from"),
    ],
)
def test_what_a_sampler_cannot_search_is_refused(sampler: str, ranges: dict[str, str], part: str) -> None:
    with pytest.raises(InputError, match=part):
        grid_of(sampler, 50, 1, "", **ranges)


@pytest.mark.parametrize("sampler", [TPE, NSGA2])
def test_choices_are_searched_as_choices(sampler: str) -> None:
    grid, search = grid_of(sampler, 96 if sampler == TPE else 200, a="1:900:1", mode="x,y,z")

    def loss(unit: Float64Array) -> Float64Array:
        return np.asarray(bowl(unit[:, :1]) + (unit[:, 1:] != 0.5), dtype=np.float64)

    numbers, _ = searched(grid, search, 1 + (sampler == NSGA2), loss)
    modes = grid.columns(np.array(numbers))["mode"]
    assert (modes[-30:] == "y").mean() > 0.45
    assert set(modes.tolist()) == {"x", "y", "z"}


def test_probes_hold_the_ends_of_every_range() -> None:
    grid, search = grid_of(TPE, 10, a="3:900:1", b="2:700:1", mode="x,z")
    probes = grid.columns(search.probes())
    ends = {(a, b, mode) for a in (3, 900) for b in (2, 700) for mode in ("x", "z")}
    assert ends <= set(zip(*(column.tolist() for column in probes.values()), strict=True))
    assert len(probes["a"]) > 3_000


def test_a_search_that_finds_nothing_new_comes_to_an_end_and_stops_when_it_is_told_to() -> None:
    _, search = grid_of(CMAES, 100, 1, "a + b < 4", a="1:5000:1", b="1:5000:1")  # three of 25 million
    token = CancelToken()
    token.cancel()
    with pytest.raises(Interrupted):
        search.ask(token)
    while len(asked := search.ask(GO_ON)):
        search.tell(np.zeros((len(asked), 1)))
    assert search.planned <= 3


def test_every_sampler_is_known() -> None:
    assert {*SEARCHES, RANDOM, "grid"} == set(SAMPLERS)
