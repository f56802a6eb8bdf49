"""A stored run under other costs: each commission a row, dealt out to the workers, which make the run at each slippage.

Nothing of it is stored and no trial is counted: the parameters stay what they were.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from engine.errors import InputError, RunError
from engine.events import CancelToken, OnEvent, ProgressMeter
from engine.model.account import Costs
from engine.model.cost_surface import FIGURES, CostCell, CostSurface, CostSurfaceSpec
from engine.model.detail import DetailFile
from engine.model.run import FINISHED, RunResult
from engine.parallel.job import Done
from engine.parallel.tasks import Answered, AskWorkers, SlippagesAnswer, SlippagesTask
from engine.runs.stored_inputs import StoredInputs

_AGREES: Final = 1e-6  # of the account's value
_ROOT: Final = 10  # runs that finding the end of the profit takes at most, as a share of the time limit

Row = tuple[float, Answered[SlippagesAnswer]]


def check_run(run: RunResult) -> None:
    """Raise InputError for a run that did not come to its end."""
    if run.status != FINISHED or run.equity is None:
        raise InputError(f"run {run.id[:8]} {run.status}: it has no result that other costs could change")


def cost_surface(
    run: RunResult,
    inputs: StoredInputs,
    detail: DetailFile | None,
    spec: CostSurfaceSpec,
    ask: AskWorkers,
    workers: int,
    timeout_s: float,
    job: str,
    on_event: OnEvent,
    cancel: CancelToken,
) -> CostSurface:
    """The run at every pair of costs. `detail`: the finer candles that it was played by; `timeout_s`: for one run.

    Raises RunError where the run fails at all of them; Interrupted when it is stopped.
    """
    started = time.monotonic()
    commissions, slippages = spec.axes(run.costs)
    tasks = [_task(run, inputs, detail, commission, slippages) for commission in commissions]
    meter = ProgressMeter(job, len(commissions) * len(slippages), "runs", on_event)
    answers: list[Answered[SlippagesAnswer]] = []
    for at in range(0, len(tasks), workers):
        cancel.raise_if_cancelled()
        wave = tasks[at : at + workers]
        answers += ask(wave, timeout_s * (len(slippages) + _ROOT))
        meter.add(len(wave) * len(slippages))
    own = run.costs.commission, _own(run.costs)
    rows = _rows(list(zip(commissions, answers, strict=True)), slippages, own)
    cells = [cell for row in rows for cell in row]
    if all(cell.error is not None for cell in cells):
        raise RunError(f"run {run.id[:8]} fails now at every pair of costs; the first: {cells[0].error}")
    return CostSurface(
        run_id=run.id,
        commissions=commissions,
        slippages=slippages,
        own=own,
        rows=rows,
        break_even=[one.value.break_even if isinstance(one, Done) else None for one in answers],
        notes=list(_notes(run, cells)),
        elapsed_s=time.monotonic() - started,
    )


def _task(
    run: RunResult,
    inputs: StoredInputs,
    detail: DetailFile | None,
    commission: float,
    slippages: Sequence[float],
) -> SlippagesTask:
    return SlippagesTask(
        strategy=inputs.strategy,
        sources=inputs.sources,
        params=inputs.params,
        candles=inputs.file,
        warmup=inputs.warmup,
        costs=replace(run.costs, commission=commission),
        perpetual=inputs.terms.file,
        windows=run.windows,
        engine=run.engine,
        timeframe=run.timeframe.name,
        detail=detail,
        slippages=slippages,
    )


def _rows(
    answers: Sequence[Row], slippages: Sequence[float], own: tuple[float, float | None]
) -> list[list[CostCell]]:
    """The cells; each told whether its trades are those of the run's own costs."""
    trades = {
        (commission, slippage): digest
        for commission, answer in answers
        if isinstance(answer, Done)
        for slippage, digest in zip(slippages, answer.value.trades, strict=True)
        if digest
    }
    reference = None if own[1] is None else trades.get((own[0], own[1]))

    def same(*pair: float) -> bool | None:
        return None if reference is None or pair not in trades else trades[pair] == reference

    return [
        [
            CostCell(commission, slippage, figures, same(commission, slippage), error)
            for slippage, (figures, error) in zip(slippages, _figures(answer, len(slippages)), strict=True)
        ]
        for commission, answer in answers
    ]


def _figures(answer: Answered[SlippagesAnswer], cells: int) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Of each cell of a row: its figures, and why it failed."""
    if not isinstance(answer, Done):
        yield from ((dict.fromkeys(FIGURES), answer.message) for _ in range(cells))
        return
    errors = dict(answer.value.errors)
    for at, values in enumerate(answer.value.figures.tolist()):
        found = dict(zip(FIGURES, (value if math.isfinite(value) else None for value in values), strict=True))
        trades = found["trades"]
        yield found | {"trades": None if trades is None else int(trades)}, errors.get(at)


def _notes(run: RunResult, cells: Sequence[CostCell]) -> Iterator[str]:
    costs = run.costs
    if costs.slippage_model:
        yield f"fixed slippages stand in place of the run's own model, {costs.slippage_model}"
    if costs.maker is not None:
        yield f"orders that rested pay {costs.maker:g} everywhere, as in the run"
    if costs.detail:
        yield "finer candles settle what they settled in the run; what only other costs leave open stays so"
    mine = next(
        (one for one in cells if (one.commission, one.slippage) == (costs.commission, _own(costs))), None
    )
    now, then = None if mine is None else mine.figures["final_equity"], run.metrics.get("final_equity")
    if now is not None and then is not None and abs(now - then) > _AGREES * costs.cash:
        yield (
            f"at its own costs the run ends at {now:,.2f} now, not at {then:,.2f} as stored: "
            "a library has changed since; `backtest rerun` says which"
        )


def _own(costs: Costs) -> float | None:
    return None if costs.slippage_model else costs.slippage
