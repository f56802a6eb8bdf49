"""Leverage brackets: what they cost a position of some value, and what they allow it."""

from itertools import pairwise

import pytest

from engine.errors import InputError
from engine.model.brackets import Brackets

BTC = Brackets.of([(0, 0.004, 150), (300_000, 0.005, 100), (800_000, 0.0065, 75)])


def test_what_is_taken_off_makes_the_maintenance_margin_continuous() -> None:
    assert BTC.cum.tolist() == pytest.approx([0, 300, 1500])
    for k, floor in list(enumerate(BTC.floor))[1:]:
        below, above = (floor * BTC.rate[j] - BTC.cum[j] for j in (k - 1, k))
        assert below == pytest.approx(above)


def test_leverage_falls_with_the_notional() -> None:
    assert BTC.most_leverage() == 150
    bounds = [BTC.most_notional(leverage) for leverage in (75, 76, 100, 101, 150, 151)]
    assert bounds == [float("inf"), 800_000, 800_000, 300_000, 300_000, 0]
    assert all(later <= earlier for earlier, later in pairwise(bounds))


@pytest.mark.parametrize(
    "rows", [[], [(1, 0.1, 5)], [(0, 0.1, 5), (0, 0.2, 5)], [(0, 0.2, 5), (9, 0.1, 5)], [(0, 1, 5)]]
)
def test_a_table_that_is_none_is_refused(rows: list[tuple[float, float, float]]) -> None:
    with pytest.raises(InputError, match="leverage brackets must"):
        Brackets.of(rows)
