"""Funding rates: snapped to hours, and where one must be missing."""

import numpy as np
import pytest

from engine.model.funding import FundingRates, FundingRow, expected_times, holes, snap
from engine.model.market import HOUR_MS, Period, parse_time

T = parse_time("2024-01-06T08:00")
NAN = float("nan")


def row(hours: float, rate: float = 1e-4, kind: str = "Regular", interval: float = NAN) -> FundingRow:
    return (round(T + hours * HOUR_MS), rate, NAN, kind, interval)


def rates(*hours: float, interval: float = NAN) -> FundingRates:
    return FundingRates.from_rows(row(one, interval=interval) for one in hours)


def hours(*bounds: float) -> Period:
    return Period(*(round(T + one * HOUR_MS) for one in bounds))


@pytest.mark.parametrize(
    ("off_ms", "snapped"),
    [(0, True), (16, True), (-16, True), (60_000, True), (-60_000, True), (60_001, False), (-60_001, False)],
)
def test_a_time_within_a_minute_of_an_hour_is_that_hours(off_ms: int, snapped: bool) -> None:
    assert snap(T + off_ms) == (T if snapped else T + off_ms)


def test_a_settlement_beside_every_hour_is_kept_as_served_and_flagged() -> None:
    found = FundingRates.from_rows([row(8), row(16.5)])

    assert found.time.tolist() == [T + 8 * HOUR_MS, T + 16 * HOUR_MS + HOUR_MS // 2]
    assert found.beside == 1


def test_a_special_settlement_stands_beside_the_regular_one_of_its_hour() -> None:
    found = FundingRates.from_rows([row(8, 2e-4, "Special"), row(8, 1e-4), row(8, 3e-4)])

    assert found.rate_type.tolist() == ["Regular", "Special"]
    assert found.rate.tolist() == [1e-4, 2e-4]


def test_neighbours_more_than_eight_hours_apart_have_a_hole_between_them() -> None:
    assert holes(rates(0, 8, 24, 32), hours(0, 40)) == [hours(9, 24)]


def test_edges_of_what_is_covered_may_be_a_whole_interval_away_from_a_settlement() -> None:
    assert holes(rates(7, 15), hours(0, 23)) == []
    assert holes(rates(8, 15), hours(0, 24)) == [hours(0, 8), hours(16, 24)]
    assert holes(FundingRates.empty(), hours(0, 7)) == []


def test_an_interval_that_the_archive_tells_makes_a_shorter_hole_seen() -> None:
    assert holes(rates(0, 4, 12, interval=4), hours(0, 13)) == [hours(5, 12)]
    assert holes(rates(0, 4, 12), hours(0, 13)) == []


def test_a_change_of_interval_is_no_hole() -> None:
    changing = [row(0, interval=8), row(8, interval=8), row(12, interval=4), row(13, interval=1)]
    back = [row(17, interval=4), row(25, interval=8)]

    assert holes(FundingRates.from_rows([*changing, *back]), hours(0, 26)) == []


def test_unknown_settlements_are_expected_by_the_interval_before_them() -> None:
    assert expected_times(rates(0, 4), [hours(5, 13)]).tolist() == [T + 8 * HOUR_MS, T + 12 * HOUR_MS]
    by_archive = FundingRates.from_rows([row(0, interval=2)])
    assert len(expected_times(by_archive, [hours(1, 9)])) == 4


def test_without_any_settlement_they_are_expected_at_0_8_and_16_h() -> None:
    day = Period(parse_time("2024-03-01"), parse_time("2024-03-02"))

    assert (expected_times(FundingRates.empty(), [day]) - day.start).tolist() == [
        0,
        8 * HOUR_MS,
        16 * HOUR_MS,
    ]


def test_rows_make_the_same_columns_again() -> None:
    found = FundingRates.from_rows([row(8), row(0, kind="Special"), row(0)])

    again = FundingRates.from_rows(reversed(found.rows()))
    assert np.array_equal(again.time, found.time)
    assert again.sha256() == found.sha256()
