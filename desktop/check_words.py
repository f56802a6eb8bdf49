"""How far a run can be trusted, in words: its checks, what its figures leave out, whether its candles changed since."""

from __future__ import annotations

from desktop import formats
from desktop.models.holdings import GOOD, PLAIN, WARNING, Note
from engine.runs import FINISHED, RunResult

_TITLES = {"lookahead": "look-ahead", "crosscheck": "cross-check"}


def check_notes(run: RunResult, *, data_changed: bool = False) -> list[Note]:
    """The run's checks that were made, the gravest kind first to read: data, warm-up, the others, then what is left out."""
    if run.status != FINISHED:
        return []
    notes = [data_note(run)]
    if data_changed:
        notes.insert(0, Note(WARNING, "candles changed since this run"))
    warmup = run.checks.get("warmup", {})
    if warmup.get("status") not in (None, "skipped"):
        good = warmup["status"] == "passed"
        text = f"warm-up {warmup.get('note', warmup['status'])}"
        notes.append(Note(GOOD if good else WARNING, text))
    for name, title in _TITLES.items():
        check = run.checks.get(name, {})
        if check.get("status") not in (None, "skipped"):
            good = check["status"] == "passed"
            notes.append(
                Note(GOOD if good else WARNING, f"{title} {check['status']}", str(check.get("note", "")))
            )
    notes += [Note(PLAIN, text) for text in run.notes]
    notes.append(Note(PLAIN, f"{run.engine} engine"))
    return notes


def data_note(run: RunResult) -> Note:
    """Whether the run had all candles, and how many of its trades stand beside holes."""
    check = run.checks.get("data", {})
    missing, beside = int(check.get("missing_candles") or 0), len(check.get("trades_beside_holes") or ())
    if check.get("status") in (None, "skipped"):
        return Note(PLAIN, "data not checked")
    if not missing:
        return Note(GOOD, "data complete")
    text = f"{_count(missing, 'candle')} missing"
    if beside:
        text += f", {_count(beside, 'trade')} beside a hole"
    holes = [f"{part['start']} to {part['end']}: {part['reason']}" for part in check.get("missing", ())]
    return Note(WARNING, text, "\n".join(holes[:20]))


def trades_beside_holes(run: RunResult) -> frozenset[int]:
    """Places of the trades whose entry or exit stands beside a hole in the candles."""
    return frozenset(run.checks.get("data", {}).get("trades_beside_holes") or ())


def _count(number: int, word: str) -> str:
    return f"{formats.whole(number)} {word}{'' if number == 1 else 's'}"
