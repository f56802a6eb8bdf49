"""Endpoints about strategies and runs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from engine.api.bodies import RunBody
from engine.api.documents import Deleted, Runs, ShownRun, Strategy
from engine.api.problems import InUse
from engine.api.served import Limit, Server, Wait, answers, begun, json_answer, started
from engine.events import CancelToken, OnEvent

router = APIRouter(prefix="/api", tags=["backtests"])
RunId = Annotated[str, Path(description="A run's id, or a unique beginning of it.")]
NO_RUN = "No such run is stored."


@router.get("/strategies", responses=answers((200, list[Strategy])))
def strategies(served: Server) -> Response:
    """The strategies, the broken ones with what is wrong with them."""
    return json_answer([info.to_json() for info in served.engine.strategies.all()])


@router.post("/backtest/run", responses=started(Runs))
async def run(served: Server, body: RunBody, wait: Wait = 0) -> Response:
    """Fetch what is missing, run every strategy on every symbol in parallel, store the runs.

    A run that fails is no error of the request: it is a run with the status `failed`.
    """
    request = body.request()

    def work(on_event: OnEvent, cancel: CancelToken) -> dict[str, Any]:
        found = served.engine.runs.run(request, fetch=body.fetch, on_event=on_event, cancel=cancel)
        return {"runs": [result.to_json() for result in found]}

    subject = f"{', '.join(body.strategies)} on {', '.join(body.symbols)} {body.timeframe}"
    return await begun(served, "run", subject, work, wait)


@router.get("/backtests", responses=answers((200, Runs)))
def backtests(served: Server, limit: Limit = 50) -> Response:
    """The stored runs, newest first."""
    found = served.engine.runs.stored(limit, with_trades=True)
    return json_answer({"runs": [result.to_json() for result in found]})


@router.get("/backtest/{run_id}", responses=answers((200, ShownRun), _404=NO_RUN))
def backtest(served: Server, run_id: RunId) -> Response:
    """A stored run exactly as it was, with its equity."""
    result = served.engine.runs.get(run_id)
    return json_answer(result.to_shown_json(data_changed=served.engine.runs.data_changed(result)))


@router.delete(
    "/backtest/{run_id}", responses=answers((200, Deleted), _404=NO_RUN, _409="A job still works on it.")
)
def delete_backtest(served: Server, run_id: RunId) -> Response:
    """Delete a stored run."""
    found = served.engine.runs.get(run_id)
    for job in served.jobs.users_of(found.id):
        raise InUse(f"run {found.id[:8]} belongs to job {job.id}, which has not ended; cancel that first")
    served.engine.runs.delete(found.id)
    return json_answer({"deleted": found.id})
