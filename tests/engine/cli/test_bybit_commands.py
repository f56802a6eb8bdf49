"""Bybit on the command line: real ccxt over HTTP against the fake Bybit, real workers, PostgreSQL."""

from pathlib import Path

import pytest

from engine.model.market import HOUR_MS, Candles, Period, parse_time
from engine.reports.files import write_candles
from tests.support.command_line import CommandLine
from tests.support.fake_bybit import LINEAR, SPOT, FakeBybit, error
from tests.support.fake_exchange import grid_candles, html, without

LISTED = Period.parse("2023-12-01", "2024-03-31")
HOLE = Period.parse("2024-02-10T03:00", "2024-02-10T06:00")
FEBRUARY = ("--start", "2024-02-01", "--end", "2024-02-29")
KINDS = {"bybitlinear": (LINEAR, "SOL/USDT:USDT"), "bybit": (SPOT, "SOL/USDT")}


@pytest.fixture(params=KINDS)
def exchange(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def truth(exchange: str, fake_bybit: FakeBybit, cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Candles:
    """SOLUSDT's hours with one hole, on the fake Bybit to which the command line is pointed."""
    candles = without(grid_candles("1h", LISTED), HOLE)
    fake_bybit.add("SOL", "1h", candles, path=KINDS[exchange][0], listed_ms=LISTED.start)
    monkeypatch.setenv("BACKTEST_BYBIT_URL", fake_bybit.url)
    return candles


@pytest.mark.long_except("bybitlinear")
def test_a_month_is_fetched_in_two_steps_shown_verified_and_written_out(
    cli: CommandLine, fake_bybit: FakeBybit, truth: Candles, exchange: str, tmp_path: Path
) -> None:
    series = ("SOLUSDT", "-t", "1h", *FEBRUARY, "--exchange", exchange)
    (symbol,) = cli("symbols", "--exchange", exchange, "--json").json
    assert (symbol["name"], symbol["unified"], symbol["exchange"]) == (
        "SOLUSDT",
        KINDS[exchange][1],
        exchange,
    )

    cli(
        "fetch", "SOLUSDT", "-t", "1h", "--start", "2024-02-14", "--end", "2024-02-15", "--exchange", exchange
    )
    before = cli("status", *series, "--json").json
    assert (before["candles"], before["complete"], len(before["gaps"])) == (48, False, 2)
    report = cli("fetch", *series, "--json").json
    assert (report["candles"], report["fetched"]) == (29 * 24 - 3, 27 * 24 - 3)
    assert [(gone["start"], gone["end"]) for gone in report["missing"]] == [
        ("2024-02-10T03:00:00Z", "2024-02-10T06:00:00Z")
    ]
    assert (report["unified"], report["exchange"]) == (KINDS[exchange][1], exchange)
    after = cli("status", *series, "--json").json
    assert (after["candles"], after["expected"], after["complete"], after["gaps"]) == (693, 696, True, [])
    sent = len(fake_bybit.requests)
    assert cli("fetch", *series, "--json").json["requests"] == 0
    assert len(fake_bybit.requests) == sent

    checked = cli("verify", *series, "--json").json
    assert (checked["checked"], checked["revised"], checked["added"]) == (693, [], 0)
    cli("candles", *series, "--out", tmp_path / "held.csv")
    within = truth.within(Period(parse_time("2024-02-01"), parse_time("2024-03-01")))
    write_candles(within, tmp_path / "truth.csv")
    assert (tmp_path / "held.csv").read_text() == (tmp_path / "truth.csv").read_text()


@pytest.mark.long_except("bybitlinear")
def test_a_run_fetches_its_candles_and_says_whether_funding_is_left_out(
    cli: CommandLine, fake_bybit: FakeBybit, truth: Candles, exchange: str
) -> None:
    run = ("run", "-s", "SOLUSDT", "-t", "1h", *FEBRUARY, "-S", "ema_cross", "--exchange", exchange, "--json")
    (first,) = cli(*run).json["runs"]
    assert (first["status"], first["exchange"], first["unified"]) == (
        "finished",
        exchange,
        KINDS[exchange][1],
    )
    assert first["checks"]["data"]["missing_candles"] == 3
    left_out = [note for note in first["notes"] if note.startswith("funding not included")]
    assert len(left_out) == (exchange == "bybitlinear")
    fake_bybit.close()
    (again,) = cli(*run, "--no-fetch").json["runs"]
    assert again["trades"] == first["trades"]
    assert again["fingerprint"] == first["fingerprint"]


@pytest.mark.long_except("bybit")
def test_a_file_is_imported_as_bybit_s_and_kept_up_to_date(
    cli: CommandLine, fake_bybit: FakeBybit, truth: Candles, exchange: str, tmp_path: Path
) -> None:
    write_candles(truth.slice(0, 48), tmp_path / "sol.csv")
    imported = cli(
        "import", tmp_path / "sol.csv", "-s", "SOLUSDT", "-t", "1h", "--exchange", exchange, "--json"
    ).json
    assert imported["stored"] == 48
    fake_bybit.clock_ms = LISTED.start + 60 * HOUR_MS
    assert cli("symbols", "add", "SOLUSDT", "-t", "1h", "--exchange", exchange).code == 0
    (synced,) = cli("sync", "--exchange", exchange, "--json").json["series"]
    assert (synced["exchange"], synced["fetched"], synced["error"]) == (exchange, 12, None)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (
            ("SOLUSDT", "-t", "8h"),
            2,
            "has no 8h candles; it has: 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 12h, 1d, 1w, 1M",
        ),
        (("NOPEUSDT", "-t", "1h"), 2, "has no market 'NOPEUSDT'"),
    ],
)
def test_what_bybit_does_not_have_is_refused_in_one_line(
    cli: CommandLine, truth: Candles, exchange: str, arguments: tuple[str, ...], code: int, words: str
) -> None:
    answer = cli("fetch", *arguments, *FEBRUARY, "--exchange", exchange)
    assert (answer.code, words in answer.error) == (code, True)


@pytest.mark.long_except("bybit")
def test_an_exchange_that_refuses_ends_in_one_line_and_keeps_what_came(
    cli: CommandLine, fake_bybit: FakeBybit, truth: Candles, exchange: str
) -> None:
    series = ("SOLUSDT", "-t", "1h", *FEBRUARY, "--exchange", exchange)
    cli(
        "fetch", "SOLUSDT", "-t", "1h", "--start", "2024-02-01", "--end", "2024-02-02", "--exchange", exchange
    )
    fake_bybit.fail(html(403))
    refused = cli("fetch", *series)
    assert (refused.code, "HTTP 403" in refused.error) == (3, True)
    fake_bybit.fail(error(10018, "Exceeded the IP Rate Limit."))
    banned = cli("fetch", *series)
    assert (banned.code, "locked this address out until" in banned.error) == (3, True)
    assert cli("status", *series, "--json").json["candles"] == 48
