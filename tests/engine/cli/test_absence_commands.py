"""On the command line: nothing is called complete, and nothing is run on, because an exchange once had no answer."""

import pytest

from engine.model.market import Period, parse_time
from tests.support.command_line import CommandLine
from tests.support.damage import NO_CHECKS
from tests.support.database import execute
from tests.support.fake_exchange import FakeExchange, Fault, grid_candles

LISTED = Period.parse("2024-01-01", "2025-01-31")
SERIES = ("SOLUSDT", "-t", "1h")
MAY = (*SERIES, "--start", "2024-05-01", "--end", "2024-05-31", "--json")
RUN = ("run", "-s", *MAY, "-S", "ema_cross")


@pytest.fixture
def binance(cli: CommandLine, fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch) -> FakeExchange:
    monkeypatch.setenv("BACKTEST_FUTURES_URL", fake_exchange.url)
    fake_exchange.add("SOL", "1h", grid_candles("1h", LISTED))
    return fake_exchange


def test_a_trading_market_that_answers_nothing_is_exit_code_3_and_no_run_uses_what_came(
    cli: CommandLine, binance: FakeExchange
) -> None:
    binance.fail(Fault(), Fault())  # the probe of the listing, and the first page
    binance.fail(Fault(200, "[]"), times=30)
    answer = cli("fetch", *MAY)
    assert answer.code == 3
    assert (
        "245 stay a gap although binanceusdm says that it trades, 499 candles already saved" in answer.error
    )
    status = cli("status", *MAY).json
    assert (status["candles"], status["complete"], status["missing"]) == (499, False, [])
    answer = cli(*RUN)
    assert answer.code == 3
    assert "245 stay a gap" in answer.err
    assert cli(*RUN, "--no-fetch").code == 3
    binance.faults["klines"].clear()
    (run,) = cli(*RUN).json["runs"]
    assert (run["status"], len(cli("show", run["id"], "--json").json["equity"])) == ("finished", 31 * 24)


@pytest.mark.parametrize("heal", [("verify", *SERIES), ("symbols", "remove", "SOLUSDT")])
def test_a_wrong_listing_is_healed_by_verify_and_by_removing_the_symbol(
    cli: CommandLine, binance: FakeExchange, heal: tuple[str, ...]
) -> None:
    binance.lacks_before_ms = parse_time("2024-05-10")
    assert [gone["reason"] for gone in cli("fetch", *MAY).json["missing"]] == ["before_listing"]
    binance.lacks_before_ms = None
    assert cli("fetch", *MAY).json["requests"] == 0
    assert cli("status", *MAY).json["complete"]
    assert cli(*heal).code == 0
    report = cli("fetch", *MAY).json
    assert (report["candles"], report["fetched"], report["missing"]) == (31 * 24, 9 * 24, [])


def test_damaged_rows_are_named_by_verify_and_no_command_fails_on_them(
    cli: CommandLine, binance: FakeExchange, database_url: str
) -> None:
    assert cli("fetch", *MAY).code == 0
    execute(
        database_url,
        NO_CHECKS,
        "UPDATE data_ranges SET start_time = '-infinity'",
        "UPDATE ohlcv_data SET high = 'NaN' WHERE timestamp = '2024-05-05 05:00Z'",
        "INSERT INTO ohlcv_data VALUES (1, '1h', '2024-05-05 05:30Z', 1, 2, 0.5, 1, 3)",
        "UPDATE series_state SET first_candle = 'infinity', kept_from = '0044-03-15 BC'",
    )
    status = cli("status", *MAY).json
    assert (status["candles"], status["expected"]) == (743, 744)
    assert status["gaps"] == [{"start": "2024-05-05T05:00:00Z", "end": "2024-05-05T06:00:00Z"}]
    assert cli("sync", "--json").code == 0
    execute(database_url, "UPDATE data_ranges SET start_time = '-infinity'")
    answer = cli("verify", *MAY)
    assert answer.code == 0
    notices = " ".join(answer.json["notices"])
    assert "1 rows of data_ranges are no period of 1h candles, the first from -infinity to" in notices
    assert "2 rows of ohlcv_data cannot be 1h candles, the first at 2024-05-05 05:00:00+00 (open" in notices
    assert "high NaN" in notices
    assert cli("verify", *MAY).json["notices"] == []
    status = cli("status", *MAY).json
    assert (status["candles"], status["complete"], status["notices"]) == (744, True, [])
