"""Endpoints about strategies and runs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from fastapi.responses import HTMLResponse

from engine.analysis.verdict import verdict
from engine.api.bodies import CostSurfaceBody, MonteCarloBody, RunBody, TradeListBody
from engine.api.documents import Deleted, Runs, ShownRun, Strategy
from engine.api.served import Ask, Limit, Server, Wait, answers, begun, in_short, started
from engine.api.study_documents import CostSurface, MonteCarlo
from engine.api.trade_list_documents import TradeListComparison
from engine.events import CancelToken, OnEvent

router = APIRouter(prefix="/api", tags=["backtests"])
RunId = Annotated[str, Path(description="A run's id, or a unique beginning of it.")]
NO_RUN = "No such run is stored."


@router.get("/strategies", responses=answers((200, list[Strategy])))
async def strategies(served: Server, ask: Ask) -> Response:
    """The strategies, the broken ones with what is wrong with them."""
    return await ask(lambda cancel: [info.to_json() for info in served.engine.strategies.all(cancel=cancel)])


@router.post("/backtest/run", responses=started(Runs))
async def run(served: Server, body: RunBody, wait: Wait = 0) -> Response:
    """Fetch what is missing, run every strategy on every symbol in parallel, store the runs.

    A run that fails is no error of the request: it is a run with the status `failed`.
    """
    request = body.request()

    def work(on_event: OnEvent, cancel: CancelToken) -> dict[str, Any]:
        found = served.engine.runs.run(request, fetch=body.fetch, on_event=on_event, cancel=cancel)
        return {"runs": [result.to_json() for result in found]}

    subject = f"{in_short(body.strategies)} on {in_short(body.symbols)} {body.timeframe}"
    return await begun(served, "run", subject, work, wait)


@router.get("/backtests", responses=answers((200, Runs)))
async def backtests(served: Server, ask: Ask, limit: Limit = 50) -> Response:
    """The stored runs, newest first."""

    def stored(_: CancelToken) -> dict[str, Any]:
        return {"runs": [one.to_json() for one in served.engine.runs.stored(limit, with_trades=True)]}

    return await ask(stored)


@router.get("/backtest/{run_id}", responses=answers((200, ShownRun), _404=NO_RUN))
async def backtest(served: Server, ask: Ask, run_id: RunId) -> Response:
    """A stored run exactly as it was, with its equity."""

    def shown(_: CancelToken) -> dict[str, Any]:
        result = served.engine.runs.get(run_id)
        changed = served.engine.runs.data_changed(result)
        facts = verdict(result, data_changed=changed)
        return result.to_shown_json(data_changed=changed) | {"verdict": [fact.to_json() for fact in facts]}

    return await ask(shown)


@router.get(
    "/backtest/{run_id}/report",
    response_class=HTMLResponse,
    response_description="The page.",
    responses=answers(_404=NO_RUN),
)
async def report(served: Server, ask: Ask, run_id: RunId) -> Response:
    """A stored run as one HTML page that needs nothing else."""
    return await ask.page(lambda _: served.engine.runs.report([run_id]))


@router.post("/backtest/{run_id}/monte-carlo", responses=started(MonteCarlo, _404=NO_RUN))
async def monte_carlo(served: Server, run_id: RunId, body: MonteCarloBody, wait: Wait = 0) -> Response:
    """Other courses that a stored run could have taken. Nothing is stored: the same body makes the same again."""
    spec = body.spec()

    def work(on_event: OnEvent, cancel: CancelToken) -> dict[str, Any]:
        research = served.engine.research
        return research.monte_carlo(run_id, spec, on_event=on_event, cancel=cancel).to_json()

    return await begun(served, "monte-carlo", f"run {in_short([run_id])}: {spec.kind.title}", work, wait)


@router.post("/backtest/{run_id}/surface", responses=started(CostSurface, _404=NO_RUN))
async def surface(served: Server, run_id: RunId, body: CostSurfaceBody, wait: Wait = 0) -> Response:
    """A stored run at every pair of commission and slippage. Nothing is stored."""
    spec = body.spec()

    def work(on_event: OnEvent, cancel: CancelToken) -> dict[str, Any]:
        return served.engine.research.cost_surface(run_id, spec, on_event=on_event, cancel=cancel).to_json()

    return await begun(served, "cost-surface", f"run {in_short([run_id])}: costs", work, wait)


@router.post("/backtest/{run_id}/compare-trades", responses=started(TradeListComparison, _404=NO_RUN))
async def compare_trades(served: Server, run_id: RunId, body: TradeListBody, wait: Wait = 0) -> Response:
    """A stored run's trades beside those of another program, every difference named. Nothing is stored."""

    def work(on_event: OnEvent, cancel: CancelToken) -> dict[str, Any]:
        del on_event  # too quick to be told of
        found = served.engine.runs.compare_trades(
            run_id, body.text, zone=body.zone, tolerance=body.tolerance, within=body.within, cancel=cancel
        )
        return found.to_json()

    return await begun(served, "compare-trades", f"run {in_short([run_id])}: trades", work, wait)


@router.delete(
    "/backtest/{run_id}", responses=answers((200, Deleted), _404=NO_RUN, _409="A job still works on it.")
)
async def delete_backtest(served: Server, ask: Ask, run_id: RunId) -> Response:
    """Delete a stored run."""

    def delete(_: CancelToken) -> dict[str, Any]:
        found = served.engine.runs.get(run_id)
        served.jobs.check_unused("run", found.id)
        served.engine.runs.delete(found.id)
        return {"deleted": found.id}

    return await ask(delete)
