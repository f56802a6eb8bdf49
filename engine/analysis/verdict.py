"""What is known for and against a finished run, a fact a line with its figure: no score, no advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from engine.model.chance import beside_chance
from engine.model.run import FINISHED, RunResult

FOR, AGAINST, OPEN, PLAIN = (
    "for",
    "against",
    "open",
    "plain",
)  # how a fact speaks; open: not known or not made
SIGNIFICANT: Final = 0.05
_STATUS: Final = {"passed": FOR, "failed": AGAINST, "pending": OPEN, "skipped": OPEN}


@dataclass(frozen=True, slots=True)
class Fact:
    """`about`: candles, look-ahead, ...; `speaks`: for, against, open (not known) or plain; `figure`: in short, "" for none;
    `words`: one sentence.
    """

    about: str
    speaks: str
    figure: str
    words: str

    def to_json(self) -> dict[str, str]:
        """All fields."""
        return asdict(self)


def verdict(run: RunResult, *, data_changed: bool | None = None) -> list[Fact]:
    """The facts of a finished run: first whether its figures hold, then what the costs and chance leave of them.

    Empty for a run that did not finish. What has no meaning for the run (funding on spot) is left out.
    """
    if run.status != FINISHED:
        return []
    found = [
        _candles(run, changed=bool(data_changed)), _lookahead(run), _warmup(run), _crosscheck(run), _ambiguity(run),
        _funding(run), _margin(run), _costs(run), _market(run), _trades(run), _length(run), _luck(run),
    ]  # fmt: skip
    return [fact for fact in found if fact is not None]


def _check(run: RunResult, name: str) -> Mapping[str, Any]:
    return run.checks.get(name, {})


def _speaks(check: Mapping[str, Any]) -> str:
    return _STATUS.get(str(check.get("status")), OPEN)


def _candles(run: RunResult, *, changed: bool) -> Fact:
    check = _check(run, "data")
    missing, beside = int(check.get("missing_candles") or 0), len(check.get("trades_beside_holes") or ())
    if changed:
        words = (
            "The candles, rates or brackets that are held now are not those that the run saw: run it again."
        )
        return Fact("candles", AGAINST, "changed", words)
    if not missing:
        words = (
            "No candle of the period is missing." if _speaks(check) == FOR else "Holes were not looked for."
        )
        return Fact("candles", _speaks(check), "complete" if _speaks(check) == FOR else "", words)
    words = f"{missing:,} candles of the period are missing"
    words += (
        f"; {beside:,} trades begin or end beside a hole."
        if beside
        else "; no trade begins or ends beside them."
    )
    return Fact("candles", AGAINST if beside else PLAIN, f"{missing:,} missing", words)


def _searched(check: Mapping[str, Any]) -> str:
    """The figure of a search over columns: what it passed on, else how many changed; its note may be long."""
    columns = len(check.get("columns") or ())
    if columns:
        return f"{columns:,} column{'s' * (columns != 1)}"
    return "" if _speaks(check) == OPEN else str(check.get("note") or "").partition(";")[0]


def _lookahead(run: RunResult) -> Fact:
    check = _check(run, "lookahead")
    why = f": {check['note']}" if check.get("note") else ""
    words = {
        FOR: "With the future cut off, every signal came out the same.",
        AGAINST: f"It looks ahead in {', '.join(map(str, check.get('columns') or ()))}: such results cannot be traded.",
        OPEN: f"Look-ahead was not searched for{why}.",
    }[_speaks(check)]  # fmt: skip
    return Fact("look-ahead", _speaks(check), _searched(check), words)


def _warmup(run: RunResult) -> Fact | None:
    check = _check(run, "warmup")
    if check.get("wanted") == 0:
        return None
    words = {
        FOR: "As many candles before the period as the strategy asks for, and from fewer it says the same.",
        AGAINST: f"The first signals rest on too few candles before the period: {check.get('note')}.",
        OPEN: "The warm-up was not checked.",
    }[_speaks(check)]
    return Fact("warm-up", _speaks(check), _searched(check), words)


def _crosscheck(run: RunResult) -> Fact | None:
    check = _check(run, "crosscheck")
    if check.get("status") == "skipped" and run.engine != "compiled":
        return None
    equal, total = int(check.get("equal") or 0), int(check.get("total") or 0)
    figure = f"{equal:,} of {total:,} equal" if total else ""
    other = "the plain simulator" if check.get("referee") == "plain" else "backtesting.py"
    words = {
        FOR: f"Made again by {other}, trade by trade the same.",
        AGAINST: f"Made again by {other} it differs: {check.get('note') or figure}.",
        OPEN: "Another simulator has not made it again yet.",
    }[_speaks(check)]
    return Fact("cross-check", _speaks(check), figure, words)


def _ambiguity(run: RunResult) -> Fact | None:
    metrics, cash = run.metrics, run.costs.cash
    number, trades = metrics.get("ambiguous_trades"), metrics.get("trades")
    if number is None:
        return None
    if not number:
        return Fact(
            "inside of candles", FOR, "0 ambiguous", "No trade depends on what came first inside a candle."
        )
    low, high = metrics.get("equity_low"), metrics.get("equity_high")
    words = f"{number:,} of {trades or 0:,} trades depend on what came first inside a candle"
    if low is None or high is None:
        return Fact("inside of candles", OPEN, f"{number:,} ambiguous", words + ".")
    ends = [(end / cash - 1) * 100 for end in (low, high)]
    words += (
        f"; all against or all for the trader, the return lies between {ends[0]:+,.2f} and {ends[1]:+,.2f} %."
    )
    return Fact(
        "inside of candles", AGAINST if ends[0] < 0 < ends[1] else PLAIN, f"{number:,} ambiguous", words
    )


def _funding(run: RunResult) -> Fact | None:
    check = run.checks.get("funding")
    if check is None:
        note = run.left_out
        return Fact("funding", OPEN, "", f"{note[0].capitalize()}.") if note else None
    covered, paid = run.metrics.get("funding_coverage_pct"), run.metrics.get("funding")
    figure = "" if covered is None else f"{covered:.4g} % known"
    assumed = int(check.get("assumed") or 0)
    if check.get("status") == "skipped":
        return Fact("funding", AGAINST, figure, f"Funding {check.get('note')}.")
    if assumed:
        return Fact(
            "funding",
            AGAINST,
            figure,
            f"The rates of {assumed:,} settlements are assumed: {run.costs.funding}.",
        )
    words = "Charged at every settlement" + ("" if paid is None else f": {paid:,.2f} paid in all") + "."
    return Fact("funding", _speaks(check), figure, words)


def _margin(run: RunResult) -> Fact | None:
    check = run.checks.get("margin")
    if check is None:
        return None
    taken, nearest = int(run.metrics.get("liquidations") or 0), run.metrics.get("nearest_liquidation_pct")
    if taken:
        lost = run.metrics.get("liquidation_loss")
        words = (
            f"{taken:,} positions were liquidated"
            + ("" if lost is None else f"; {lost:,.2f} was lost in them")
            + "."
        )
        return Fact("liquidation", AGAINST, f"{taken:,}", words)
    words = (
        "No position was liquidated"
        + ("" if nearest is None else f"; the nearest stood {nearest:.1f} % away")
        + "."
    )
    if check.get("status") == "failed":
        return Fact(
            "liquidation", AGAINST, "0", words + " It was judged by the last price: mark prices are missing."
        )
    return Fact("liquidation", FOR, "0", words)


def _costs(run: RunResult) -> Fact | None:
    zero, paid = run.metrics.get("break_even_bps"), run.costs.commission * 1e4
    if zero is None:
        return None
    words = f"With a commission of {zero:,.1f} basis points on every fill the net profit would be zero; it pays {paid:g}"
    words += f", which leaves about {zero - paid:,.1f} for more slippage." if zero > paid else "."
    return Fact("costs", FOR if zero > paid else AGAINST, f"{zero:,.1f} bps", words)


def _market(run: RunResult) -> Fact | None:
    ours, held = run.metrics.get("return_pct"), run.metrics.get("buy_hold_return_pct")
    if ours is None or held is None:
        return None
    words = f"It made {ours:+,.2f} % where buying and holding made {held:+,.2f} %."
    return Fact("market", PLAIN, f"{ours - held:+,.2f} %", words)


def _trades(run: RunResult) -> Fact | None:
    t, p, number = (run.metrics.get(name) for name in ("trade_mean_t", "trade_mean_p", "trades"))
    if number is None:
        return None
    if t is None or p is None:
        closed = number - int(run.metrics.get("open_trades") or 0)
        return Fact(
            "trades", OPEN, f"{closed:,}", f"{closed:,} closed trades are too few to tell skill from luck."
        )
    words = f"If its trades earned nothing on average, a mean as far from 0 as theirs had a probability of {p:.1%}."
    return Fact("trades", FOR if p < SIGNIFICANT and t > 0 else AGAINST, f"t {t:.2f}", words)


def _length(run: RunResult) -> Fact | None:
    needed, days = run.metrics.get("min_trl_days"), (run.period.end - run.period.start) / 86_400_000
    if needed is None:
        return None
    words = f"Such a Sharpe ratio is above 0 with 95 % after {needed:,.0f} days; {days:,.0f} were tested"
    words += " (trials not counted)."
    return Fact("length", FOR if days >= needed else AGAINST, f"{days:,.0f} of {needed:,.0f} days", words)


def _luck(run: RunResult) -> Fact | None:
    words = beside_chance(run.metrics, stitched=bool(run.windows))
    deflated = run.metrics.get("dsr")
    if not words or deflated is None:
        return None
    return Fact("luck", FOR if deflated >= 1 - SIGNIFICANT else AGAINST, f"{deflated:.1%}", words)
