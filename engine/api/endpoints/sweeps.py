"""Endpoints about sweeps."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from engine.api.documents import Deleted
from engine.api.portfolio_bodies import AnySweepBody
from engine.api.served import Ask, Limit, Server, Top, Wait, answers, begun, in_short, started
from engine.api.sweep_documents import Sweep, Sweeps
from engine.errors import Interrupted
from engine.events import CancelToken, OnEvent
from engine.model.run import CANCELLED
from engine.model.sweep import TOP, SweepResult
from engine.service.research import check_sweep

router = APIRouter(prefix="/api", tags=["sweeps"])
SweepId = Annotated[str, Path(description="A sweep's id, or a unique beginning of it.")]
NO_SWEEP = "No such sweep is stored."


@router.post("/optimize", responses=started(Sweep))
async def optimize(served: Server, body: AnySweepBody, wait: Wait = 0) -> Response:
    """Try many combinations of a strategy's parameters, or of a portfolio's legs, and store every trial.

    Trials that fail, and a sweep that ends early, are no errors of the request: the document tells them.
    """
    spec, assignments = body.spec(), body.assignments
    check_sweep(spec)

    def work(on_event: OnEvent, cancel: CancelToken) -> dict[str, Any]:
        research = served.engine.research
        result = research.optimize(spec, assignments, fetch=body.fetch, on_event=on_event, cancel=cancel)
        return _ended(served, result, body.top)

    return await begun(
        served,
        "sweep",
        f"{in_short([spec.strategy])} on {in_short(spec.names)} {spec.timeframe}",
        work,
        wait,
    )


@router.post("/sweeps/{sweep_id}/resume", responses=started(Sweep, _404=NO_SWEEP))
async def resume_sweep(served: Server, sweep_id: SweepId, top: Top = TOP, wait: Wait = 0) -> Response:
    """Go on with a sweep that was stopped or killed; it ends as if it had not been.

    Refused where the strategy, the candles or the program have changed since it began, and where somebody is at work on it.
    """

    def work(on_event: OnEvent, cancel: CancelToken) -> dict[str, Any]:
        result = served.engine.research.resume_sweep(sweep_id, on_event=on_event, cancel=cancel)
        return _ended(served, result, top)

    return await begun(served, "sweep", f"sweep {in_short([sweep_id])}", work, wait)


def _ended(served: Server, result: SweepResult, top: int) -> dict[str, Any]:
    if result.status == CANCELLED:
        raise Interrupted(f"stopped; {result.kept}")
    return result.to_json(top, served.engine.research.statistics(result))


@router.get("/sweeps", responses=answers((200, Sweeps)))
async def sweeps(served: Server, ask: Ask, limit: Limit = 50) -> Response:
    """The stored sweeps, newest first, each with its best trial."""
    return await ask(
        lambda _: {"sweeps": [result.to_json(1) for result in served.engine.research.sweeps(limit)]}
    )


@router.get("/sweeps/{sweep_id}", responses=answers((200, Sweep), _404=NO_SWEEP))
async def sweep(served: Server, ask: Ask, sweep_id: SweepId, top: Top = TOP) -> Response:
    """A stored sweep with its best trials, and whether they are more than luck."""

    def told(_: CancelToken) -> dict[str, Any]:
        found = served.engine.research.sweep(sweep_id)
        return found.to_json(top, served.engine.research.statistics(found))

    return await ask(told)


@router.delete(
    "/sweeps/{sweep_id}", responses=answers((200, Deleted), _404=NO_SWEEP, _409="A job still works on it.")
)
async def delete_sweep(served: Server, ask: Ask, sweep_id: SweepId) -> Response:
    """Delete a stored sweep; its trials stay counted."""

    def delete(_: CancelToken) -> dict[str, Any]:
        found = served.engine.research.sweep(sweep_id)
        served.jobs.check_unused("sweep", found.id)
        served.engine.research.delete_sweep(found.id)
        return {"deleted": found.id}

    return await ask(delete)
