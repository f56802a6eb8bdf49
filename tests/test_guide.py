"""What the pages tell people to type: each line is typed here, and nothing that can be typed is left out."""

import gzip
import importlib.util
import re
import shlex
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import typer

from engine.cli.options import app
from engine.errors import (
    BacktestError,
    DatabaseError,
    ExchangeError,
    InputError,
    Interrupted,
    RunError,
    StrategyError,
)
from engine.model.funding import REGULAR, FundingRates
from engine.model.market import HOUR_MS, Period, format_time
from engine.model.trade import Trade
from engine.settings import VARIABLES
from tests.engine.trade_lists.samples import as_tradingview
from tests.support.command_line import CommandLine
from tests.support.database import execute
from tests.support.fake_exchange import FakeExchange, grid_candles
from tests.support.local_dask import LocalDask
from tests.support.pages import PAGES, ROOT, rows, typed_lines

CHAPTERS = [page for page in PAGES if page.startswith("docs/guide/")]
GUIDE = "\n".join((ROOT / page).read_text() for page in CHAPTERS)
# needs a screen, does not end, does a dozen commands' work: they have tests of their own
NOT_HERE = ("desktop", "serve", "sync --watch", "demo")
SCHEDULER = "tcp://127.0.0.1:8786"
IN_CONTAINER = "docker compose run --rm app "
HELD = Period.parse("2023-10-01", "2024-07-31")


def commands(page: str) -> list[str]:
    """The lines of a page that call the program, here or in its container, without its name."""
    calls = (
        re.match(rf"(?:(?:\.venv/bin/)?backtest|{IN_CONTAINER.strip()}) (.+)", line)
        for line in typed_lines(page)
    )
    return [call[1] for call in calls if call]


def everything(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, set[str]]]:
    """Each command with its options, from the application itself."""
    options = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    yield " ".join(path), {name for name in options if name.startswith("--") and name != "--help"}
    for name, below in getattr(command, "commands", {}).items():
        yield from everything(below, (*path, name))


ALL = [one for one in everything(typer.main.get_command(app)) if one[0]]


@pytest.mark.parametrize(("command", "options"), ALL, ids=[name for name, _ in ALL])
def test_the_guide_names_every_command_and_every_option(command: str, options: set[str]) -> None:
    assert re.search(rf"\b{command}\b", GUIDE), f"backtest {command} is not in the guide"
    assert {name for name in options if not re.search(rf"{name}\b", GUIDE)} == set()


def test_the_guide_names_every_exit_code() -> None:
    table = GUIDE.partition("## Exit codes")[2].partition("## Settings")[0]
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    kinds = (BacktestError, DatabaseError, ExchangeError, InputError, Interrupted, RunError, StrategyError)
    assert told == {0, *(kind.exit_code for kind in kinds)}


def test_the_guide_names_every_setting_once_and_no_other() -> None:
    named = [row[0].strip("`") for row in rows("docs/guide/command-line.md", 3)]
    assert sorted(named) == sorted(VARIABLES.values())


def test_the_pages_name_commands_at_all() -> None:
    assert sum(len(commands(page)) for page in CHAPTERS) > 35
    assert len(commands("README.md")) >= 8


@pytest.mark.parametrize("page", PAGES)
def test_every_line_that_a_page_tells_people_to_type_is_of_a_kind_that_a_test_knows(page: str) -> None:
    lines = [line for line in typed_lines(page) if not (line.startswith("curl ") and page in ASKED)]
    assert [line for line in lines if not is_known(line)] == []


@pytest.mark.parametrize(
    "line",
    [
        "ls",
        "make nothing",
        "docker compose up -d redis",
        "docker compose --profile nothing up -d",
        "dask worker tcp://127.0.0.1:8786 --nothing",
        'pip install ".[nothing]"',
        ".venv/bin/python -m benchmarks.data --nothing",
        ".venv/bin/python -m benchmarks.nothing",
    ],
)
def test_a_line_that_cannot_work_is_found(line: str) -> None:
    assert not is_known(line)


def is_known(line: str) -> bool:
    """Whether what the line calls is there: the program (whose lines are typed below), a target, a module, a service."""
    first, *rest = shlex.split(line)
    name, equals, _ = first.partition("=")
    if equals:
        return name in VARIABLES.values() or name.startswith("DASK_DISTRIBUTED__")
    known = KINDS.get(first)
    return known is not None and known(rest)


def _is_target(words: list[str]) -> bool:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return {word for word in words if "=" not in word} <= set(targets)


def _is_module(words: list[str]) -> bool:
    if words[0] != "-m":
        return (ROOT / words[0]).is_file()
    found = importlib.util.find_spec(words[1])
    source = Path(found.origin).read_text() if found and found.origin else ""
    return bool(source) and all(
        word.strip("[]") in source for word in words if word.strip("[").startswith("--")
    )


def _is_service(words: list[str]) -> bool:
    """Of `docker compose`: what is named behind its own command is a service, and a profile is one of the file's."""
    text = (ROOT / "docker-compose.yml").read_text()
    services = re.findall(r"^  ([a-z]+):(?: #.*)?$", text.partition("\nservices:")[2], re.MULTILINE)
    profiles = re.findall(r"profiles: \[\"?([a-z]+)", text)
    if any(option == "--profile" and name not in (*profiles, "*") for option, name in pairwise(words)):
        return False
    compose, *words = words
    at = next((at for at, word in enumerate(words) if word in COMPOSE), None)
    named = (
        [word for word in words[at + 1 :] if not word.startswith("-") and "=" not in word]
        if at is not None
        else []
    )
    whole = any if at is not None and words[at] in ("run", "exec") else all
    return compose == "compose" and at is not None and whole(word in services for word in named)


def _is_dask(words: list[str]) -> bool:
    main = importlib.import_module(f"distributed.cli.dask_{words[0]}").main
    options = {name for param in main.params for name in (*param.opts, *param.secondary_opts)}
    return {word.partition("=")[0] for word in words if word.startswith("--")} <= options


def _is_extra(words: list[str]) -> bool:
    extras = re.findall(r"\[(\w+)\]", words[-1])
    text = (
        (ROOT / "pyproject.toml")
        .read_text()
        .partition("[project.optional-dependencies]")[2]
        .partition("\n[")[0]
    )
    return words[0] == "install" and all(re.search(rf"^{extra} = ", text, re.MULTILINE) for extra in extras)


COMPOSE = ("up", "down", "run", "exec", "ps", "logs", "build")
# pages whose lines for curl a test of their own types
ASKED = ("docs/api.md",)
KINDS: dict[str, Callable[[list[str]], bool]] = {
    "backtest": lambda words: True,
    ".venv/bin/backtest": lambda words: True,
    "dist/backtest-desktop/backtest": lambda words: "test_bundle.py" in (ROOT / "Makefile").read_text(),
    ".venv/bin/python": _is_module,
    "make": _is_target,
    "docker": _is_service,
    "dask": _is_dask,
    "pip": _is_extra,
    "echo": lambda words: words[0].partition("=")[0] in (ROOT / ".env.example").read_text(),
    "cp": lambda words: (ROOT / words[0]).is_file(),
}


@pytest.mark.long
def test_every_question_to_the_database_on_a_page_has_an_answer(database_url: str) -> None:
    for line in (one for page in PAGES for one in typed_lines(page) if " psql " in one):
        asked = shlex.split(line)
        assert execute(database_url, asked[asked.index("-c") + 1]), line


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDask]:
    """A scheduler and a worker of the kind that docs/cluster.md starts."""
    started = LocalDask(tmp_path_factory.mktemp("dask"))
    started.add_worker(2)
    yield started
    started.close()


@pytest.mark.long
@pytest.mark.longest
@pytest.mark.timeout(900)
def test_every_line_that_the_pages_tell_people_to_type_does_what_it_should(
    cli: CommandLine,
    fake_exchange: FakeExchange,
    cluster: LocalDask,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for base in ("SOL", "BTC"):
        for timeframe in ("1h", "4h"):
            fake_exchange.add(base, timeframe, grid_candles(timeframe, HELD), listed_ms=HELD.start)
        hours = range(HELD.start, HELD.end, 8 * HOUR_MS)
        rows = [(ms, 1e-4, 100.0, REGULAR, float("nan")) for ms in hours]
        marks = {"1h": grid_candles("1h", HELD)}
        fake_exchange.add_more(base, marks=marks, funding=FundingRates.from_rows(rows))
    fake_exchange.clock_ms = HELD.end + 1
    monkeypatch.setenv("BACKTEST_FUTURES_URL", fake_exchange.url)
    monkeypatch.chdir(tmp_path)
    for name in (
        "four.toml",
        "resources/four_legs.toml",
    ):  # the guide's own copy, and where the README finds it
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / "resources" / "four_legs.toml").read_bytes())
    (tmp_path / "other.csv.gz").write_bytes(gzip.compress("\n".join(others()).encode()))
    (tmp_path / "trades.csv").write_text(as_tradingview(list_of_trades()))
    with ZipFile(tmp_path / "SOLUSDT-fundingRate-2024-01.zip", "w") as file:
        file.writestr("SOLUSDT-fundingRate-2024-01.csv", "\n".join(rates()))
    typed = dict.fromkeys(line for page in PAGES for line in commands(page) if not line.startswith(NOT_HERE))
    wrong = []
    for line in sorted(typed, key=turn):
        answer = cli(*shlex.split(with_ids(line, cli).replace(SCHEDULER, cluster.address)))
        if answer.code != 0:
            wrong.append(f"{line}: exit code {answer.code}: {answer.err.strip().splitlines()[-1:]}")
    assert not wrong, "\n".join(wrong)


def others() -> list[str]:
    """A file as the guide's last import has one: names of its own, times of Berlin in winter."""
    day = grid_candles("1h", Period.parse("2024-02-01", "2024-02-01"))
    rows = zip(day.timestamp.tolist(), *(column.tolist() for column in day.columns().values()), strict=True)
    return [
        "Date,A,B,C,D,Vol",
        *(f"{format_time(row[0] + HOUR_MS)[:-1]},{str(row[1:])[1:-1]}" for row in rows),
    ]


def list_of_trades() -> list[Trade]:
    """A day's trade in every month that is held, as another program may have made them."""
    day_ms = 24 * HOUR_MS
    return [
        Trade(
            "long", 1.0, day, 100.0, day + day_ms, 101.0, 0.8, 0.8, 0.2, None, "", "exit_long", 24, 0.0, 0.0
        )
        for day in range(HELD.start, HELD.end, 30 * day_ms)
    ]


def rates() -> list[str]:
    """A month of funding as Binance's archive has it."""
    month = Period.parse("2024-01-01", "2024-01-31")
    hours = range(month.start, month.end, 8 * HOUR_MS)
    return ["calc_time,funding_interval_hours,last_funding_rate", *(f"{ms},8,0.0001" for ms in hours)]


def turn(line: str) -> int:
    """What a line needs is made by another one, wherever that stands: makers come first, last what takes away."""
    makers = ("fetch", "new-strategy", "walk-forward ", "run ", "optimize", "candles", "portfolio")
    if " delete " in line or " remove " in line:
        return len(makers) + 1
    return next((at for at, word in enumerate(makers) if line.startswith(word)), len(makers))


def with_ids(line: str, cli: CommandLine) -> str:
    """The same with ids that are there in place of the page's."""
    if "3f2a" in line or "RUN_ID" in line:
        runs = cli("runs", "--limit", "50", "--json").json["runs"]
        run = next(one["id"] for one in runs if not one["costs"].get("detail"))
        line = line.replace("3f2a", run).replace("RUN_ID", run)
    if "7d2e" in line:
        walks = cli("walk-forwards", "--limit", "1", "--json").json["walk_forwards"]
        line = line.replace("7d2e", walks[0]["id"])
    if "5c4d" in line:
        line = line.replace("5c4d", cli("runs", "--json").json["portfolios"][0]["id"])
    if "9b1c" in line:
        line = line.replace("9b1c", cli("sweeps", "--limit", "1", "--json").json["sweeps"][0]["id"])
    return line
