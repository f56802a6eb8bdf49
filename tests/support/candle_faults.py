"""Answers of an exchange that is ill: odd but true pages, answers that are none, and lies."""

from typing import Any

from hypothesis import strategies as st

from tests.support.fake_exchange import Fault, error, html


def _strange(row: list[Any]) -> list[Any]:
    return [row[0], *(str(float(text) * 2) for text in row[1:6]), *row[6:]]


def _elsewhere(rows: list[Any]) -> list[Any]:
    return [[row[0] - 10**10, *row[1:]] for row in rows]


# pages that are odd but true (24 to 27), and answers that are none: asked again (20 to 22, 29, 34, 38 to 40)
ODD = {
    "reversed": Fault(rows=lambda rows: rows[::-1]),
    "doubled": Fault(rows=lambda rows: rows + rows),
    "differing twice": Fault(rows=lambda rows: [*map(_strange, rows), *rows]),
    "short": Fault(rows=lambda rows: rows[: max(1, len(rows) // 2)]),
    "forgetful": Fault(rows=lambda rows: rows[::2]),
    "strays": Fault(rows=lambda rows: rows + _elsewhere(rows[:-1])),
}
NONE = {
    "captive portal": html(),
    "busy": error(503, -1008, "busy"),
    "cut JSON": Fault(200, '[[1,"2"'),
    "an object": Fault(200, "{}"),
    "null": Fault(200, "null"),
    "no body": Fault(200, ""),
    "code 0": Fault(200, '{"code": 0, "msg": ""}'),
    "hangs up": Fault(drop=True),
    "half a body": Fault(cut=True),
    "another page": Fault(rows=lambda rows: _elsewhere(rows) if len(rows) > 1 else rows),
    "NaN": Fault(rows=lambda rows: [[*row[:4], "NaN", *row[5:]] for row in rows]),
    "no volume": Fault(rows=lambda rows: [[*row[:5], None, *row[6:]] for row in rows]),
    "11 columns": Fault(rows=lambda rows: [row[:11] for row in rows]),
    "microseconds": Fault(rows=lambda rows: [[row[0] * 1000, *row[1:]] for row in rows]),
    "rate limited": error(429, -1003, "slow down", Retry_After="37"),
}
PASSING = ODD | NONE
INCOMPLETE = (
    ODD["short"],
    ODD["forgetful"],
)  # with an empty answer after them, two answers lack the same candle
FAULTS = st.sampled_from(["none", *ODD]) | st.sampled_from([*NONE])
EMPTY = Fault(200, "[]")  # the one answer that may be true: told once, it must not be believed (23)
BANNED = error(418, -1003, "banned", Retry_After="600")
