"""Trials as lines over parallel axes: every line crosses each axis where its trial is, better ones lie on worse ones."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from desktop.pages.optimize.coordinates import (
    MOST_LINES,
    STRENGTHS,
    axes_of,
    lines_of,
    nearest,
    picture_of,
    places,
    wanted_by,
)
from engine.model.sweep import SweepResult
from tests.desktop.builders import sweep_of

COLOURS = np.array([[code, 0, 0, 255] for code in range(STRENGTHS + 2)], dtype=np.uint8)
HILL = sweep_of()


def codes_of(sweep: SweepResult, wanted: object = None) -> tuple[np.ndarray, list[int]]:
    lines = lines_of(sweep, axes_of(sweep, {}))
    xs = [40 * number for number in range(len(lines.axes))]
    return picture_of(lines, wanted, xs, 101, COLOURS)[:, :, 0], xs  # type: ignore[arg-type]


def test_a_choice_and_a_truth_value_have_places_of_their_own() -> None:
    sweep = sweep_of({"fast": "10:20:5", "both": "true,false", "kind": "sma,ema"})
    axes = {axis.name: axis for axis in axes_of(sweep, {})}
    for name in ("both", "kind"):
        texts = [axes[name].text(place) for place in places(sweep, axes[name])]
        assert texts == [str(one) for one in sweep.params[name].tolist()]
    assert (axes["fast"].share(10), axes["fast"].share(20)) == (0, 1)


def test_every_line_crosses_each_axis_where_its_trial_is() -> None:
    codes, xs = codes_of(HILL)
    lines = lines_of(HILL, axes_of(HILL, {}))
    assert len(lines.positions) == len(HILL)
    for number, x in enumerate(xs):
        shares = lines.shares[:, number]
        rows = np.unique(np.round((1 - shares[np.isfinite(shares)]) * 100).astype(int))
        drawn = np.flatnonzero(codes[:, x])
        assert set(rows) <= set(drawn)
        assert all(np.abs(rows - row).min() <= 2 for row in drawn), "and nowhere else"
    best = lines.shares[-1]
    assert codes[round((1 - float(best[2])) * 100), xs[2]] == STRENGTHS + 1, "the strongest, and on top"


def test_what_is_not_wanted_lies_faint_below() -> None:
    wanted = HILL.params["fast"] <= 20
    codes, xs = codes_of(HILL, wanted)
    places = {fast: round((1 - (fast - 10) / 40) * 100) for fast in range(10, 51, 5)}
    assert {fast for fast, row in places.items() if codes[row, xs[0]] == 1} == {25, 30, 35, 40, 45, 50}


def test_steep_lines_have_no_holes() -> None:
    sweep = sweep_of({"fast": "10:50:40", "slow": "30:150:120"})
    codes, xs = codes_of(sweep)
    assert (codes[:, : xs[1]] > 0).any(axis=1).all()


@given(
    st.dictionaries(
        st.sampled_from(("fast", "slow", "sharpe")),
        st.tuples(st.floats(-60, 160), st.floats(-60, 160)),
        max_size=3,
    )
)
def test_wanted_is_what_all_brushes_hold(brushes: dict[str, tuple[float, float]]) -> None:
    wanted = wanted_by(HILL, axes_of(HILL, {}), brushes)
    if not brushes:
        assert wanted is None
        return
    assert wanted is not None
    for at in range(len(HILL)):
        values = {
            name: float(HILL.params[name][at]) if name in HILL.params else float(HILL.objective[at])
            for name in brushes
        }
        assert wanted[at] == all(low <= values[name] <= high for name, (low, high) in brushes.items())


def test_a_click_finds_the_nearest_of_the_wanted_lines() -> None:
    lines = lines_of(HILL, axes_of(HILL, {}))
    best = int(HILL.order[0])
    found = nearest(lines, None, 2.0, float(lines.shares[-1, 2]))
    assert found == (best, 0.0)
    wanted = np.ones(len(HILL), dtype=np.bool_)
    wanted[best] = False
    other = nearest(lines, wanted, 2.0, float(lines.shares[-1, 2]))
    assert other is not None
    assert other[0] == int(HILL.order[1])
    assert nearest(lines, np.zeros(len(HILL), dtype=np.bool_), 2.0, 0.5) is None


def test_of_very_many_the_best_are_all_drawn_and_the_others_are_a_sample() -> None:
    sweep = sweep_of({"fast": "1:300:1", "slow": "1:400:1"})
    lines = lines_of(sweep, axes_of(sweep, {}))
    assert len(lines.positions) == MOST_LINES
    half = MOST_LINES // 2
    assert set(lines.positions[-half:].tolist()) == set(sweep.order[:half].tolist())
    assert np.isnan(sweep.objective[lines.positions[0]])
