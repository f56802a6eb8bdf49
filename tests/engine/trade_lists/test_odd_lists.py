"""Lists that lack something or can be read two ways: what fits is kept, the rest left out or refused, and a note says so."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError
from engine.model.market import HOUR_MS, parse_time
from engine.model.trade_list import TheirTrade, TradeList
from engine.trade_lists.cells import decimal_mark, number_of
from engine.trade_lists.reading import read_trade_list
from tests.engine.trade_lists.samples import about

FILLS = "Date(UTC),Symbol,Side,Price,Quantity,Fee,Realized Profit\n"


def read(text: str, zone: str = "UTC") -> TradeList:
    return read_trade_list(text, "list", zone)


def fills(*rows: str, header: str = FILLS) -> TradeList:
    """Futures: "side,price,size,realized", an hour apart."""
    lines = []
    for hour, row in enumerate(rows):
        side, price, size, realized = row.split(",")
        lines.append(f"2024-01-02 {hour:02d}:00:00,SOLUSDT,{side},{price},{size},0.1,{realized}\n")
    return read(header + "".join(lines))


def shapes(found: TradeList) -> list[tuple[str, float, float, float | None]]:
    return [(one.side, one.size, one.entry_price, one.exit_price) for one in found.trades]


def test_a_list_that_begins_inside_a_position_is_not_read_inverted():
    found = fills("SELL,110,1,10", "SELL,120,2,0", "BUY,100,2,40")
    assert shapes(found) == [("short", 2, 120, 100)]
    assert any("1 fills close what the file does not open" in note for note in found.notes)


def test_a_turn_of_an_unseen_position_is_left_out_with_what_it_turned_into():
    found = fills("SELL,110,3,10", "BUY,100,2,20", "BUY,100,1,0", "SELL,105,1,5")
    assert shapes(found) == [("long", 1, 100, 105)]
    assert any("2 fills close" in note and "what they turned into" in note for note in found.notes)


@pytest.mark.parametrize(
    "rows",
    [
        (
            "BUY,100,1,0",
            "BUY,90,1,10",
            "SELL,120,2,0",
            "BUY,100,2,40",
        ),  # the close and a short's entry are not there
        ("BUY,100,1,0", "SELL,120,2,0", "BUY,100,2,40"),  # the close is not there: what follows enters
        (
            "BUY,100,1,0",
            "SELL,110,3,35",
            "SELL,120,2,0",
            "BUY,100,2,40",
        ),  # an entry is not there: 10 would be right
    ],
)
def test_a_position_that_lacks_a_fill_is_left_out_alone(rows: tuple[str, ...]):
    found = fills(*rows)
    assert shapes(found) == [("short", 2, 120, 100)]
    assert any("1 positions lack a fill in the file" in note for note in found.notes)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(50, 150), st.booleans()), min_size=1, max_size=30))
def test_no_fill_of_a_whole_history_is_left_out(steps: list[tuple[int, int, bool]]):
    held, mean = 0.0, 0.0
    rows: list[str] = []
    for size, price, buys in steps:
        change = size if buys else -size
        closes = min(size, abs(held)) if held * change < 0 else 0
        realized = closes * (price - mean) * (1 if held > 0 else -1) if closes else 0.0
        if not closes:
            mean = (abs(held) * mean + size * price) / (abs(held) + size)
        elif size > abs(held):
            mean = price
        held += change
        rows.append(
            f"2024-01-02 00:00:{len(rows):02d},SOLUSDT,{'BUY' if buys else 'SELL'},{price},{size},0,{realized!r}\n"
        )
    assert not [note for note in read(FILLS + "".join(rows)).notes if "left out" in note]


def test_the_zone_of_a_column_is_the_one_that_is_told():
    told = fills("BUY,100,1,0", "SELL,110,1,10", header=FILLS.replace("UTC", "UTC+8"))
    assert told.trades[0].entry_time == parse_time("2024-01-01T16:00")
    assert (told.zone, told.asks_zone) == ("UTC+08:00", False)
    bare = read_trade_list(
        FILLS.replace("Date(UTC)", "Time") + "2024-01-02 00:00:00,A,BUY,1,1,0,0\n", "x", "Asia/Tokyo"
    )
    assert (bare.zone, bare.asks_zone) == ("Asia/Tokyo", True)


def test_a_fee_in_another_coin_leaves_the_profit_unknown_too():
    found = read(
        FILLS.replace("Fee,", "Fee,Fee Coin,")
        + "2024-01-02 00:00:00,SOLUSDT,BUY,100,1,0.001,BNB,0\n2024-01-02 01:00:00,SOLUSDT,SELL,110,1,0.001,BNB,10\n"
    )
    (trade,) = found.trades
    assert (trade.fee, trade.pnl, trade.net) == (None, None, 10)


TRADES = "Trade #;Type;Date/Time;Price;Contracts\n1;Entry long;2024-01-02 08:00;{};{}\n1;Exit long;2024-01-02 12:00;{};{}\n"


@pytest.mark.parametrize(
    ("cells", "delimiter", "mark", "guessed"),
    [
        (["0,5"], ",", ",", False),
        (["0.125"], ";", ".", False),
        (["1,234,567"], ";", ".", False),
        (["1.234.567"], ",", ",", False),
        (["1\u00a0234,567"], ",", ",", False),
        (["1234.567"], ";", ".", False),
        (["150.125"], ";", ",", True),
        (["150,125"], ",", ".", True),
        (["150,125", "0,125"], ",", ",", False),
        (["12"], ",", ".", False),
    ],
)
def test_the_decimal_mark_is_that_of_the_first_number_that_tells(
    cells: list[str], delimiter: str, mark: str, guessed: bool
):
    assert decimal_mark(cells, delimiter) == (mark, guessed)


@given(
    st.integers(-(10**12), 10**12),
    st.integers(0, 999),
    st.sampled_from(((".", ","), (",", "."), (",", " "), (".", "'"))),
)
def test_a_number_is_the_same_however_its_thousands_are_parted(
    whole: int, decimals: int, marks: tuple[str, str]
):
    mark, part = marks
    text = f"{whole:,}".replace(",", part) + f"{mark}{decimals:03d}"
    assert number_of(text, mark)[0] == float(f"{whole}.{decimals:03d}")


@pytest.mark.parametrize(
    ("cell", "mark"), [("0,5", "."), ("0.5", ","), ("1,23", "."), ("0,125", "."), ("1234,567", ".")]
)
def test_a_number_with_the_other_mark_is_refused_and_not_taken_as_thousands(cell: str, mark: str):
    with pytest.raises(ValueError, match="is not a number with a decimal"):
        number_of(cell, mark)


def test_a_file_that_can_be_read_two_ways_says_which_was_assumed():
    both = read(TRADES.format("150.125", "10", "155.125", "10"))
    assert any("a decimal comma was assumed, 1.234 is 1234" in note for note in both.notes)
    one = read(TRADES.format("150.125", "10", "155.125", "0.5"))
    assert one.trades[0].entry_price == 150.125
    assert not any("assumed" in note for note in one.notes)


def freqtrade(*changes: dict[str, Any]) -> str:
    """Trades of a list alone, an hour long and a day apart."""
    start = parse_time("2024-01-02")
    made = [
        {
            "pair": "SOL/USDT", "amount": 10, "open_rate": 100, "close_rate": 110, "fee_open": 0.001, "fee_close": 0.001,
            "open_timestamp": start + day * 24 * HOUR_MS, "close_timestamp": start + (24 * day + 1) * HOUR_MS,
        } | change
        for day, change in enumerate(changes)
    ]  # fmt: skip
    return json.dumps(made)


def order(size: float | None, price: float, *, enters: bool) -> dict[str, Any]:
    return {"amount": size, "safe_price": price, "ft_is_entry": enters, "order_filled_timestamp": 1}


def test_a_freqtrade_position_left_in_parts_has_the_size_that_entered_and_the_mean_of_its_exits():
    unfilled = order(99, 1, enters=False) | {"order_filled_timestamp": None}
    orders = [
        order(8, 100, enters=True), order(2, 90, enters=True), order(5, 120, enters=False), order(5, 110, enters=False),
    ]  # fmt: skip
    found = read(freqtrade({"amount": 5, "open_rate": 98, "orders": [*orders, unfilled]}))
    (trade,) = found.trades
    assert (trade.size, trade.entry_price, trade.exit_price) == (10, 98, 115)
    assert trade.fee == about(0.001 * (980 + 1150))
    assert not found.notes
    untold = read(freqtrade({"amount": 5, "orders": [*orders[:3], order(None, 110, enters=False)]}))
    assert untold.trades[0].size == 5
    assert any("1 trades were left in parts and their orders tell no sizes" in note for note in untold.notes)


def test_an_unclosed_trade_in_the_middle_does_not_swallow_the_later_ones():
    opened = {"close_timestamp": None, "close_rate": None, "is_open": True}
    found = read(freqtrade({}, opened, {"open_rate": 105}, opened))
    assert len(found.trades) == 4
    second, last = found.trades[1], found.trades[3]
    assert (second.exit_time, second.exit_price) == (found.trades[2].entry_time, 105)
    assert last.exit_time is None
    assert any(
        "1 trades are not closed though later ones follow, first that of row 2" in note
        for note in found.notes
    )
    others = read(freqtrade(opened, {"pair": "ETH/USDT"}))
    assert others.trades[0].exit_time is None, "another symbol does not end it"


def test_jesses_csv_is_read_with_its_own_decimal_mark():
    header = "type;entry_price;exit_price;qty;opened_at;closed_at;PNL\n"
    found = read(
        header + "short;1.100,5;101,5;1,0;1680000000000;2023-03-28 12:00;\nlong;1;2;3;1690000000000;;\n"
    )
    short, opened = found.trades
    assert (short.side, short.entry_price, short.exit_price, short.size, short.pnl) == (
        "short",
        1100.5,
        101.5,
        1,
        None,
    )
    assert short.exit_time == parse_time("2023-03-28T12:00")
    assert opened.exit_time is None
    with pytest.raises(InputError, match="line 2: entry_price 'x' is not a number"):
        read(header + "short;x;101,5;1,0;1680000000000;1680003600000;\n")


def test_an_exit_in_the_second_of_two_equal_hours_follows_its_entry():
    text = (
        TRADES.format(1, 1, 2, 1)
        .replace("2024-01-02 08:00", "2023-10-29 02:45")
        .replace("2024-01-02 12:00", "2023-10-29 02:15")
    )
    trade: TheirTrade = read(text, "Europe/Berlin").trades[0]
    assert trade.exit_time is not None
    assert trade.exit_time - trade.entry_time == timedelta(minutes=30) / timedelta(milliseconds=1)
    with pytest.raises(InputError, match="leaves before it enters"):
        read(text, "UTC")


def test_a_zone_that_no_time_needs_is_said_to_be_unused():
    told = read(freqtrade({}), "Asia/Tokyo")
    assert any("Asia/Tokyo was not used" in note for note in told.notes)
    aware = ",Size,EntryPrice,ExitPrice,EntryTime,ExitTime\n0,1,2,3,2024-01-02 00:00:00{0},2024-01-03 00:00:00{0}\n"
    assert any("Asia/Tokyo was not used" in note for note in read(aware.format("+00:00"), "Asia/Tokyo").notes)
    used = read(aware.format(""), "Asia/Tokyo")
    assert (used.zone, used.asks_zone) == ("Asia/Tokyo", True)
    assert not any("not used" in note for note in [*used.notes, *read(freqtrade({})).notes])
