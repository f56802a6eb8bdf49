"""A report is one page: whole, harmless whatever it tells, as large as its trades and no larger, with the run's figures."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from engine.analysis.account import Account, calendar
from engine.model.account import Costs
from engine.model.market import HOUR_MS, Market, parse_time
from engine.model.remark import Remark
from engine.model.run import FAILED, RunResult, Series
from engine.reports.drawing import WIDTH, Frame, chart, envelope
from engine.reports.html import Reported, report
from engine.reports.style import STYLE
from tests.desktop.builders import checks, many_candles, run_on, trade
from tests.support.builders import random_candles

CANDLES = random_candles(2_000)
HOSTILE = "</pre></title><script>alert(1)</script><img src=x onerror='alert(\"2\")'>&lt;\x00\x1b[31m\ud800"


class Reading(HTMLParser):
    """What a browser would make of a page: tags with attributes, texts."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self) -> list[str]:
        return [str(attrs["value"]) for tag, attrs in self.tags if tag == "data"]


TERMS = {
    "funding": {"status": "failed", "note": "546 settlements, 12 of them assumed"},
    "margin": {"status": "passed", "note": "brackets of 2024-12-31"},
    "entries": {"status": "passed", "note": "3 entries blocked by cooldown"},
    "crosscheck": {"status": "passed", "equal": 9, "total": 9, "referee": "plain"},
}
FIGURES = {
    "net_profit": -181.66, "price_pnl": 380.3, "commission": 496.82, "slippage": 0.0, "funding": 65.14, "shortfall": 0.0,
    "liquidations": 1, "liquidation_loss": 812.5, "ambiguous_trades": 7, "equity_low": 9_700.0, "equity_high": 9_900.0,
}  # fmt: skip


def told(run: RunResult, **other: Any) -> Reported:
    known: dict[str, Any] = {
        "remark": Remark(), "candles": CANDLES, "data_changed": False, "sources": {"ema_cross.py": "x = 1\n"},
    }  # fmt: skip
    return Reported(run, **(known | other))


def test_funding_margin_liquidations_and_the_band_are_said_once_each():
    page = Reading(report([told(run_on(CANDLES, checks=checks() | TERMS, metrics=FIGURES))])).text
    for words in (
        "⚠ failed Funding: 546 settlements, 12 of them assumed",
        "✓ passed Margin: brackets of 2024-12-31",
        "Entries: 3 entries blocked by cooldown",
        "9 of 9 trades equal to the plain simulator's",
        "✖ liquidated 1 position, 812.50 USDT lost",
        "trades ambiguous: the return lies between -3.00 and -1.00 %",
        "Net profit -181.66 USDT = price +380.30 − commission 496.82 − slippage 0.00 − funding 65.14",
    ):
        assert page.count(words) == 1, words
    assert page.count("12 of them assumed") == 1


def test_what_finer_candles_settle_is_said_once() -> None:
    note = "1m candles of 8 of 9 candles in doubt; of 1 some are missing"
    found = checks() | {"detail": {"status": "failed", "note": note}}
    figures = FIGURES | {"ambiguous_trades": 1, "settled_trades": 6}
    run = replace(run_on(CANDLES, checks=found, metrics=figures), costs=Costs(detail="1m"))
    page = Reading(report([told(run)])).text
    assert page.count("the return lies between -3.00 and -1.00 %; 1m candles settle 6 of them") == 1
    assert page.count(note) == 1


def test_a_run_without_terms_or_of_an_older_version_says_nothing_of_them():
    old = {"net_profit": 5.0, "commission": 1.0}
    page = Reading(report([told(run_on(CANDLES, checks=checks(), metrics=old))])).text
    assert page.count("funding not included") == 1
    for words in ("Margin:", "liquidated", "trades ambiguous", " = price"):
        assert words not in page
    spot = {name: value for name, value in FIGURES.items() if name != "funding"}
    page = Reading(report([told(run_on(CANDLES, checks=checks(), metrics=spot, exchange="binance"))])).text
    assert "slippage 0.00" in page
    assert "− funding" not in page


def test_whatever_a_user_or_a_strategy_wrote_stays_text():
    hostile = trade(CANDLES, 10, 30, entry_signal=HOSTILE, exit_reason=HOSTILE)
    found = checks() | {"lookahead": {"status": HOSTILE, "note": HOSTILE}, "orders": {"note": HOSTILE}}
    run = run_on(
        CANDLES, strategy=HOSTILE, params={HOSTILE: HOSTILE}, trades=(hostile,), checks=found, fingerprint=HOSTILE,
        metrics={HOSTILE: 1.5, "sharpe": 2.0}, signals={HOSTILE: 3}, market=Market("binanceusdm", HOSTILE, HOSTILE),
        inputs={"versions": {HOSTILE: HOSTILE}, "warmup": 5},
    )  # fmt: skip
    failed = replace(run, id="b" * 32, status=FAILED, error=f"{HOSTILE} postgresql://me:secret@host/db")
    about = {"remark": Remark(HOSTILE), "sources": {HOSTILE: HOSTILE, "gone": None}}
    page = report([told(run, **about), told(failed, **about)])
    read = Reading(page)
    assert {tag for tag, _ in read.tags}.isdisjoint({"script", "img", "link", "iframe", "object"})
    assert not [name for _, attrs in read.tags for name in attrs if name.startswith("on")]
    assert not re.findall(r"""(?:src|href)=["'](?!#)""", page)
    assert "url(" not in page
    assert "alert(1)" in read.text
    assert "the source was not kept" in read.text
    assert "secret" not in page
    assert not set(page) & {"\0", "\x1b", "\ud800"}
    page.encode("utf-8")


def test_a_run_with_everything_missing_has_a_page_too():
    bare = run_on(CANDLES, trades=(), equity=None, indicators=None, metrics={"sharpe": None}, inputs=None)
    read = Reading(report([told(bare, candles=None, data_changed=None, sources={})]))
    assert read.values().count("") == len(read.values())
    assert "No trade was made" in read.text
    one = run_on(random_candles(1), trades=())
    assert "<svg" in report([told(one, candles=random_candles(1))])


def test_what_makes_a_run_doubtful_is_said_first():
    page = report([told(run_on(CANDLES, checks=checks(missing=5, beside=(1,))), data_changed=True)])
    assert "The candles have changed since" in page
    assert "5 candles missing, 1 trades beside holes" in page
    assert page.index("⚠ failed") < page.index("<h2>")


@pytest.mark.long
def test_half_a_million_candles_and_ten_thousand_trades_make_a_file_of_some_megabytes():
    candles = many_candles(500_000)
    run = run_on(candles)
    assert len(run.trades) > 9_900
    page = report([told(run, candles=candles)])
    assert page.count("<tr>") > len(run.trades)
    assert len(page) < 4_000_000
    drawn = page.split("<h2>Trades")[0]
    assert len(drawn) < 500_000


def test_a_curve_of_many_points_keeps_every_peak():
    time = np.arange(100_003, dtype=np.int64) * HOUR_MS
    values = np.sin(np.arange(100_003) / 9_000)
    values[[5, 50_000, 100_002]] = 7.0, -9.0, 3.0
    kept_time, kept = envelope(time, values)
    assert len(kept) < 2 * WIDTH
    assert {7.0, -9.0, 3.0} <= set(kept.tolist())
    assert (np.diff(kept_time) > 0).all()
    assert (values[kept_time // HOUR_MS] == kept).all()


@pytest.mark.parametrize("hours", [1, 5, 30, 24 * 9, 24 * 80, 24 * 400, 24 * 3_000, 24 * 20_000])
def test_axes_have_a_few_round_times_whatever_the_span(hours: int):
    time = parse_time("1999-12-31T22:00") + np.array([0, hours * HOUR_MS])
    drawn = chart(Frame.over(time, [np.array([1e-8, 3e-8])], 200), [], "x", "")
    assert 1 <= drawn.count('class="time"') <= 10 or hours == 1
    assert 3 <= drawn.count('class="level"') <= 9


def test_the_returns_by_month_are_those_of_the_analysis():
    time = np.arange(0, 900 * 24, 1, dtype=np.int64) * HOUR_MS + parse_time("2022-11-20")
    equity = 10_000 * np.exp(np.random.default_rng(4).normal(0, 0.001, len(time)).cumsum())
    run = run_on(CANDLES, equity=Series(time, {"equity": equity}))
    page = report([told(run)])
    account = Account.of(run)
    assert account is not None
    found = calendar(account)
    assert found.years == (2022, 2023, 2024, 2025)
    months = found.months[~np.isnan(found.months)]
    table = page.split("Returns by month")[1].split("<h2>")[0]
    shown = re.findall(r"[+-][\d,]+\.\d\d", table)
    assert sorted(shown) == sorted(f"{value:+,.2f}" for value in [*months, *found.totals])


def test_of_several_runs_the_page_begins_with_all_side_by_side():
    runs = [run_on(CANDLES, f"{number:032x}", metrics={"return_pct": float(number)}) for number in range(3)]
    page = report([told(run) for run in runs])
    first = page.split("<article")[0]
    assert Reading(first).values() == ["0.0", "1.0", "2.0"]
    assert page.count("<article") == 3
    assert [f'id="run-{number}"' in page for number in range(3)] == [True] * 3


def test_on_a_narrow_page_charts_and_tables_are_scrolled_and_no_word_is_broken_into_letters():
    page = report([told(run_on(CANDLES, f"{number:032x}")) for number in range(2)])
    drawn = re.findall(r'(.{20})<svg viewBox="[^"]*" role="img"', page)
    assert drawn
    assert all(before.endswith('<div class="scroll">') for before in drawn)
    heads = re.findall(r"(.{20})<table[^>]*><thead>", page)
    assert len(heads) > 4
    assert all(before.endswith('<div class="scroll">') for before in heads)
    rules = dict(re.findall(r"([^{}]+)\{([^{}]*)\}", STYLE))
    table = next(body for names, body in rules.items() if "table" in names.split())
    assert "overflow-wrap:normal" in table, "else a browser makes columns as narrow as a letter"
