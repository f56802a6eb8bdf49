"""What a sweep will try, how far it is, and what came of it, each in a line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from desktop.tables import formats
from desktop.tables.metrics import definition_of, metric_text
from engine.events import Progress
from engine.model.run import CANCELLED, STOPPED
from engine.model.sweep import SweepResult
from engine.model.sweep_spec import CMAES, GRID, NSGA2, RANDOM, SOBOL, TPE, SweepSpec

_NO_BREAK: Final = "\u00a0"
SAMPLERS: Final = {
    GRID: ("Every combination", "The whole grid"),
    RANDOM: ("Random sample", "Combinations drawn at random"),
    SOBOL: (
        "Even sample, then around the best",
        "Sobol points; a quarter at most goes to the grid around the best",
    ),
    CMAES: ("CMA-ES", "A cloud of points that moves to where it is better; for ranges of numbers"),
    TPE: ("TPE", "A model of what was good; for slow strategies"),
    NSGA2: ("NSGA-II, two objectives", "A population that breeds along what is best by both objectives"),
}


def planned_words(spec: SweepSpec) -> tuple[int, str]:
    """How many combinations there are, and in words: 17 × 16 = 272 combinations."""
    lengths = [len(values) for values in spec.ranges.values()]
    total = math.prod(lengths)
    words = formats.compact(total) if total >= 10**9 else formats.whole(total)
    factors = " × ".join(formats.whole(length) for length in lengths)
    return total, f"{factors} = {words} combinations" if len(lengths) > 1 else f"{words} values"


def sweep_words(sweep: SweepResult, definitions: Mapping[str, Any]) -> str:
    """What came of a sweep in one line."""
    spec, best = sweep.spec, sweep.best
    title = definition_of(spec.objective, definitions).title
    period = f"{formats.day(sweep.period.start)} – {formats.day(sweep.period.end - 1)}"
    parts = [f"{spec.strategy} on {spec.markets} {spec.timeframe}, {period}"]
    parts.append(
        f"best {title} {metric_text(spec.objective)(best['value'])}" if best else "no trial has a value"
    )
    kept = f" of {formats.whole(sweep.planned)}" if sweep.done < sweep.planned else ""
    parts.append(f"{formats.whole(sweep.done)}{kept} trials in {formats.duration(sweep.elapsed_s)}")
    parts[1:] = [part.replace(" ", _NO_BREAK) for part in parts[1:]]
    if sweep.status in (CANCELLED, STOPPED):
        parts.append("stopped: Go on, under Stored, makes the rest")
    if sweep.failed:
        first = f": {next(iter(sweep.errors.values()))}" if sweep.errors else ""
        parts.append(f"{formats.whole(sweep.failed)} failed{first}")
    if sweep.error and sweep.status != CANCELLED:
        parts.append(sweep.error)
    return " · ".join(parts)


def progress_words(progress: Progress) -> str:
    """412 of 1,000 trials · 4,812 trials/s · ETA 00:01."""
    words = [
        formats.whole(progress.done) + (f" of {formats.whole(progress.total)}" if progress.total else "")
    ]
    words[0] += f" {progress.unit}"
    if progress.rate:
        words.append(f"{formats.whole(progress.rate)} {progress.unit}/s")
    if progress.eta_s is not None:
        words.append(f"ETA {formats.remaining(progress.eta_s)}")
    return " · ".join(words)
