"""The front of a sweep by two objectives: what no other trial beats."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.model.market import Period, Timeframe
from engine.model.ranges import parse_range
from engine.model.run import FINISHED
from engine.model.sweep import SweepResult
from engine.model.sweep_spec import SweepSpec

VALUES = st.sampled_from([float("nan"), -2.0, -1.0, 0.0, 0.5, 1.0, 3.0])
SPEC = SweepSpec(
    "some", "SOLUSDT", "binanceusdm", Timeframe("1h"), Period(0, 3_600_000), {"n": parse_range("1:40:1")},
    second_objective="volatility_pct",
)  # fmt: skip


def sweep(pairs: list[tuple[float, float]]) -> SweepResult:
    table = np.array(pairs, dtype=np.float64).reshape(len(pairs), 2)
    n = len(pairs)
    return SweepResult(
        "a" * 32, SPEC, FINISHED, "SOL/USDT:USDT", SPEC.period, 0, np.arange(n), {"n": np.arange(1, n + 1)}, {},
        {"sharpe": table[:, 0], "volatility_pct": table[:, 1]}, {}, n, n, 0,
    )  # fmt: skip


@given(pairs=st.lists(st.tuples(VALUES, VALUES), max_size=40))
def test_a_trial_is_on_the_front_unless_another_is_as_good_in_both_and_better_in_one(
    pairs: list[tuple[float, float]],
) -> None:
    """More Sharpe is better, less volatility is; of equals the first stands for all."""
    result = sweep(pairs)

    def beaten(at: int) -> bool:
        sharpe, volatility = pairs[at]
        return any(
            (s >= sharpe and v <= volatility) and ((s, v) != (sharpe, volatility) or other < at)
            for other, (s, v) in enumerate(pairs)
        )

    expected = {at for at, pair in enumerate(pairs) if not np.isnan(pair).any() and not beaten(at)}
    assert set(result.front.tolist()) == expected
    valued = np.flatnonzero(np.isfinite(result.losses).all(axis=1))
    assert result.behind.tolist() == sorted(set(valued.tolist()) - expected)
    assert np.all(np.diff(result.metrics["sharpe"][result.front]) < 0)


def test_one_objective_has_no_front() -> None:
    alone = replace(sweep([(1.0, 2.0)]), spec=replace(SPEC, second_objective=""))
    assert alone.front.tolist() == []
    assert alone.to_json()["front"] == []
