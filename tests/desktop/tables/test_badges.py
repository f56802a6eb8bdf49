"""What is known of a run, as badges: their words in every state, their stories, and that colour is never the only sign."""

from dataclasses import replace
from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel, QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from desktop.app.window import MainWindow
from desktop.pages.overview.page import OverviewPage
from desktop.pages.runs.page import RunsPage
from desktop.tables.badge import PENDING, SIGNS
from desktop.tables.badges import badges, sweep_badges, verdict
from desktop.tables.holdings import GOOD, WARNING
from desktop.theme.colours import DARK, LIGHT, Theme
from desktop.widgets.badge_row import level_colour
from desktop.widgets.table_view import TableView
from engine.model.account import Costs
from engine.model.run import CANCELLED, FAILED, RunResult
from engine.model.sweep import unmade_checks
from tests.desktop.builders import checks, run_on, sweep_of
from tests.desktop.contrast import contrast
from tests.support.builders import random_candles

pytestmark = pytest.mark.pages("Set-up", "Overview", "Runs", "Trades")

EQUAL = {"status": "passed", "equal": 412, "total": 412}
DIFFERENT = {
    "status": "failed", "equal": 411, "total": 412, "note": "411 of 412 trades equal",
    "differences": [{"trade": 76, "column": "exit_price", "compiled": 101.5, "reference": 101.25}],
}  # fmt: skip
PASSED_CUTS = {"status": "passed", "columns": [], "cuts": 132, "note": "passed on 132 cuts"}


OF_A_RUN = ("metrics", "costs", "symbol", "exchange")


def run_with(engine: Any = "compiled", **found: Any) -> RunResult:
    of_run = {name: found.pop(name) for name in OF_A_RUN if name in found}
    return run_on(
        random_candles(100), engine=engine, checks=checks() | found, fingerprint="3f2a1b9c" * 8, **of_run
    )


def labels(run: RunResult, **more: Any) -> dict[str, str]:
    return {badge.key: badge.label for badge in badges(run, **more)}


@pytest.mark.parametrize(
    ("name", "check", "words"),
    [
        ("crosscheck", EQUAL, "✓ checked: 412 of 412 trades equal"),
        ("crosscheck", EQUAL | {"referee": "backtesting"}, "✓ checked: 412 of 412 trades equal"),
        ("crosscheck", EQUAL | {"referee": "plain"}, "✓ checked by the plain simulator: 412 of 412 trades equal"),
        ("crosscheck", DIFFERENT | {"referee": "plain"},
         "⚠ checked by the plain simulator: 411 of 412 trades equal"),
        ("crosscheck", {"status": "passed", "equal": 0, "total": 0}, "✓ checked: no trades"),
        ("crosscheck", DIFFERENT, "⚠ checked: 411 of 412 trades equal"),
        ("crosscheck", EQUAL | {"status": "failed", "note": "412 of 412 trades equal, but the equity is not"},
         "⚠ checked: 412 of 412 trades equal, but the equity is not"),
        ("crosscheck", {"status": "pending", "equal": 0, "total": 0}, "… cross-check pending"),
        ("crosscheck", {"status": "skipped", "note": "switched off"}, "not cross-checked"),
        ("lookahead", PASSED_CUTS, "✓ look-ahead passed on 132 cuts"),
        ("lookahead", PASSED_CUTS | {"cuts": 41, "note": "passed on 41 of 132 cuts; of the rest: nothing"},
         "✓ look-ahead passed on 41 of 132 cuts"),
        ("lookahead", {"status": "failed", "columns": ["ahead"]}, "⚠ looks ahead: ahead"),
        ("lookahead", {"status": "failed", "columns": list("abcde")}, "⚠ looks ahead: a, b, c and 2 more"),
        ("lookahead", {"status": "skipped", "columns": []}, "look-ahead not checked"),
        ("warmup", {"status": "passed", "held": 500, "wanted": 500}, "✓ warm-up 500 of 500"),
        ("warmup", {"status": "skipped", "held": 0, "wanted": 0}, "no warm-up needed"),
        ("warmup", {"status": "failed", "held": 61, "wanted": 500, "columns": []}, "⚠ warm-up 61 of 500"),
        ("warmup", {"status": "failed", "held": 480, "wanted": 480, "columns": [],
                    "note": "480 of 480; the same with more; BTCUSDT 4h: 60 of 60; BTCUSDT 1d: 30 of 1,050"},
         "⚠ warm-up BTCUSDT 1d: 30 of 1,050"),
        ("warmup", {"status": "failed", "columns": ["rsi"]}, "⚠ warm-up too short for rsi"),
        ("funding", {"status": "passed", "settlements": 546, "assumed": 0}, "✓ funding charged, 546 settlements"),
        ("funding", {"status": "failed", "settlements": 546, "assumed": 12},
         "⚠ funding: 12 of 546 settlements assumed"),
        ("funding", {"status": "skipped", "note": "not included: the settlement expected at 2024-01-03 08:00 is not known"},
         "⚠ funding not included: the settlement expected at 2024-01-03 08:00 is not known"),
        ("funding", {"status": "skipped", "note": "not included: nothing is known (no rate is served, it stays a gap)"},
         "⚠ funding not included: nothing is known"),
        ("entries", {"status": "passed", "note": "12 entries blocked by cooldown", "blocked": {"cooldown": 12},
                     "clipped": 3, "dropped": 1}, "entries: 12 blocked, 3 clipped, 1 dropped"),
        ("entries", {"status": "passed", "note": "7 entries signalled ...", "clipped": 0, "dropped": 0, "beyond": 7},
         "entries: 7 limits beyond the close"),
        ("orders", {"status": "failed", "note": "79 orders cancelled: not enough cash; hedging=False"},
         "⚠ 79 orders cancelled: not enough cash"),
        ("orders", {"status": "passed", "note": "exclusive_orders=True"}, "exclusive_orders=True"),
    ],
)  # fmt: skip
def test_every_state_of_a_check_has_its_words(name: str, check: dict[str, Any], words: str) -> None:
    assert labels(run_with(**{name: check}))[name] == words


def test_engine_fingerprint_and_what_is_left_out_are_badges_without_judgement() -> None:
    shown = labels(run_with())
    assert shown["engine"] == "compiled engine"
    assert shown["fingerprint"] == "fingerprint 3f2a1b9c"
    assert "funding not included" in shown.values()


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (10_980, 11_300, "7 of 83 trades ambiguous: +12.1 % lies between +9.8 and +13.0 %"),
        (11_190, 11_215, "7 of 83 trades ambiguous: +12.10 % lies between +11.90 and +12.15 %"),
        (9_900, 11_300, "⚠ 7 of 83 trades ambiguous: +12.1 % lies between −1.0 and +13.0 %"),
        (11_210, 11_210, "7 of 83 trades ambiguous: the result is the same either way"),
        (None, None, "7 of 83 trades ambiguous"),
    ],
)
def test_what_the_inside_of_candles_leaves_open_is_said_as_a_band(low: Any, high: Any, words: str) -> None:
    metrics = {
        "trades": 83,
        "ambiguous_trades": 7,
        "final_equity": 11_210.0,
        "equity_low": low,
        "equity_high": high,
    }
    assert labels(run_with(metrics=metrics))["ambiguous"] == words


@pytest.mark.parametrize(
    ("left", "low", "words"),
    [
        (
            1,
            10_980,
            "7 of 83 trades ambiguous: +12.1 % lies between +9.8 and +13.0 %; 1m candles settle 6 of them",
        ),
        (
            1,
            9_900,
            "⚠ 7 of 83 trades ambiguous: +12.1 % lies between −1.0 and +13.0 %; 1m candles settle 6 of them",
        ),
        (
            0,
            9_900,
            "6 of 83 trades ambiguous: +12.1 % lies between −1.0 and +13.0 %; 1m candles settle 6 of them",
        ),
    ],
)
def test_what_finer_candles_settle_is_said_beside_the_band(left: int, low: float, words: str) -> None:
    metrics = {
        "trades": 83, "ambiguous_trades": left, "settled_trades": 6, "final_equity": 11_210.0, "equity_low": low,
        "equity_high": 11_300.0,
    }  # fmt: skip
    detail = {"status": "failed", "note": "1m candles of 8 of 9 candles in doubt; of 1 some are missing"}
    run = run_with(metrics=metrics, costs=Costs(detail="1m"), detail=detail)
    assert labels(run)["ambiguous"] == words
    told = next(badge.finding for badge in badges(run) if badge.key == "ambiguous")
    assert "of 1 some are missing" in told


@pytest.mark.parametrize(
    ("margin", "metrics", "words"),
    [
        ("passed", {"nearest_liquidation_pct": 30.627}, "✓ leverage 3x: no liquidation, nearest 30.6 % away"),
        (
            "failed",
            {"nearest_liquidation_pct": 30.627},
            "⚠ leverage 3x, liquidation judged by the last price",
        ),
        ("failed", {"liquidations": 2, "liquidation_loss": 812.5}, "⚠ 2 liquidations at 3x"),
    ],
)
def test_leverage_says_what_the_exchange_took_or_how_near_it_came(
    margin: str, metrics: dict[str, Any], words: str
) -> None:
    check = {"status": margin, "note": "brackets of 2024-12-31", "brackets": "the exchange's"}
    run = run_with(margin=check, metrics=metrics, costs=Costs(leverage=3.0))
    assert labels(run)["margin"] == words
    told = next(badge.finding for badge in badges(run) if badge.key == "margin")
    assert "brackets of 2024-12-31" in told
    assert ("812.50 USDT lost" in told) == bool(metrics.get("liquidations"))


def test_a_run_without_terms_has_no_badge_of_them() -> None:
    assert not labels(run_with(symbol="SOLUSDT", exchange="binance")).keys() & {
        "funding", "margin", "entries", "ambiguous",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("referee", "named"), [("plain", "the plain simulator"), ("backtesting", "by backtesting.py")]
)
def test_the_story_of_the_cross_check_names_who_played_the_run_again(referee: str, named: str) -> None:
    story = next(
        badge.meaning
        for badge in badges(run_with(crosscheck=EQUAL | {"referee": referee}))
        if badge.key == "crosscheck"
    )
    assert f"{named} " in story


CHARGED = {"status": "passed", "note": "530 settlements", "settlements": 530, "assumed": 0, "mark_prices": {}}
LACKING = "not included: the settlement expected at 2024-01-03 08:00 UTC is not known"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({}, ["funding not included"]),
        ({"funding": CHARGED}, ["✓ funding charged, 530 settlements"]),
        ({"funding": {"status": "skipped", "note": LACKING}}, [f"⚠ funding {LACKING}"]),
        (
            {"funding": CHARGED | {"status": "failed", "assumed": 12}},
            ["⚠ funding: 12 of 530 settlements assumed"],
        ),
        (
            {"funding": CHARGED, "margin": {"status": "passed"}},
            ["✓ funding charged, 530 settlements", "✓ leverage 3x"],
        ),
        (
            {"margin": {"status": "failed", "note": "7 of 9 candles have no mark price"}},
            ["funding not included", "⚠ leverage 3x, liquidation judged by the last price"],
        ),
    ],
)
def test_a_sweep_says_what_became_of_funding_and_margin(found: dict[str, Any], words: list[str]) -> None:
    sweep = sweep_of(checks=unmade_checks() | found)
    spec = replace(sweep.spec, exchange="binanceusdm", costs=replace(sweep.spec.costs, leverage=3.0))

    assert [badge.label for badge in sweep_badges(replace(sweep, spec=spec))][3:] == words


def test_the_reference_engine_needs_no_cross_check() -> None:
    assert "crosscheck" not in labels(run_with("reference"))


def test_a_check_under_way_says_how_far_it_is() -> None:
    run = run_with(crosscheck={"status": "pending"})
    assert labels(run, checking="40%")["crosscheck"] == "… cross-check 40%"


def test_a_run_that_did_not_finish_claims_nothing() -> None:
    assert badges(run_on(random_candles(100), status=CANCELLED)) == []
    failed = badges(run_on(random_candles(100), status=FAILED, error="mine.py:3: no luck", traceback="Trace"))
    assert [(badge.label, badge.finding) for badge in failed] == [("⚠ failed: mine.py:3: no luck", "Trace")]


def test_a_cell_shows_the_first_warning_then_what_is_pending_then_what_passed() -> None:
    pending = {"status": "pending"}
    assert verdict(
        badges(run_with(crosscheck=DIFFERENT, lookahead={"status": "failed", "columns": ["x"]}))
    ).text == ("⚠ 411 of 412 equal +1")
    assert verdict(badges(run_with(crosscheck=pending))).text == "… pending"
    assert verdict(badges(run_with(crosscheck=EQUAL, lookahead=PASSED_CUTS))).text == "✓ 4 passed"


@pytest.mark.parametrize("level", [GOOD, WARNING, PENDING])
def test_every_judgement_has_a_sign_beside_its_colour(level: str) -> None:
    assert SIGNS[level]


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
@pytest.mark.parametrize("level", [GOOD, WARNING, PENDING])
def test_badges_are_legible_in_both_themes(theme: Theme, level: str) -> None:
    assert contrast(level_colour(level, theme), theme.base) >= 4.5


def show(window: MainWindow, run: RunResult) -> None:
    window.workspace.put([run])
    window.workspace.show(run.id)
    window.page(RunsPage).panel.flush()


def test_a_click_on_a_badge_tells_its_story_and_esc_closes_it(window: MainWindow, qtbot: QtBot) -> None:
    show(window, run_with(crosscheck=DIFFERENT))
    row = window.page(OverviewPage).panel.heading
    row.buttons["crosscheck"].click()
    assert row.story.isVisible()
    texts = " ".join(label.text() for label in row.story.findChildren(QLabel))
    assert "backtesting.py" in texts
    assert "411 of 412" in texts
    table = row.story.findChild(TableView)
    assert table is not None
    assert [table.model().data(table.model().index(0, column)) for column in range(4)] == [
        "77", "exit_price", "101.5", "101.25",
    ]  # fmt: skip
    qtbot.keyClick(row.story, Qt.Key.Key_Escape)
    assert not row.story.isVisible()


@pytest.mark.long
def test_no_line_of_a_story_is_cut_off(window: MainWindow, qtbot: QtBot) -> None:
    why = (
        "not included: the settlement expected at 2024-01-01 00:00 UTC is not known, nor are many that follow"
    )
    show(window, run_with(funding={"status": "skipped", "note": why}))
    row = window.page(OverviewPage).panel.heading
    row.story.tell(row.shown, QPoint(0, 0))
    content = row.story.findChild(QWidget, "storyContent")
    assert content is not None
    room = row.story.findChild(QScrollArea)
    assert room is not None
    qtbot.waitUntil(lambda: 0 < content.width() <= room.viewport().width())
    row.story.close()


@pytest.mark.long
def test_the_whole_fingerprint_and_its_inputs_can_be_copied(window: MainWindow) -> None:
    run = run_on(
        random_candles(100), fingerprint="ab" * 32,
        inputs={"candles": "cd" * 32, "versions": {"numpy": "2.4.6"}},
    )  # fmt: skip
    show(window, run)
    row = window.page(OverviewPage).panel.heading
    row.buttons["fingerprint"].click()
    row.story.copy.click()
    copied = QGuiApplication.clipboard().text()
    assert "ab" * 32 in copied
    assert "candles: " + "cd" * 32 in copied
    assert "versions.numpy: 2.4.6" in copied
    row.story.close()


@pytest.mark.long
def test_a_click_on_the_cell_of_checks_tells_all_of_them(window: MainWindow) -> None:
    show(window, run_with(crosscheck=EQUAL))
    model = window.page(RunsPage).panel.model
    window.page(RunsPage).panel.table.clicked.emit(model.index(0, model.column_number("strategy")))
    assert not window.page(RunsPage).panel.story.isVisible()
    window.page(RunsPage).panel.table.clicked.emit(model.index(0, model.column_number("checks")))
    assert window.page(RunsPage).panel.story.isVisible()
    assert "412 of 412" in window.page(RunsPage).panel.story.words()
    assert "look-ahead" in window.page(RunsPage).panel.story.words()
    window.page(RunsPage).panel.story.close()


def test_a_finished_check_changes_the_words_and_keeps_button_and_focus(window: MainWindow) -> None:
    show(window, run_with(crosscheck={"status": "pending"}))
    button = window.page(OverviewPage).panel.heading.buttons["crosscheck"]
    window.workspace.put_checking("a" * 32, "40%")
    assert button.text() == "… cross-check 40%"
    window.workspace.put([run_with(crosscheck=EQUAL)])
    window.page(RunsPage).panel.flush()
    assert window.page(OverviewPage).panel.heading.buttons["crosscheck"] is button
    assert button.text() == "✓ checked: 412 of 412 trades equal"
    model = window.page(RunsPage).panel.model
    assert model.data(model.index(0, model.column_number("checks"))) == "✓ 3 passed"


@pytest.mark.long
def test_little_height_gets_few_words(window: MainWindow, qtbot: QtBot) -> None:
    show(window, run_with(crosscheck=EQUAL))
    window.page(OverviewPage).panel.heading.set_compact(True)
    assert window.page(OverviewPage).panel.heading.buttons["crosscheck"].text() == "✓ 412 of 412 equal"
    assert window.page(OverviewPage).panel.heading.buttons["engine"].text() == "compiled"
