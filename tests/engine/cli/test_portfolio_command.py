"""The portfolio command and what of it the other commands show, over real workers, a real database and a fake exchange."""

import csv
import json
from pathlib import Path

import pytest

from engine.api.portfolio_documents import Portfolio, ShownPortfolio
from engine.model.market import Period
from engine.model.portfolio_file import read_portfolio
from tests.support.command_documents import ListedRuns, PortfolioRerun
from tests.support.command_line import CommandLine
from tests.support.fake_exchange import FakeExchange, grid_candles

pytestmark = pytest.mark.long
SAMPLE = Path(__file__).parents[3] / "resources" / "four_legs.toml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The sample portfolio, to be changed."""
    path = tmp_path / "four.toml"
    path.write_text(SAMPLE.read_text())
    return path


def test_from_the_file_to_the_report(cli: CommandLine, file: Path, tmp_path: Path):
    made = cli("portfolio", file, "--json").json
    Portfolio.model_validate_json(json.dumps(made))
    assert (made["status"], made["strategy"], len(made["legs"])) == ("finished", "four legs", 4)
    assert made["checks"]["crosscheck"]["status"] == "passed"
    assert sum(one["requests"] for one in made["contention"]) >= len(made["trades"])
    shown = cli("show", made["id"][:8], "--json").json
    ShownPortfolio.model_validate_json(json.dumps(shown))
    assert {name: shown[name] for name in made} == made
    assert len(shown["equity"]) == len(shown["pnl"]["trend"]) == 31 * 24
    listed = cli("runs", "--json").json
    ListedRuns.model_validate_json(json.dumps(listed))
    assert [one["id"] for one in listed["portfolios"]] == [made["id"]]
    assert made["id"][:8] in cli("runs").out
    again = cli("rerun", made["id"], "--json").json
    PortfolioRerun.model_validate_json(json.dumps(again))
    assert (again["equal"], again["rerun_of"]) == (True, made["id"])
    assert f"equal to portfolio {made['id'][:8]}" in cli("rerun", made["id"]).out
    page = tmp_path / "page.html"
    cli("report", made["id"], "--out", page)
    text = page.read_text()
    for words in (
        "four legs",
        "breakouts",
        "Who asked for how much",
        "Correlation",
        "ema_cross.py",
        "do not net",
    ):
        assert words in text
    assert cli("report", made["id"], "--out", "-").out.strip() == text.strip()
    folder = tmp_path / "out"
    files = [Path(one) for one in cli("export", made["id"], "--out", folder, "--json").json["files"]]
    rows = {one.suffix + one.stem.rpartition("-")[2]: one for one in files}
    trades = list(csv.DictReader(rows[".csvtrades"].read_text().splitlines()))
    assert [one["leg"] for one in trades] == [one["leg"] for one in made["trades"]]
    equity = list(csv.DictReader(rows[".csvequity"].read_text().splitlines()))
    legs = sum(float(equity[-1][f"pnl.{one['name']}"]) for one in made["legs"])
    assert float(equity[-1]["equity"]) == pytest.approx(made["spec"]["cash"] + legs)
    (toml,) = (one for one in files if one.suffix == ".toml")
    assert read_portfolio(toml).spec.legs[0].params == {"fast": 10, "slow": 30}
    assert cli("portfolio", toml, "--json").json["fingerprint"] == made["fingerprint"]
    assert cli("runs", "delete", made["id"], "--json").json == {"deleted": made["id"]}
    assert cli("show", made["id"]).code == 2


def test_people_see_legs_wallet_contention_and_correlation(cli: CommandLine, file: Path):
    answer = cli("portfolio", file, "--param", "trend.fast=12")
    assert answer.code == 0
    for words in (
        "four legs: 4 legs", "the wallet", "what the legs asked of the wallet", "correlation of the legs' days",
        "what each leg adds", "check crosscheck: passed",
    ):  # fmt: skip
        assert words in answer.out
    assert "do not net" in answer.err
    shown = cli("show", cli("runs", "--json").json["portfolios"][0]["id"])
    assert "Kelly" in shown.out


@pytest.mark.parametrize(
    ("right", "given", "words"),
    [
        (
            '"ema_cross"',
            '"ema_crss"',
            "four.toml, line 14, column 1: unknown strategy 'ema_crss'; did you mean ema_cross",
        ),
        (
            "fast = 10",
            "fst = 10",
            "four.toml, line 17, column 12: params: 'trend.fst': no selected leg has a parameter",
        ),
        ("fast = 10", "fast = -1", "four.toml, line 17, column 12: trend: fast must be"),
        ('symbol = "SAMPLEUSDT"', 'symbol = "NONEUSDT"', "four.toml, line 15, column 1: "),
        ('name = "dips"', 'name = "trend"', "four.toml, line 20, column 1: two legs are called 'trend'"),
        ("weight = 0.4", "weight = 4", "four.toml, line 36, column 1: the weights sum to 4.6, above 1"),
        ('timeframe = "1h"', 'timeframe = "1h"\nleverage = 5000', "column 1: leverage must be at least 1"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place(
    cli: CommandLine, file: Path, right: str, given: str, words: str
):
    file.write_text(file.read_text().replace(right, given, 1))
    answer = cli("portfolio", file, "--json")
    assert answer.code == 2
    assert words in answer.error


def test_typed_parameters_that_fit_nowhere_and_files_that_are_not_there(
    cli: CommandLine, file: Path, tmp_path: Path
):
    assert "the leg 'other' is not selected" in cli("portfolio", file, "--param", "other.fast=1").error
    assert "cannot read" in cli("portfolio", tmp_path / "gone.toml").error
    assert "is a folder; name a file" in cli("portfolio", tmp_path).error


def test_a_leg_whose_strategy_fails_fails_the_whole_with_exit_code_1(
    cli: CommandLine, file: Path, home: Path
):
    (home / "strategies").mkdir(parents=True)
    (home / "strategies" / "fails.py").write_text(
        "from engine.strategy import Strategy\nclass Fails(Strategy):\n"
        "    def signals(self, candles, indicators):\n        1 / 0\n"
    )
    (home / "strategies" / "broken.py").write_text("def (")
    text = file.read_text()
    file.write_text(text.replace('"rsi_reversion"', '"fails"'))
    answer = cli("portfolio", file, "--json")
    assert answer.code == 1
    assert answer.json["error"].startswith("leg 'dips': fails.py:4: ZeroDivisionError")
    assert (answer.json["metrics"], answer.json["trades"], answer.json["correlation"]) == ({}, [], [])
    Portfolio.model_validate_json(answer.out)
    shown = cli("runs")
    assert "failed: leg 'dips'" in shown.out
    assert "failed: leg" in cli("report", answer.json["id"], "--out", "-").out
    assert cli("export", answer.json["id"], "--out", file.parent / "out").code == 0
    file.write_text(text.replace('"rsi_reversion"', '"broken"'))
    assert cli("portfolio", file).code == 5


def test_a_portfolio_has_a_page_of_its_own_and_no_check_to_be_made(
    cli: CommandLine, file: Path, tmp_path: Path
):
    made = cli("portfolio", file, "--json").json["id"]
    run = cli(
        "run", "-s", "SAMPLEUSDT", "-S", "buy_and_hold", "-t", "1h", "--start", "2023-03-01", "--end", "2023-03-10",
        "--exchange", "sample", "--json",
    ).json["runs"][0]["id"]  # fmt: skip
    assert "a portfolio has a page of its own" in cli("report", made, run, "--out", tmp_path / "x.html").error
    assert "--check and --analysis are for runs" in cli("show", made, "--check").error
    files = cli("export", made, run, "--out", tmp_path / "out", "--json").json["files"]
    assert len(files) == 5 + 4


def real_legs(file: Path, **legs: str) -> None:
    tables = "".join(
        f'[[leg]]\nname = "{name}"\nstrategy = "buy_and_hold"\nsymbol = "{symbol}"\n'
        for name, symbol in legs.items()
    )
    file.write_text(f'start = "2024-01-01"\nend = "2024-03-31"\ntimeframe = "1d"\nfunding = "off"\n{tables}')


def test_legs_are_fetched_and_those_that_never_trade_together_are_named(
    cli: CommandLine, file: Path, fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("BACKTEST_FUTURES_URL", fake_exchange.url)
    months = {
        "SOL": ("2024-01-01", "2024-01-31"),
        "BTC": ("2024-03-01", "2024-03-31"),
        "ETH": ("2024-01-01", "2024-03-31"),
    }
    for base, (start, end) in months.items():
        period = Period.parse(start, end)
        fake_exchange.add(base, "1d", grid_candles("1d", period), listed_ms=period.start)
    fake_exchange.delist("SOL")
    fake_exchange.clock_ms = Period.parse("2024-04-01", "2024-04-01").end
    real_legs(file, early="SOLUSDT", late="BTCUSDT")
    answer = cli("portfolio", file)
    assert answer.code == 2
    assert "the legs' periods do not overlap: 'early' has its last candle at 2024-01-31" in answer.error
    real_legs(file, all="ETHUSDT", late="BTCUSDT")
    made = cli("portfolio", file, "--json").json
    assert (made["status"], made["symbol"]) == ("finished", "ETHUSDT, BTCUSDT")
    assert made["checks"]["crosscheck"]["status"] == "passed"
    assert cli("portfolio", file, "--no-fetch").code == 0
    file.write_text(file.read_text().replace("1d", "12h"))
    answer = cli("portfolio", file, "--no-fetch")
    assert answer.code == 3
    assert "leg 'all': ETHUSDT 12h: 0 of 182 candles held" in answer.error
