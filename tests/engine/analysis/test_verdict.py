"""What is said for and against a run: each fact with its figure, and silence where nothing is known."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from engine.analysis.verdict import AGAINST, FOR, OPEN, PLAIN, Fact, verdict
from engine.model.run import FAILED, RunResult, skipped_checks
from tests.desktop.builders import run_on
from tests.support.builders import random_candles

PASSED: Mapping[str, Mapping[str, Any]] = {
    "data": {"status": "passed", "missing_candles": 0, "trades_beside_holes": []},
    "lookahead": {"status": "passed", "columns": [], "note": "16 of 16 cuts equal; quick"},
    "warmup": {"status": "passed", "columns": [], "wanted": 60, "held": 60, "note": "60 of 60"},
    "crosscheck": {"status": "passed", "equal": 12, "total": 12, "referee": "plain"},
}
FIGURES: Mapping[str, float | int | None] = {
    "trades": 83, "return_pct": 12.1, "buy_hold_return_pct": -3.0, "break_even_bps": 21.04, "ambiguous_trades": 7,
    "equity_low": 10_980.0, "equity_high": 11_300.0, "trade_mean_t": 2.5, "trade_mean_p": 0.0124, "min_trl_days": 212.3,
}  # fmt: skip


def a_run(checks: Mapping[str, Mapping[str, Any]] = PASSED, **figures: Any) -> RunResult:
    """181 days on spot, cash 10,000."""
    run = run_on(random_candles(181 * 24, 3))
    return replace(
        run, market=replace(run.market, exchange="binance"), checks=checks, metrics={**FIGURES, **figures}
    )  # fmt: skip


def facts(run: RunResult, **more: Any) -> dict[str, Fact]:
    """By what they are about."""
    found = verdict(run, **more)
    assert len({fact.about for fact in found}) == len(found)
    return {fact.about: fact for fact in found}


def test_a_run_without_a_fault_has_a_figure_and_a_sentence_for_each_fact() -> None:
    found = facts(a_run())
    assert [(about, fact.speaks, fact.figure) for about, fact in found.items()] == [
        ("candles", FOR, "complete"),
        ("look-ahead", FOR, "16 of 16 cuts equal"),
        ("warm-up", FOR, "60 of 60"),
        ("cross-check", FOR, "12 of 12 equal"),
        ("inside of candles", PLAIN, "7 ambiguous"),
        ("costs", FOR, "21.0 bps"),
        ("market", PLAIN, "+15.10 %"),
        ("trades", FOR, "t 2.50"),
        ("length", AGAINST, "181 of 212 days"),
    ]
    assert found["inside of candles"].words.endswith("the return lies between +9.80 and +13.00 %.")
    assert "the plain simulator" in found["cross-check"].words
    assert all(fact.words.endswith(".") for fact in found.values())


@pytest.mark.parametrize(
    ("check", "about", "speaks", "part"),
    [
        ({"data": {"status": "failed", "missing_candles": 5, "trades_beside_holes": [3]}}, "candles", AGAINST, "1 trades"),
        ({"data": {"status": "passed", "missing_candles": 5, "trades_beside_holes": []}}, "candles", PLAIN, "no trade"),
        ({"lookahead": {"status": "failed", "columns": ["up_buy"], "note": "1 of 9"}}, "look-ahead", AGAINST, "up_buy"),
        ({"warmup": {"status": "failed", "wanted": 9, "note": "3 of 9"}}, "warm-up", AGAINST, "3 of 9"),
        ({"crosscheck": {"status": "failed", "equal": 1, "total": 2}}, "cross-check", AGAINST, "backtesting.py"),
        ({"crosscheck": {"status": "pending"}}, "cross-check", OPEN, "not made it again yet"),
        ({"funding": {"status": "passed", "settlements": 9, "assumed": 0}}, "funding", FOR, "every settlement"),
        ({"funding": {"status": "passed", "settlements": 9, "assumed": 2}}, "funding", AGAINST, "2 settlements"),
        ({"funding": {"status": "skipped", "note": "not included: 9 lack"}}, "funding", AGAINST, "not included"),
        ({"margin": {"status": "failed"}}, "liquidation", AGAINST, "last price"),
        ({"margin": {"status": "passed"}}, "liquidation", FOR, "No position"),
    ],
)  # fmt: skip
def test_each_check_speaks_as_it_ended(check: Any, about: str, speaks: str, part: str) -> None:
    fact = facts(a_run({**PASSED, **check}))[about]
    assert fact.speaks == speaks
    assert part in fact.words


@pytest.mark.parametrize(
    ("figures", "about", "speaks", "part"),
    [
        ({"break_even_bps": 4.0}, "costs", AGAINST, "net profit would be zero; it pays 10."),
        ({"break_even_bps": 25.0}, "costs", FOR, "it pays 10, which leaves about 15.0 for more slippage."),
        ({"equity_low": 9_900.0}, "inside of candles", AGAINST, "-1.00"),
        ({"ambiguous_trades": 0}, "inside of candles", FOR, "No trade"),
        ({"trade_mean_t": None, "trade_mean_p": None, "trades": 5, "open_trades": 1}, "trades", OPEN, "4 closed trades"),
        ({"trade_mean_t": -3.0, "trade_mean_p": 0.001}, "trades", AGAINST, "0.1%"),
        ({"min_trl_days": 100.0}, "length", FOR, "100 days"),
        (
            {"sharpe": 1.7, "chance_sharpe": 1.9, "dsr": 0.41, "trials_counted": 1_000, "trials_measured": 900},
            "luck", AGAINST, "Of 1,000 trials the best Sharpe ratio expected by chance is 1.90; yours is 1.70",
        ),
    ],
)  # fmt: skip
def test_each_figure_speaks_by_what_it_is(figures: Any, about: str, speaks: str, part: str) -> None:
    fact = facts(a_run(**figures))[about]
    assert fact.speaks == speaks
    assert part in fact.words


def test_candles_that_changed_since_are_said_first() -> None:
    assert facts(a_run(), data_changed=True)["candles"].speaks == AGAINST


def test_a_failed_run_has_no_verdict_and_an_old_one_says_what_was_not_made() -> None:
    assert verdict(replace(a_run(), status=FAILED)) == []
    old = verdict(replace(a_run(), engine="compiled", checks=skipped_checks(), metrics={}))
    assert {fact.about: fact.speaks for fact in old} == dict.fromkeys(
        ("candles", "look-ahead", "warm-up", "cross-check"), OPEN
    )


LONG = (
    "ema, atr, up_buy: another value at 2024-03-01 once the future is cut off after 2024-02-27 13:00; quick"
)


@pytest.mark.parametrize(
    ("check", "about", "figure"),
    [
        ({"lookahead": {"status": "failed", "columns": ["ema", "atr", "up_buy"], "note": LONG}}, "look-ahead", "3 columns"),
        ({"lookahead": {"status": "skipped", "columns": [], "note": "too few candles"}}, "look-ahead", ""),
        ({"warmup": {"status": "failed", "wanted": 9, "columns": ["ema"], "note": LONG}}, "warm-up", "1 column"),
        ({"warmup": {"status": "failed", "wanted": 9, "columns": [], "note": "3 of 9; why"}}, "warm-up", "3 of 9"),
    ],
)  # fmt: skip
def test_the_figure_of_a_search_is_short_whatever_it_found(check: Any, about: str, figure: str) -> None:
    fact = facts(a_run({**PASSED, **check}))[about]
    assert fact.figure == figure
    if about == "look-ahead" and not figure:
        assert fact.words == "Look-ahead was not searched for: too few candles."
