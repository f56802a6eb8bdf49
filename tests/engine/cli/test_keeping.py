"""The commands that bring candles in and keep them up to date, as a program would call them."""

import gzip
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.data.exchanges.sample import read_sample
from engine.model.market import HOUR_MS, Period, Timeframe, format_time, parse_time
from engine.reports.files import write_candles
from tests.support.command_line import CommandLine
from tests.support.fake_exchange import FakeExchange, assert_same_candles, grid_candles
from tests.support.own_time import within

SAMPLE = ("--exchange", "sample")
IMPORT = ("-s", "SAMPLEUSDT", "-t", "1h", *SAMPLE)
MONTH = ("--start", "2024-12-01", "--end", "2024-12-31")
LISTED = Period.parse("2024-12-01", "2025-01-31")


@pytest.fixture
def binance(cli: CommandLine, fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch) -> FakeExchange:
    """Binance futures and spot, on this machine."""
    monkeypatch.setenv("BACKTEST_FUTURES_URL", fake_exchange.url)
    monkeypatch.setenv("BACKTEST_SPOT_URL", fake_exchange.url)
    for number, base in enumerate(("SOL", "BTC", "币安人生")):
        for timeframe in ("1h", "4h"):
            candles = grid_candles(timeframe, LISTED, seed=number)
            fake_exchange.add(base, timeframe, candles, listed_ms=LISTED.start)
    return fake_exchange


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A month of the sample market."""
    path = tmp_path / "january.csv"
    write_candles(read_sample("1h").slice(0, 744), path)
    return path


# -- import


def test_a_file_is_shown_then_stored_then_held(cli: CommandLine, file: Path) -> None:
    cli("symbols", *SAMPLE)
    seen = cli("import", file, *IMPORT, "--preview", "--json").json
    assert seen["report"]["stored"] == 744
    assert seen["report"]["dry_run"] is True
    assert [one["time"] for one in seen["candles"][:2]] == ["2023-01-01T00:00:00Z", "2023-01-01T01:00:00Z"]
    table = cli("import", file, *IMPORT, "--preview")
    assert "2023-01-01T00:00:00Z" in table.out
    assert "744 candles would be stored of 744 rows" in table.err
    period = ("--start", "2023-01-01", "--end", "2023-01-31")
    assert cli("status", "SAMPLEUSDT", "-t", "1h", *SAMPLE, *period, "--json").json["candles"] == 0
    done = cli("import", file, *IMPORT, "--json").json
    assert (done["stored"], done["symbol"], done["start"]) == (744, "SAMPLEUSDT", "2023-01-01T00:00:00Z")
    assert cli("status", "SAMPLEUSDT", "-t", "1h", *SAMPLE, *period, "--json").json["complete"]
    again = cli("import", file, *IMPORT)
    assert "0 candles stored of 744 rows; 744 are held already" in again.err


def test_differing_candles_are_told_with_both_values(cli: CommandLine, file: Path) -> None:
    cli("fetch", "SAMPLEUSDT", "-t", "1h", *SAMPLE, "--start", "2023-01-01", "--end", "2023-01-02")
    lines = file.read_text().splitlines()
    lines[5] = lines[5].rpartition(",")[0] + ",1.0"
    file.write_text("\n".join(lines))
    answer = cli("import", file, *IMPORT)
    assert answer.code == 0
    assert "1 candles are held with other values; those held stay" in answer.err
    assert "2023-01-01 04:00 UTC: held" in answer.err


def test_a_mapping_a_unit_and_a_zone_are_obeyed(cli: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "other.csv.gz"
    rows = ["When;A;B;C;D;Vol", "2023-01-01 01:00;100;101;99;100.5;7", "2023-01-01 02:00;100;101;99;100.5;8"]
    path.write_bytes(gzip.compress("\n".join(rows).encode()))
    assert "--columns timestamp=NAME" in cli("import", path, *IMPORT).error
    mapping = ("--columns", "timestamp=When,open=A,high=B,low=C,close=D")
    done = cli("import", path, *IMPORT, *mapping, "--tz", "Europe/Berlin", "--json").json
    assert (done["start"], done["stored"], done["unit"]) == ("2023-01-01T00:00:00Z", 2, "ISO")


REFUSED = {
    "unknown symbol": (("-s", "SAMPLUSDT", "-t", "1h", *SAMPLE), "did you mean SAMPLEUSDT"),
    "unknown timeframe": (("-s", "SAMPLEUSDT", "-t", "7m", *SAMPLE), "unknown timeframe"),
    "unknown unit": ((*IMPORT, "--unit", "ns"), "unknown unit"),
    "unknown zone": ((*IMPORT, "--tz", "Mars"), "unknown time zone"),
    "unknown field": ((*IMPORT, "--columns", "price=close"), "FIELD=COLUMN"),
    "the wrong timeframe": (("-s", "SAMPLEUSDT", "-t", "1m", *SAMPLE), "1 hours apart, not 1m"),
}


@pytest.mark.long_except(
    "-the wrong timeframe",
    "json-unknown symbol",
    "preview-unknown field",
    "-unknown unit",
    "json-unknown zone",
    "preview-unknown timeframe",
)
@pytest.mark.parametrize(("arguments", "says"), REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize(
    "preview", [(), ("--preview",), ("--preview", "--json")], ids=["", "preview", "json"]
)
def test_import_refuses_in_one_line_with_exit_code_2(
    cli: CommandLine, file: Path, arguments: tuple[str, ...], says: str, preview: tuple[str, ...]
) -> None:
    answer = cli("import", file, *arguments, *preview)
    assert answer.code == 2
    assert says in answer.err.splitlines()[-1]
    assert answer.err.splitlines()[-1].startswith("error: ")


@pytest.mark.usefixtures("impatient")
def test_without_a_known_list_and_without_network_import_says_so(
    cli: CommandLine, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKTEST_FUTURES_URL", "http://127.0.0.1:9")
    answer = cli("import", file, "-s", "SOLUSDT", "-t", "1h")
    assert answer.code == 3
    assert "the markets of binanceusdm are not known yet" in answer.error


def test_a_known_market_is_imported_offline(
    cli: CommandLine, binance: FakeExchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("symbols")
    monkeypatch.setenv("BACKTEST_FUTURES_URL", "http://127.0.0.1:9")
    path = tmp_path / "sol.csv"
    write_candles(grid_candles("1h", Period.parse("2024-12-05", "2024-12-06"), seed=0), path)
    assert cli("import", path, "-s", "SOL/USDT", "-t", "1h", "--json").json["stored"] == 48


# -- symbols


def test_symbols_are_added_deactivated_activated_and_removed(cli: CommandLine, binance: FakeExchange) -> None:
    def active() -> set[str]:
        return {one["name"] for one in cli("symbols", "--json").json if one["is_active"]}

    assert active() == set()
    added = cli("symbols", "add", "SOL/USDT", "-t", "1h", "--start", "2025-01-14", "--json").json
    assert added == {
        "name": "SOLUSDT",
        "unified": "SOL/USDT:USDT",
        "exchange": "binanceusdm",
        "is_active": True,
        "timeframes": ["1h"],
    }
    assert active() == {"SOLUSDT"}
    assert cli("sync", "--json").json["series"][0]["fetched"] == 24
    assert cli("symbols", "deactivate", "SOLUSDT").code == 0
    assert active() == set()
    assert cli("sync", "--json").json == {"series": []}
    assert cli("symbols", "activate", "SOLUSDT").code == 0
    binance.clock_ms += HOUR_MS
    assert cli("sync", "--json").json["series"][0]["fetched"] == 1
    removed = cli("symbols", "remove", "SOLUSDT", "--json").json
    assert (removed["is_active"], removed["deleted"]) == (False, 0)
    status = ("status", "SOLUSDT", "-t", "1h", "--start", "2025-01-14", "--end", "2025-01-14", "--json")
    assert cli(*status).json["candles"] == 24
    assert cli("symbols", "remove", "SOLUSDT", "--delete-data", "--json").json["deleted"] == 25
    assert cli(*status).json["candles"] == 0
    assert cli("symbols", "activate", "SOLUSDT").code == 0
    assert cli("sync", "--json").json == {"series": []}


@pytest.mark.parametrize("command", ["add", "remove", "activate", "deactivate"])
def test_an_unknown_symbol_is_refused_by_every_one_of_them(cli: CommandLine, command: str) -> None:
    answer = cli("symbols", command, "SAMPLUSDT", *SAMPLE)
    assert answer.code == 2
    assert "did you mean SAMPLEUSDT" in answer.error


def test_what_was_never_added_cannot_be_removed(cli: CommandLine) -> None:
    for command in ("remove", "deactivate"):
        assert "never added" in cli("symbols", command, "SAMPLEUSDT", *SAMPLE).error
    assert "add -t" in cli("symbols", "add", "SAMPLEUSDT", *SAMPLE, "--start", "2024-01-01").error


# -- sync


def test_sync_tells_a_line_per_series_and_the_worst_of_several_failures_decides(
    cli: CommandLine, binance: FakeExchange
) -> None:
    assert "nothing to keep" in cli("sync").err
    cli("fetch", "SOLUSDT", "BTCUSDT", "-t", "1h", "--start", "2025-01-01", "--end", "2025-01-02")
    binance.clock_ms += 2 * HOUR_MS
    del binance._listings["/fapi/v1", "SOLUSDT"]
    answer = cli("sync")
    assert answer.code == 2
    last = format_time(Timeframe("1h").shift(binance.clock_ms, -1))[:16].replace("T", " ")
    assert f"BTCUSDT 1h: 290 new, held up to the candle of {last} UTC" in answer.err
    assert "1 of 2 series are not up to date" in answer.error
    assert "--watch" in cli("sync", "--watch", "--json").error


def test_a_watch_says_what_is_new_and_ends_with_130_on_ctrl_c(
    cli: CommandLine, binance: FakeExchange
) -> None:
    cli("fetch", "SOLUSDT", "-t", "1h", "--start", "2025-01-14", "--end", "2025-01-14")
    command = [sys.executable, "-m", "engine", "sync", "--watch", "--interval", "1"]
    watch = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert watch.stderr is not None
    try:
        first = watch.stderr.readline()
        binance.clock_ms += HOUR_MS
        second = watch.stderr.readline()
        with within(5):
            watch.send_signal(signal.SIGINT)
            out, err = watch.communicate(timeout=60)
    finally:
        watch.kill()
        watch.communicate()
    assert "SOLUSDT 1h: " in first
    assert "SOLUSDT 1h: 1 new, held up to the candle of 2025-01-15 00:00 UTC" in second
    assert watch.returncode == 130
    assert out == ""
    assert err.splitlines()[-1].startswith("error: stopped")
    assert "Traceback" not in err


# -- fetch of several series


def test_several_series_are_fetched_at_once_and_told_in_order(
    cli: CommandLine, binance: FakeExchange
) -> None:
    answer = cli("fetch", "SOLUSDT", "BTCUSDT", "SOL/USDT", "-t", "1h", "-t", "4h", *MONTH, "--json")
    told = [(one["symbol"], one["timeframe"], one["candles"]) for one in answer.json["series"]]
    assert told == [
        ("SOLUSDT", "1h", 744),
        ("SOLUSDT", "4h", 186),
        ("BTCUSDT", "1h", 744),
        ("BTCUSDT", "4h", 186),
    ]
    assert cli("fetch", "SOLUSDT", "-t", "1h", *MONTH, "--json").json["candles"] == 744
    assert sum(request.path.endswith("exchangeInfo") for request in binance.requests) == 1


def test_a_series_that_fails_leaves_the_others_and_the_exit_code(
    cli: CommandLine, binance: FakeExchange
) -> None:
    answer = cli("fetch", "SOLUSDT", "SOLUSD", "-t", "1h", "-t", "1d", *MONTH, "--json")
    assert answer.code == 2
    assert "3 of 4 series failed" in answer.error
    assert "the other 1 are done" in answer.error
    assert "did you mean SOLUSDT" in answer.err
    assert cli("status", "SOLUSDT", "-t", "1h", *MONTH, "--json").json["complete"]


def test_nothing_is_fetched_when_a_timeframe_is_unknown(cli: CommandLine, binance: FakeExchange) -> None:
    assert cli("fetch", "SOLUSDT", "-t", "1h", "-t", "7m", *MONTH).code == 2
    assert not binance.requests


# -- out


@pytest.mark.long_except("csv")
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_symbol_beyond_ascii_goes_out_and_in_again(
    cli: CommandLine, binance: FakeExchange, tmp_path: Path, suffix: str
) -> None:
    series = ("币安人生USDT", "-t", "1h", *MONTH)
    assert cli("fetch", *series, "--json").json["symbol"] == "币安人生USDT"
    path = tmp_path / f"币安人生.{suffix}"
    assert cli("candles", *series, "--out", path, "--json").json["candles"] == 744
    assert cli("symbols", "remove", "币安人生USDT", "--delete-data", "--json").json["deleted"] == 744
    assert cli("import", path, "-s", "币安人生/USDT", "-t", "1h", "--json").json["stored"] == 744
    again = tmp_path / f"again.{suffix}"
    cli("candles", *series, "--out", again)
    assert again.read_bytes() == path.read_bytes()
    run = cli("run", "-s", "币安人生USDT", "-S", "buy_and_hold", "-t", "1h", *MONTH, "--no-fetch", "--json")
    files = cli("export", run.json["runs"][0]["id"], "--out", tmp_path / "run", "--json").json["files"]
    assert all("币安人生USDT" in Path(name).name and Path(name).exists() for name in files)


def test_the_sample_file_read_by_the_test_is_the_one_served(
    cli: CommandLine, file: Path, tmp_path: Path
) -> None:
    """A file and the exchange give the same bits, so that a later comparison finds nothing."""
    from engine.data.files.candle_file import read_candle_file
    from engine.model.candle_files import FileFormat

    candles = read_candle_file(file, Timeframe("1h"), FileFormat(), parse_time("2025-01-01")).candles
    assert_same_candles(candles, read_sample("1h").slice(0, 744))
