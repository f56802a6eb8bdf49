"""Endpoints about walk-forwards."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from engine.api.documents import Deleted
from engine.api.portfolio_bodies import AnyWalkBody
from engine.api.served import Ask, Limit, Server, Wait, answers, begun, in_short, started
from engine.api.walk_documents import WalkForward, WalkForwards
from engine.errors import Interrupted
from engine.events import CancelToken, OnEvent
from engine.model.run import CANCELLED
from engine.model.walk_forward import WalkForward as Made
from engine.service.research import check_sweep

router = APIRouter(prefix="/api", tags=["walk-forwards"])
WalkId = Annotated[str, Path(description="A walk-forward's id, or a unique beginning of it.")]
NO_WALK = "No such walk-forward is stored."


@router.post("/walk-forward", responses=started(WalkForward))
async def walk_forward(served: Server, body: AnyWalkBody, wait: Wait = 0) -> Response:
    """Choose parameters in one window and trade them in the next, again and again, as one run over all tests, or with
    `portfolio` as one portfolio (`stitched`).

    One that fails or ends early is no error of the request: the document tells it.
    """
    spec, assignments = body.walk_over(body.spec()), body.assignments
    check_sweep(spec.sweep)

    def work(on_event: OnEvent, cancel: CancelToken) -> dict[str, Any]:
        walk_forwards = served.engine.walk_forwards
        return _ended(
            walk_forwards.make(spec, assignments, fetch=body.fetch, on_event=on_event, cancel=cancel)
        )

    sweep = spec.sweep
    title = f"{in_short([sweep.strategy])} on {in_short(sweep.names)} {sweep.timeframe}"
    return await begun(served, "walk-forward", title, work, wait)


@router.post("/walk-forwards/{walk_id}/resume", responses=started(WalkForward, _404=NO_WALK))
async def resume_walk_forward(served: Server, walk_id: WalkId, wait: Wait = 0) -> Response:
    """Go on with a walk-forward that was stopped or killed; it ends as if it had not been.

    Refused where the strategy, the candles or the program have changed since it began, and where somebody is at work on it.
    """

    def work(on_event: OnEvent, cancel: CancelToken) -> dict[str, Any]:
        return _ended(served.engine.walk_forwards.resume(walk_id, on_event=on_event, cancel=cancel))

    return await begun(served, "walk-forward", f"walk-forward {in_short([walk_id])}", work, wait)


def _ended(walk: Made) -> dict[str, Any]:
    if walk.status == CANCELLED:
        raise Interrupted(f"stopped; {walk.kept_words}")
    return walk.to_json()


@router.get("/walk-forwards", responses=answers((200, WalkForwards)))
async def walk_forwards(served: Server, ask: Ask, limit: Limit = 50) -> Response:
    """The stored walk-forwards, newest first."""
    return await ask(
        lambda _: {"walk_forwards": [walk.to_json() for walk in served.engine.walk_forwards.stored(limit)]}
    )


@router.get("/walk-forwards/{walk_id}", responses=answers((200, WalkForward), _404=NO_WALK))
async def stored_walk_forward(served: Server, ask: Ask, walk_id: WalkId) -> Response:
    """A stored walk-forward with its windows and its stitched run."""
    return await ask(lambda _: served.engine.walk_forwards.get(walk_id).to_json())


@router.delete(
    "/walk-forwards/{walk_id}",
    responses=answers((200, Deleted), _404=NO_WALK, _409="A job still works on it."),
)
async def delete_walk_forward(served: Server, ask: Ask, walk_id: WalkId) -> Response:
    """Delete a stored walk-forward; its stitched run stays, and its trials stay counted."""

    def delete(_: CancelToken) -> dict[str, Any]:
        found = served.engine.walk_forwards.get(walk_id)
        served.jobs.check_unused("walk-forward", found.id)
        served.engine.walk_forwards.delete(found.id)
        return {"deleted": found.id}

    return await ask(delete)
