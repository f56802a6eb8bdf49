"""Trade lists are recognised by what is in them, read as they are written, or refused in a line that says what was found."""

import json
import re
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from backtesting import Backtest, Strategy
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError
from engine.model.market import parse_time
from engine.model.trade_list import TheirTrade, TradeList
from engine.trade_lists import opening
from engine.trade_lists.opening import trade_list_text
from engine.trade_lists.reading import read_trade_list
from tests.engine.trade_lists.samples import about
from tests.support.builders import random_candles


def at(text: str) -> int:
    return parse_time(text)


def read(text: str, zone: str = "UTC") -> TradeList:
    return read_trade_list(text, "list", zone)


def only(text: str, zone: str = "UTC") -> TheirTrade:
    (trade,) = read(text, zone).trades
    return trade


OLD_TRADINGVIEW = """Trade #,Type,Signal,Date/Time,Price USDT,Contracts,Profit USDT,Profit %
1,Entry Long,Buy,2024-01-02 08:00,100,3,,
1,Exit Long,Sell,2024-01-02 12:00,110,3,28.5,9.5
2,Entry Short,Sell,2024-01-03 00:00,"1,200.50",2,,
2,Exit Short,Open,2024-01-04 00:00,"1,190.50",2,18,1.5
"""


def test_an_old_list_of_tradingview_joins_entry_and_exit_by_their_number():
    found = read(OLD_TRADINGVIEW)
    first, second = found.trades
    assert found.kind == "tradingview"
    assert (first.side, first.size, first.entry_price, first.exit_price) == ("long", 3, 100, 110)
    assert (first.entry_time, first.exit_time) == (at("2024-01-02T08:00"), at("2024-01-02T12:00"))
    assert (first.pnl, first.cost) == (28.5, about(1.5))  # 30 of the price, 28.5 are left
    assert (second.side, second.entry_price, second.exit_price) == ("short", 1200.5, 1190.5)
    assert (second.exit_time, second.exit_reason) == (None, "end")  # marked, not left
    assert any("no commission" in note for note in found.notes)


def test_a_middle_layout_of_tradingview_has_its_columns_in_another_order():
    found = only(
        "Trade #,Type,Date and time,Signal,Price USDT,Position size (qty),Position size (value),Net P&L USDT,Net P&L %\n"
        "7,Exit long,2024-01-02 12:00,TP,11,5,55,4.5,8\n7,Entry long,2024-01-02 08:00,Long,10,5,50,4.5,8\n"
    )
    assert (found.size, found.pnl, found.entry_price, found.exit_price) == (5, 4.5, 10, 11)


def test_the_charts_clock_is_the_zone_that_was_named_and_utc_without():
    text = OLD_TRADINGVIEW.split("2,Entry")[0]
    assert only(text).entry_time == at("2024-01-02T08:00")
    assert only(text, "Europe/Berlin").entry_time == at("2024-01-02T07:00")
    assert only(text, "+08:00").entry_time == at("2024-01-02T00:00")
    for wrong in ("Mars", "+23:99", "+08:75", "+24:00"):
        with pytest.raises(InputError, match=f"unknown time zone '{re.escape(wrong)}'"):
            read(text, wrong)


def test_semicolons_and_decimal_commas_are_read():
    found = only(
        "Trade #;Type;Signal;Date/Time;Price EUR;Contracts;Profit EUR\n"
        "1;Entry long;a;2024-01-02 08:00;1.234,5;0,25;\n1;Exit long;b;2024-01-02 12:00;1.250,5;0,25;4,00\n"
    )
    assert (found.entry_price, found.exit_price, found.size, found.pnl) == (1234.5, 1250.5, 0.25, 4)


def test_a_position_left_in_parts_is_one_round_trip():
    found = read(
        "Trade #,Type,Signal,Date/Time,Price,Contracts,Profit\n"
        "1,Entry long,a,2024-01-02 08:00,100,1,\n1,Exit long,tp,2024-01-02 10:00,110,1,10\n"
        "2,Entry long,a,2024-01-02 08:00,100,3,\n2,Exit long,tp,2024-01-02 12:00,120,3,60\n"
    )
    (trade,) = found.trades
    assert (trade.size, trade.exit_price, trade.exit_time, trade.pnl) == (
        4,
        117.5,
        at("2024-01-02T12:00"),
        70,
    )
    assert "2 rows are 1 round trips: parts held at the same time count as one position" in found.notes


def test_freqtrade_tells_fees_as_fractions_and_funding_that_was_received():
    entry = {
        "pair": "SOL/USDT:USDT", "amount": 10, "open_rate": 100, "close_rate": 90, "fee_open": 0.0005,
        "fee_close": 0.0005, "profit_abs": 99.35, "funding_fees": 0.3, "is_short": True, "exit_reason": "roi",
        "open_date": "2024-01-02 08:00:00+00:00", "close_date": "2024-01-02 12:00:00+00:00",
    }  # fmt: skip
    text = json.dumps(
        {"strategy": {"One": {"trades": [entry, dict(entry)], "backtest_start_ts": 1, "backtest_end_ts": 2}}}
    )
    found = read(text)
    (trade,) = found.trades
    assert (trade.symbol, trade.side, trade.fee, trade.funding) == (
        "SOLUSDT",
        "short",
        about(0.95),
        -0.3,
    )
    assert (trade.exit_reason, trade.net) == ("target", 99.35)
    assert trade.entry_time == at("2024-01-02T08:00")
    assert (found.start, found.end) == (1, 2)
    assert "1 trades are in the file twice; each counts once" in found.notes


FUTURES = """Date(UTC),Symbol,Side,Price,Quantity,Amount,Fee,Realized Profit,Quote Asset
2024-01-05 09:00:09,SOLUSDT,BUY,91,1,91,0.05,0,USDT
2024-01-04 10:00:02,SOLUSDT,BUY,95,5,475,0.24,9,USDT
2024-01-04 08:00:01,SOLUSDT,SELL,100,1,100,0.05,0,USDT
2024-01-04 08:00:01,SOLUSDT,SELL,99,1,99,0.05,0,USDT
2024-01-03 08:00:00,ETHUSDT,BUY,2000,1,2000,1,0,USDT
2024-01-02 10:00:00,SOLUSDT,SELL,110,1,110,0.055,10,USDT
2024-01-02 08:00:00,SOLUSDT,BUY,100,1,100,0.05,0,USDT
"""


def test_futures_fills_are_folded_from_flat_to_flat_and_a_fill_turns_a_position():
    found = read(FUTURES)
    sol = [trade for trade in found.trades if trade.symbol == "SOLUSDT"]
    long, short, turned = sol
    assert (long.side, long.size, long.pnl, long.fee) == (
        "long",
        1,
        about(9.895),
        about(0.105),
    )
    assert (short.side, short.size, short.entry_price, short.exit_price) == ("short", 2, 99.5, 95)
    assert short.fee == about(0.1 + 0.24 * 2 / 5)
    assert (turned.side, turned.size, turned.exit_time) == (
        "long",
        4,
        None,
    )  # 3 of the turn, 1 more: never closed
    assert turned.entry_price == about((3 * 95 + 91) / 4)
    assert short.pnl == about(9 - 0.1 - 0.24 * 2 / 5)
    assert found.kind == "binance-futures"
    assert found.zone == "UTC"


def test_rows_with_a_trade_id_count_once_and_equal_rows_without_count_each():
    one = "Date(UTC),Symbol,Side,Price,Quantity,Fee,Realized Profit{}\n"
    row = "2024-01-02 08:00:00,SOLUSDT,BUY,100,1,0.05,0{}\n"
    told = read(one.format(",Trade ID") + row.format(",17") * 2)
    assert [trade.size for trade in told.trades] == [1]
    assert "1 rows repeat a trade id and were left out" in told.notes
    untold = read(one.format("") + row.format("") * 2)
    assert [trade.size for trade in untold.trades] == [2]
    assert "1 rows are equal to another one: each was taken as a fill of its own" in untold.notes


def test_spot_fees_are_taken_of_what_is_bought_and_the_position_still_closes():
    found = only(
        "Date(UTC),Pair,Side,Price,Executed,Amount,Fee\n"
        "2024-01-02 08:00:00,SOLUSDT,BUY,100,10SOL,1000USDT,0.01SOL\n"
        '2024-01-02 10:00:00,SOLUSDT,SELL,110,"9.99SOL","1,098.90USDT",1.0989USDT\n'
    )
    assert (found.side, found.size, found.exit_time) == ("long", 10, at("2024-01-02T10:00"))
    assert found.fee == about(1 + 1.0989)
    assert found.net == about(100 - 2.0989)


def test_a_fee_in_another_coin_is_not_known_in_money():
    found = read(
        "Date(UTC),Pair,Side,Price,Executed,Amount,Fee\n2024-01-02 08:00:00,SOLUSDT,BUY,100,1SOL,100USDT,0.0003BNB\n"
    )
    assert found.trades[0].fee is None
    assert found.trades[0].pnl is None
    assert "the fees of 1 fills were paid in another coin and are not known in money" in found.notes


@pytest.mark.parametrize("pnl", [19.0, 20.0])
def test_backtesting_py_tells_profit_after_commission_or_before(pnl: float):
    found = only(
        ",Size,EntryBar,ExitBar,EntryPrice,ExitPrice,SL,TP,PnL,Commission,ReturnPct,EntryTime,ExitTime,Duration,Tag\n"
        f"0,-2,1,5,110,100,,,{pnl},1.0,0.09,2024-01-02 08:00:00,2024-01-02 12:00:00,0 days 04:00:00,\n"
    )
    assert (found.side, found.size, found.net, found.fee) == ("short", 2, 19, 1)


JESSE = "type,entry_price,exit_price,qty,opened_at,closed_at\nlong,1,2,3,1704182400000,1704186000000\n"


def _backtested(start: object, end: object) -> str:
    told = {"trades": [], "backtest_start_ts": start, "backtest_end_ts": end}
    return json.dumps({"strategy": {"A": told}})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "list is empty: no trades to compare with"),
        ("time,open,high\n1,2,3\n", "it has columns time, open, high; understood are freqtrade"),
        ("{}", "it has JSON with nothing; understood are"),
        ('{"strategy": {"A": {}, "B": {}}}', r"holds the results of 2 strategies \(A, B\)"),
        ('{"strategy": {"A": {"trades"', "is no whole JSON document"),
        ("[" * 100_000, "is no whole JSON document"),
        ("Nr.,Typ,Datum,Preis\n1,Einstieg,2024-01-01,1\n", "columns Nr., Typ, Datum, Preis"),
        (OLD_TRADINGVIEW.replace("Entry Long", "Einstieg"), "line 2: Type is 'einstieg'"),
        (OLD_TRADINGVIEW.replace("2024-01-02 08:00", "02.01.2024 08:00"), "line 2: Date/Time '02.01.2024 08:00' is no time"),
        (OLD_TRADINGVIEW.replace("100,3", "x,3"), "line 2: Price USDT 'x' is not a number"),
        (OLD_TRADINGVIEW.replace("2024-01-02 12:00", "2024-01-01 12:00"), "leaves before it enters"),
        (OLD_TRADINGVIEW.replace("110,3", '110,"0,5"'), "'28.5' is not a number with a decimal comma"),
        (OLD_TRADINGVIEW.replace("100,3", '"12,34,567.5",3'), "'12,34,567.5' is not a number with a decimal point"),
        (OLD_TRADINGVIEW.replace("2024-01-02 08:00", "2024-01-02 08:00+23:99"), "line 2: Date/Time .* is no time: its zone"),
        (_backtested(10**23, 10**23 + 1), "backtest_start_ts 1000.* are no period; nothing was compared"),
        (_backtested(2, 1), "backtest_start_ts 2 and backtest_end_ts 1 are no period"),
        (_backtested(True, 5), "backtest_start_ts True and backtest_end_ts 5 are no period"),
        (JESSE.replace("long", "sell"), "trade 1: type is 'sell'"),
        (FUTURES.replace("BUY,95", "HOLD,95"), "line 3: Side is 'hold'; BUY and SELL"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_said_in_one_line(text: str, said: str):
    with pytest.raises(InputError, match=said) as error:
        read(text)
    assert "\n" not in str(error.value)


def test_a_header_alone_is_a_list_without_trades():
    assert read(OLD_TRADINGVIEW.splitlines()[0] + "\n").trades == ()
    assert read('{"strategy": {"A": {"trades": []}}}').trades == ()


def test_the_result_in_freqtrades_zip_is_found_beside_its_set_up(tmp_path: Path):
    path = tmp_path / "backtest-result.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("backtest-result_config.json", "{}")
        archive.writestr("backtest-result_Sample.py", "pass")
        archive.writestr("backtest-result.json", '{"strategy": {}}')
    assert trade_list_text(path) == '{"strategy": {}}'


def test_parameters_of_the_strategy_and_what_macos_adds_are_not_the_result(tmp_path: Path):
    path = tmp_path / "backtest-result.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("backtest-result_Sample.json", '{"params": {}}')
        archive.writestr("backtest-result.json", '{"strategy": {}}')
        archive.writestr("__MACOSX/._backtest-result.json", "x")
    assert trade_list_text(path) == '{"strategy": {}}'


def test_utf_16_and_a_byte_order_mark_are_read(tmp_path: Path):
    path = tmp_path / "list.csv"
    for encoding in ("utf-16", "utf-8-sig"):
        path.write_text("Trade #,Type", encoding=encoding)
        assert trade_list_text(path) == "Trade #,Type"


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"xl/workbook.xml": "", "a.json": ""}, "is an Excel workbook; save its list of trades as CSV"),
        ({"a.json": "", "b.json": ""}, r"must hold one result \(.json or .csv\); it holds a.json, b.json"),
        ({"bomb.json": "0" * 5000}, "bomb.json in list.zip is larger than"),
    ],
)
def test_a_zip_that_holds_no_result_or_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, members: dict[str, str], said: str
):
    monkeypatch.setattr(opening, "MOST_BYTES", 4000)
    path = tmp_path / "list.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    with pytest.raises(InputError, match=said):
        trade_list_text(path)


def test_a_huge_file_a_folder_and_one_that_is_gone_are_refused(tmp_path: Path):
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as file:
        file.truncate(1 << 30)  # a hole: takes no room
    with pytest.raises(InputError, match=r"huge\.csv is larger than 64 MB"):
        trade_list_text(huge)
    with pytest.raises(InputError, match="is a folder; name a file"):
        trade_list_text(tmp_path)
    with pytest.raises(InputError, match=r"cannot read .*No such file"):
        trade_list_text(tmp_path / "gone.csv")
    (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(InputError, match="is damaged, cut off"):
        trade_list_text(tmp_path / "cut.zip")


SAMPLES = (
    OLD_TRADINGVIEW,
    FUTURES,
    JESSE,
    ",Size,EntryPrice,ExitPrice,EntryTime,ExitTime\n0,1,2,3,2024-01-02,2024-01-03\n",
    '[{"pair": "A/B", "open_rate": 1, "amount": 2, "open_timestamp": 1704182400000}]',
    '{"trades": [{"type": "short", "entry_price": 1, "exit_price": 2, "qty": 3, "opened_at": 1, "closed_at": null}]}',
)


@given(st.sampled_from(SAMPLES), st.integers(0, 400), st.integers(0, 40), st.text(max_size=8))
def test_whatever_was_done_to_a_file_it_is_read_or_refused_in_a_line(text: str, at: int, cut: int, put: str):
    with suppress(InputError):
        found = read(text[:at] + put + text[at + cut :])
        assert all(trade.size > 0 and trade.entry_price > 0 for trade in found.trades)


class Crossing(Strategy):  # type: ignore[misc]
    """Longs and shorts by two means, one of them left in two parts."""

    def init(self) -> None:
        self.means = [
            self.I(lambda n=n: np.convolve(self.data.Close, np.ones(n) / n)[: len(self.data)])
            for n in (5, 20)
        ]

    def next(self) -> None:
        fast, slow = (mean[-1] for mean in self.means)
        if fast > slow and not self.position.is_long:
            self.position.close()
            self.buy(size=20)
        elif fast < slow and not self.position.is_short:
            self.position.close()
            self.sell(size=20)
        elif len(self.data) % 17 == 0 and abs(self.position.size) == 20:
            self.position.close(0.5)


def test_what_backtesting_py_itself_writes_is_read_as_its_positions():
    candles = random_candles(400, 7).frame().rename(columns=str.capitalize).tz_localize(None)
    stats = Backtest(candles, Crossing, cash=100_000, commission=0.001, finalize_trades=True).run()
    written = stats._trades
    found = read(written.to_csv())
    assert found.kind == "backtesting.py"
    assert len(found.trades) < len(written), "parts are joined"
    assert len(found.trades) == written["EntryTime"].nunique()
    assert sum(trade.net for trade in found.trades) == about(stats["Equity Final [$]"] - 100_000)
    assert sum(trade.fee or 0 for trade in found.trades) == about(written["Commission"].sum())
    assert all(trade.reckoned == about(trade.net) for trade in found.trades)
