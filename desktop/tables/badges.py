"""How far a run can be trusted, as badges: a sign, a few words, and the story behind them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final

from desktop.tables import formats
from desktop.tables.badge import PENDING, Badge, Checks, Rows, count, maker
from desktop.tables.holdings import GOOD, PLAIN, WARNING, Note
from desktop.tables.terms_badges import sweep_terms_badges, terms_badges
from desktop.tables.traces import own_lines_first
from desktop.workspace import Workspace
from engine.model.portfolio_result import PortfolioResult
from engine.model.run import FAILED, FINISHED, RunResult
from engine.model.simulators import REFERENCE
from engine.model.sweep import SweepResult

_MOST_LINES: Final = 20
_HELD_BESIDE: Final = re.compile(r".+: ([\d,]+) of ([\d,]+)")  # a part of the warm-up's note
_LONGEST: Final = 120  # of a reason in a badge; its story tells all

_ENGINES: Final = {
    "compiled": "The compiled engine: our own kernel. The cross-check repeats its runs with another simulator.",
    REFERENCE: "The reference engine: backtesting.py itself, candle by candle. There is nothing to check it against.",
}
_DATA: Final = (
    "Whether the candles of the period are all there, and whether a trade begins or ends beside a hole."
)
_CROSSCHECK: Final = (
    "The same run, made again by {referee} in the background; its trades are compared one by one: "
    "side, times, prices, size, result."
)
_REFEREES: Final = {
    "": "backtesting.py, or by the plain simulator where there are terms or orders that backtesting.py does not know,",
    "backtesting": "backtesting.py",
    "plain": "the plain simulator (the same rules, written apart from the compiled engine; backtesting.py does not know all "
    "orders and terms of this run)",
}
_LOOKAHEAD: Final = (
    "Indicators and signals are computed again with the future cut off. A column that comes out otherwise "
    "has looked ahead, and its results cannot be had in real trading."
)
_WARMUP: Final = (
    "Indicators need candles before the first decision. They are computed again from a shorter past, and the "
    "candles that the strategy asks for are counted."
)
_ORDERS: Final = (
    "What became of the orders of a strategy written for backtesting.py, and by which of its settings they "
    "were filled. An order for which there is not enough cash is cancelled."
)
_FINGERPRINT: Final = (
    "A hash over everything the result depends on. Two runs of one fingerprint have the same result; where "
    "one line below changes, so does it."
)

Ended = RunResult | PortfolioResult


def badges(run: RunResult, *, data_changed: bool = False, checking: str = "") -> list[Badge]:
    """What is known of a finished run, its checks first; `checking` says how far a pending cross-check is. Of a failed one,
    why it failed.
    """
    found = judgements(run, data_changed=data_changed, checking=checking)
    if run.status == FINISHED:
        found += [badge for badge in (_engine(run), _fingerprint(run)) if badge is not None]
    return found


def judgements(run: RunResult, *, data_changed: bool = False, checking: str = "") -> list[Badge]:
    """Those of the badges that a verdict is made of: quick, also for thousands of runs."""
    if run.status == FAILED:
        return [_failure(run)]
    if run.status != FINISHED:
        return []
    found = [
        _changed() if data_changed else None,
        _ruin() if is_ruined(run) else None,
        _data(run.checks),
        _crosscheck(run, checking),
        _lookahead(run.checks),
        _warmup(run.checks),
        _orders(run),
        *terms_badges(run),
    ]
    return [badge for badge in found if badge is not None]


def badges_in(workspace: Workspace, run: RunResult) -> list[Badge]:
    """What is known of a run's trustworthiness, what the window found out since included."""
    return badges(
        run, data_changed=workspace.has_changed_candles(run.id), checking=workspace.checking(run.id)
    )


def verdict_in(workspace: Workspace, run: RunResult) -> Note | None:
    """What a run's badges add up to; None for one that has none."""
    found = judgements(
        run, data_changed=workspace.has_changed_candles(run.id), checking=workspace.checking(run.id)
    )
    return verdict(found) if found else None


def sweep_badges(sweep: SweepResult) -> list[Badge]:
    """What is known of the candles that all trials of a sweep saw, and of the terms that they share."""
    if not sweep.done:
        return []
    found = [_data(sweep.checks), _warmup(sweep.checks), _lookahead(sweep.checks)]
    return found + sweep_terms_badges(sweep)


def portfolio_badges(result: PortfolioResult) -> list[Badge]:
    """What is known of the candles, the strategies and the simulation of a portfolio: of all its legs, the worst."""
    if result.status == FAILED:
        return [_failure(result)]
    if result.status != FINISHED:
        return []
    checks = result.checks
    found = [
        _data(checks),
        _crosscheck(result, ""),
        _lookahead(checks),
        _warmup(checks),
        _fingerprint(result),
    ]
    return [badge for badge in found if badge is not None]


def verdict(shown: Sequence[Badge]) -> Note:
    """All badges in as few words as a cell has room for: the first warning, else what is pending, else the passed ones."""
    warnings = [badge for badge in shown if badge.level == WARNING]
    if warnings:
        more = f" +{len(warnings) - 1}" if len(warnings) > 1 else ""
        return Note(WARNING, f"⚠ {warnings[0].short}{more}")
    if any(badge.level == PENDING for badge in shown):
        return Note(PENDING, "… pending")
    passed = sum(badge.level == GOOD for badge in shown)
    return Note(GOOD, f"✓ {passed} passed") if passed else Note(PLAIN, formats.NO_VALUE)


def trades_beside_holes(run: RunResult) -> frozenset[int]:
    """Places of the trades whose entry or exit stands beside a hole in the candles."""
    return frozenset(run.checks.get("data", {}).get("trades_beside_holes") or ())


def is_pending(run: RunResult) -> bool:
    """Whether the run's cross-check is still to be made."""
    return run.status == FINISHED and run.checks.get("crosscheck", {}).get("status") == PENDING


_LAST: Final = 200  # ruin ends what is open, and nothing begins after it


def is_ruined(run: RunResult) -> bool:
    """Whether the account was lost before the end."""
    equity = run.metrics.get("final_equity")
    return any(trade.exit_reason == "ruin" for trade in run.trades[-_LAST:]) or (
        equity is not None and equity <= 0
    )


def _ruin() -> Badge:
    return Badge(
        "ruin", WARNING, "account ruined", "ruined",
        "The account was worth nothing at the close of a candle: every position was closed there, and nothing was traded "
        "afterwards. The figures are those of a total loss.",
    )  # fmt: skip


def _failure(run: Ended) -> Badge:
    reason = " ".join((run.error or "it failed").split())
    return Badge(
        "failed", WARNING, f"failed: {textwrap.shorten(reason, _LONGEST, placeholder=' …')}", reason,
        "This run failed: nothing of it was kept but the reason. The runs beside it are not touched by that.",
        own_lines_first(run.traceback or "") or reason,
    )  # fmt: skip


def _changed() -> Badge:
    return Badge(
        "changed", WARNING, "candles changed since this run", "candles changed",
        "The candles (or funding, mark prices, brackets) held now are not the ones that the run saw: Verify replaced some, "
        "or holes were filled.",
        "Run it again to see what it makes of them.",
    )  # fmt: skip


def _data(checks: Checks) -> Badge:
    check = checks.get("data", {})
    missing, beside = int(check.get("missing_candles") or 0), len(check.get("trades_beside_holes") or ())
    if not missing:
        if check.get("status") in (None, "skipped"):
            return Badge("data", PLAIN, "data not checked", meaning=_DATA)
        return Badge("data", GOOD, "data complete", "data", meaning=_DATA, finding="No candle is missing.")
    text = f"{count(missing, 'candle')} missing"
    if beside:
        text += f", {count(beside, 'trade')} beside a hole"
    holes = [f"{part['start']} to {part['end']}: {part['reason']}" for part in check.get("missing", ())]
    return Badge("data", WARNING, text, f"{formats.whole(missing)} missing", _DATA, _lines(holes))


def _crosscheck(run: Ended, checking: str) -> Badge | None:
    check = run.checks.get("crosscheck", {})
    status, note = check.get("status"), str(check.get("note") or "")
    equal, total = formats.whole(check.get("equal") or 0), formats.whole(check.get("total") or 0)
    referee = str(check.get("referee") or ("backtesting" if status in ("passed", "failed") else ""))
    make = maker("crosscheck", _CROSSCHECK.format(referee=_REFEREES.get(referee, referee)), note)
    if status == PENDING:
        return make(PENDING, f"cross-check {checking or 'pending'}", "check")
    if status not in ("passed", "failed"):
        return None if run.engine == REFERENCE else make(PLAIN, "not cross-checked")
    counted = f"{equal} of {total} trades equal" if check.get("total") else "no trades"
    checked = "checked by the plain simulator" if referee == "plain" else "checked"
    if status == "passed":
        return make(GOOD, f"{checked}: {counted}", f"{equal} of {total} equal")
    differs = f"{equal} of {total} equal" if equal != total else "equity differs"
    return make(WARNING, f"{checked}: {note or counted}", differs, _numbered(check.get("differences") or ()))


def _numbered(differences: Sequence[Mapping[str, Any]]) -> Rows:
    """Trades counted from 1, as the table of trades has them."""
    return tuple(
        {
            name: value + 1 if name == "trade" and isinstance(value, int) else value
            for name, value in row.items()
        }
        for row in differences
    )


def _lookahead(checks: Checks) -> Badge:
    check = checks.get("lookahead", {})
    status, note = check.get("status"), str(check.get("note") or "")
    make = maker("lookahead", _LOOKAHEAD, note)
    if status == "passed":
        return make(GOOD, f"look-ahead {note.partition(';')[0] or status}", "look-ahead")
    if status == "failed":
        return make(
            WARNING,
            f"looks ahead: {_some(check.get('columns') or ())}",
            "looks ahead",
            tuple(check.get("first") or ()),
        )
    return make(PLAIN, "look-ahead not checked")


def _warmup(checks: Checks) -> Badge:
    check = checks.get("warmup", {})
    status, note, columns = check.get("status"), str(check.get("note") or ""), check.get("columns") or ()
    make = maker("warmup", _WARMUP, note)
    held, wanted = check.get("held"), check.get("wanted")
    if status not in ("passed", "failed"):
        return make(PLAIN, "no warm-up needed" if wanted == 0 else "warm-up not checked")
    counted = note if held is None or wanted is None else f"{formats.whole(held)} of {formats.whole(wanted)}"
    if status == "passed":
        return make(GOOD, f"warm-up {counted}", "warm-up")
    if (
        held is not None and held == wanted
    ):  # of its own candles; the note counts those that it reads beside them
        counted = next((part for part in note.split("; ") if _is_short(part)), counted)
    words = f"warm-up too short for {_some(columns)}" if columns else f"warm-up {counted}"
    return make(WARNING, words, "warm-up")


def _is_short(part: str) -> bool:
    found = _HELD_BESIDE.fullmatch(part)
    return found is not None and _whole(found[1]) < _whole(found[2])


def _whole(text: str) -> int:
    return int(text.replace(",", ""))


def _orders(run: RunResult) -> Badge | None:
    check = run.checks.get("orders")
    if check is None:
        return None
    note = str(check.get("note") or "")
    make, text = maker("orders", _ORDERS, note), note.partition("; ")[0]
    if check.get("status") == "failed":
        return make(WARNING, text, f"{count(int(check.get('cancelled') or 0), 'order')} cancelled")
    return make(PLAIN, text, "orders")


def _engine(run: RunResult) -> Badge:
    return Badge("engine", PLAIN, f"{run.engine} engine", run.engine, meaning=_ENGINES.get(run.engine, ""))


def _fingerprint(run: Ended) -> Badge | None:
    if not run.fingerprint:
        return None
    inputs = [f"{name}: {value}" for name, value in _flat(run.inputs or {})]
    return Badge(
        "fingerprint", PLAIN, f"fingerprint {run.fingerprint[:8]}", run.fingerprint[:8], meaning=_FINGERPRINT,
        finding="\n".join([run.fingerprint, *inputs]),
    )  # fmt: skip


def _flat(inputs: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested inputs as lines: costs.commission, versions.numpy."""
    found: list[tuple[str, str]] = []
    for name, value in inputs.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", str(value)))
    return found


def _some(columns: Sequence[str]) -> str:
    names = [str(name) for name in columns]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _lines(lines: Sequence[str]) -> str:
    more = [f"and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
    return "\n".join([*lines[:_MOST_LINES], *more])
