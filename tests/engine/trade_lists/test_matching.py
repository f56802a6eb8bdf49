"""Trades are paired in order of time at the least cost, always the same way, 10,000 of them at once."""

import itertools
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError
from engine.trade_lists import matching
from engine.trade_lists.matching import Cells, matched, pair_cost


def total(ours: list[Cells], theirs: list[Cells], pairs: list[tuple[int, int]], within: int) -> int:
    """What a matching costs."""
    alone = len(ours) + len(theirs) - 2 * len(pairs)
    costs = [pair_cost(ours[one], theirs[other], within) for one, other in pairs]
    assert None not in costs
    return alone * (within + 1) + sum(cost or 0 for cost in costs)


def least(ours: list[Cells], theirs: list[Cells], within: int) -> int:
    """The least cost of all matchings that keep the order, tried one by one."""

    @cache
    def rest(one: int, other: int) -> int:
        if one == len(ours) or other == len(theirs):
            return (len(ours) - one + len(theirs) - other) * (within + 1)
        ways = [rest(one + 1, other) + within + 1, rest(one, other + 1) + within + 1]
        cost = pair_cost(ours[one], theirs[other], within)
        if cost is not None:
            ways.append(rest(one + 1, other + 1) + cost)
        return min(ways)

    return rest(0, 0)


trades = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 8)), max_size=9).map(
    lambda found: sorted((entry, entry + held) for entry, held in found)
)


@given(trades, trades, st.integers(0, 6))
def test_no_matching_in_order_costs_less(ours: list[Cells], theirs: list[Cells], within: int):
    pairs = matched(ours, theirs, within)
    assert total(ours, theirs, pairs, within) == least(ours, theirs, within)
    assert all(one < two and mine < other for (one, mine), (two, other) in itertools.pairwise(pairs))
    assert pairs == matched(ours, theirs, within)


def test_a_trade_between_two_goes_to_the_nearer_and_the_other_stays_alone():
    assert matched([(10, 20), (30, 40)], [(12, 20), (13, 20), (30, 40)], 5) == [(0, 0), (1, 2)]
    assert matched([(10, 20)], [(16, 20)], 5) == []


def test_ten_thousand_trades_look_only_at_their_neighbours(monkeypatch):
    asked = 0

    def counted(*pair) -> int | None:
        nonlocal asked
        asked += 1
        return pair_cost(*pair)

    monkeypatch.setattr(matching, "pair_cost", counted)
    ours = [(4 * place, 4 * place + 3) for place in range(10_000)]
    theirs = [(entry + 1, left + 1) for entry, left in ours]
    assert matched(ours, theirs, 5) == [(place, place) for place in range(10_000)]
    assert asked < 4 * 10_000


def test_a_thousand_trades_within_one_candle_are_no_thousand_pairs():
    assert len(matched([(5, 6)], [(5, 5)] * 1000, 5)) == 1


def test_more_pairs_than_can_be_tried_are_refused(monkeypatch):
    ours = [(place, place + 1) for place in range(20)]
    monkeypatch.setattr(matching, "MOST_PAIRS", 399)
    assert len(matched(ours, ours, 5)) == 20
    with pytest.raises(
        InputError, match=r"400 pairs .* lie within 50 candles, more than 399; use a smaller distance"
    ):
        matched(ours, ours, 50)
