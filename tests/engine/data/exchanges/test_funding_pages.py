"""What of an answer of funding rates is believed: Binance's rows, read and checked; and the pace at which it is asked."""

from typing import Any

import numpy as np
import pytest

from engine.data.exchanges.answers import UnexpectedAnswer
from engine.data.exchanges.binance import FUTURES
from engine.data.exchanges.connection import Caller
from engine.data.exchanges.funding_pages import FundingPage, check_funding, served_bounds
from engine.data.exchanges.pace import Pace
from engine.events import CancelToken
from engine.model.market import DAY_MS, HOUR_MS, Period, parse_time

T = parse_time("2024-01-08")
WINDOW = Period(T, T + DAY_MS)


def answered(count: int = 3) -> list[dict[str, Any]]:
    return [
        {
            "symbol": "SOLUSDT",
            "fundingTime": T + number * 8 * HOUR_MS + 5,
            "fundingRate": f"0.0000{number + 1}000",
            "markPrice": "" if number == 0 else f"10{number}.50",
        }
        for number in range(count)
    ]


def read(answer: Any) -> FundingPage:
    rows = FUTURES.read_funding("SOLUSDT", answer)
    if rows is None:
        raise UnexpectedAnswer("not settlements of this symbol")
    return check_funding(rows, WINDOW, 1000, "SOLUSDT funding")


def test_rows_as_binance_writes_them_are_read() -> None:
    page = read([*answered(2), answered()[2] | {"rateType": "Special", "markPrice": None}])

    assert page.rates.time.tolist() == [T, T + 8 * HOUR_MS, T + 16 * HOUR_MS]
    assert page.rates.rate.tolist() == [1e-5, 2e-5, 3e-5]
    assert np.isnan(page.rates.mark).tolist() == [True, False, True]
    assert page.rates.rate_type.tolist() == ["Regular", "Regular", "Special"]
    assert not page.is_full


BROKEN: dict[str, Any] = {
    "a rate of 500 %": lambda rows: [*rows[:2], rows[2] | {"fundingRate": "5"}],
    "a rate that is none": lambda rows: [*rows[:2], rows[2] | {"fundingRate": "nan"}],
    "no rate": lambda rows: [{"symbol": "SOLUSDT", "fundingTime": rows[0]["fundingTime"]}],
    "a time in microseconds": lambda rows: [rows[0] | {"fundingTime": rows[0]["fundingTime"] * 1000}],
    "a time as text": lambda rows: [rows[0] | {"fundingTime": str(rows[0]["fundingTime"])}],
    "another symbol": lambda rows: [*rows[:-1], rows[-1] | {"symbol": "BTCUSDT"}],
    "rows out of order": lambda rows: rows[::-1],
    "one time twice with different rates": lambda rows: [rows[0], rows[0] | {"fundingRate": "0.002"}],
    "a negative mark price": lambda rows: [rows[0] | {"markPrice": "-1"}],
    "rows nobody asked for": lambda rows: [rows[0] | {"fundingTime": rows[0]["fundingTime"] - DAY_MS}],
    "a list of lists": lambda rows: [list(row.values()) for row in rows],
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_answer_with_a_row_that_cannot_be_is_refused_whole(name: str) -> None:
    with pytest.raises(UnexpectedAnswer):
        read(BROKEN[name](answered()))


@pytest.mark.parametrize("answer", [None, {}, {"code": 0}, "[]", [None], [[]]])
def test_what_is_no_list_of_settlements_is_refused(answer: Any) -> None:
    with pytest.raises(UnexpectedAnswer):
        read(answer)


def test_a_row_served_twice_alike_counts_once() -> None:
    rows = answered()

    assert len(read([rows[0], rows[0] | {"fundingTime": T + 6}, *rows[1:]]).rates) == 3


def test_a_settlement_served_a_little_early_belongs_to_its_hour() -> None:
    assert served_bounds(WINDOW) == (T - 60_000, T + DAY_MS - 60_000)
    early = answered(1)[0] | {"fundingTime": T - 30}
    assert read([early]).rates.time.tolist() == [T]


class Clocked(CancelToken):
    """Waiting takes no real time."""

    now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_no_more_requests_than_allowed_are_sent_in_any_stretch() -> None:
    clock = Clocked()
    pace, sent = Pace(3, 10.0, lambda: clock.now), []
    for _ in range(8):
        pace.wait(Caller(cancel=clock))
        sent.append(clock.now)
        clock.now += 1

    assert sent[:3] == [0, 1, 2]
    assert all(later - earlier >= 10 for earlier, later in zip(sent, sent[3:], strict=False))
