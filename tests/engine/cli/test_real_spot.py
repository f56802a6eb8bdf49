"""Real spot candles, holes and huge volumes and all, through fetch, status, run and export to the last bit."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.data.exchanges.loopback import SPOT_PATH
from engine.model.market import HOUR_MS, Candles, Period, format_time, parse_time
from tests.support.builders import real_candles
from tests.support.command_line import CommandLine
from tests.support.fake_exchange import FakeExchange, assert_same_candles


@dataclass(frozen=True)
class Spot:
    """A real market: its file, how many holes it has and cells in them, and the period to run on."""

    symbol: str
    holes: int
    missing: int
    start: str
    end: str


BITCOIN = Spot("BTCUSDT", 27, 122, "2018-02-01", "2021-12-31")  # without the first hole and the last
SHIBA = Spot("SHIBUSDT", 0, 0, "2021-05-20", "2021-06-30")
SERIES = ("-t", "1h", "--exchange", "binance", "--json")

Serve = Callable[[Spot], Candles]


@pytest.fixture
def serve(cli: CommandLine, fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Let the fake exchange, to which the command line is pointed, serve all candles of a real market."""

    def serve(spot: Spot) -> Candles:
        candles = real_candles(f"spot-{spot.symbol}-1h")
        fake_exchange.add(spot.symbol.removesuffix("USDT"), "1h", candles, path=SPOT_PATH)
        fake_exchange.clock_ms = int(candles.timestamp[-1]) + HOUR_MS
        monkeypatch.setenv("BACKTEST_SPOT_URL", fake_exchange.url)
        return candles

    return serve


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.long_except("SHIBUSDT")
@pytest.mark.parametrize("spot", [BITCOIN, SHIBA], ids=lambda spot: spot.symbol)
def test_every_candle_is_fetched_counted_and_written_exactly(
    cli: CommandLine, serve: Serve, tmp_path: Path, spot: Spot
) -> None:
    truth = serve(spot)
    cells = int(truth.timestamp[-1] - truth.timestamp[0]) // HOUR_MS + 1
    whole = (spot.symbol, *SERIES, "--start", format_time(int(truth.timestamp[0])), "--end", "2030-01-01")
    fetched = cli("fetch", *whole).json
    assert (fetched["candles"], fetched["fetched"], len(fetched["missing"])) == (
        len(truth), len(truth), spot.holes
    )  # fmt: skip
    state = cli("status", *whole).json
    assert (state["complete"], state["candles"], state["expected"]) == (True, cells - spot.missing, cells)
    assert state["missing"] == fetched["missing"]
    assert cli("fetch", *whole).json["requests"] == 0
    path = tmp_path / "candles.csv"
    cli("candles", *whole, "--out", path)
    written = Candles.from_rows(
        (int(row["timestamp"]), *(float(row[name]) for name in truth.columns()))  # type: ignore[misc]
        for row in rows_of(path)
    )
    assert_same_candles(written, truth)
    assert (truth.volume.max() > 2e13) == (spot is SHIBA)


@pytest.mark.long_except("SHIBUSDT")
@pytest.mark.parametrize("spot", [BITCOIN, SHIBA], ids=lambda spot: spot.symbol)
def test_a_run_trades_at_real_opens_and_names_the_trades_beside_holes(
    cli: CommandLine, serve: Serve, tmp_path: Path, spot: Spot
) -> None:
    truth = serve(spot)
    period = Period.parse(spot.start, spot.end)
    answer = cli(
        *("run", "-s", spot.symbol, "-S", "ema_cross", *SERIES),
        *("--start", spot.start, "--end", spot.end),
    ).json["runs"][0]
    assert answer["status"] == "finished"
    held = truth.within(period)
    opens = dict(zip(held.timestamp.tolist(), held.open.tolist(), strict=True))
    trades = [
        {**trade, "in": parse_time(trade["entry_time"]), "out": parse_time(trade["exit_time"])}
        for trade in answer["trades"]
    ]
    assert trades
    closed = [trade for trade in trades if trade["exit_reason"] != "open"]
    assert all(trade["entry_price"] == opens[trade["in"]] for trade in trades)
    assert all(trade["exit_price"] == opens[trade["out"]] for trade in closed)
    positions = {opened: at for at, opened in enumerate(held.timestamp.tolist())}
    assert all(trade["candles"] == positions[trade["out"]] - positions[trade["in"]] for trade in trades)

    check = answer["checks"]["data"]
    last = np.flatnonzero(np.diff(held.timestamp) > HOUR_MS)  # the last candle before each hole
    edges = {*held.timestamp[last].tolist(), *held.timestamp[last + 1].tolist()}
    assert check["missing_candles"] == (period.end - period.start) // HOUR_MS - len(held)
    beside = [at for at, trade in enumerate(trades) if {trade["in"], trade["out"]} & edges]
    assert check["trades_beside_holes"] == beside
    assert check["status"] == ("failed" if beside else "passed")
    assert bool(beside) == bool(spot.holes), "the strategy does trade beside a hole, where there are any"

    shown = cli("show", answer["id"], "--json").json
    assert [moment for moment, _ in shown["equity"]] == [format_time(ms) for ms in held.timestamp.tolist()]
    exported(cli, answer["id"], tmp_path, shown)


def exported(cli: CommandLine, run_id: str, folder: Path, shown: dict[str, Any]) -> None:
    """The files of an exported run hold the very numbers that `show` tells."""
    assert cli("export", run_id, "--out", folder).code == 0
    (trades,), (equity,) = folder.glob("*-trades.csv"), folder.glob("*-equity.csv")
    numbers = ("size", "entry_price", "exit_price", "pnl", "return_pct", "commission")
    assert [[float(row[name]) for name in numbers] for row in rows_of(trades)] == [
        [trade[name] for name in numbers] for trade in shown["trades"]
    ]
    assert [[row["time"], float(row["equity"])] for row in rows_of(equity)] == shown["equity"]
