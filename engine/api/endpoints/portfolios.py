"""Endpoints about portfolios."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from fastapi.responses import HTMLResponse

from engine.api.documents import Deleted
from engine.api.portfolio_bodies import PortfolioBody
from engine.api.portfolio_documents import Portfolio, Portfolios, ShownPortfolio
from engine.api.served import Ask, Limit, Server, Wait, answers, begun, in_short, started
from engine.events import CancelToken, OnEvent
from engine.model.numerals import counted

router = APIRouter(prefix="/api", tags=["portfolios"])
PortfolioId = Annotated[str, Path(description="A portfolio's id, or a unique beginning of it.")]
NO_PORTFOLIO = "No such portfolio is stored."


@router.post("/portfolios", responses=started(Portfolio))
async def make_portfolio(served: Server, body: PortfolioBody, wait: Wait = 0) -> Response:
    """Fetch what is missing, trade all legs on one wallet, store what became of it.

    A leg that fails is no error of the request: the portfolio has the status `failed`, names the leg and has no figures.
    """
    spec = body.spec()

    def work(on_event: OnEvent, cancel: CancelToken) -> dict[str, Any]:
        return served.engine.portfolios.make(
            spec, fetch=body.fetch, on_event=on_event, cancel=cancel
        ).to_json()

    subject = f"{in_short([spec.name])}: {counted(len(spec.legs), 'leg')}"
    return await begun(served, "portfolio", subject, work, wait)


@router.get("/portfolios", responses=answers((200, Portfolios)))
async def portfolios(served: Server, ask: Ask, limit: Limit = 50) -> Response:
    """The stored portfolios, newest first."""
    return await ask(
        lambda _: {"portfolios": [one.to_json() for one in served.engine.portfolios.stored(limit)]}
    )


@router.get("/portfolios/{portfolio_id}", responses=answers((200, ShownPortfolio), _404=NO_PORTFOLIO))
async def stored_portfolio(served: Server, ask: Ask, portfolio_id: PortfolioId) -> Response:
    """A stored portfolio exactly as it was, with its equity."""
    return await ask(lambda _: served.engine.portfolios.get(portfolio_id).to_shown_json())


@router.get(
    "/portfolios/{portfolio_id}/report",
    response_class=HTMLResponse,
    response_description="The page.",
    responses=answers(_404=NO_PORTFOLIO),
)
async def portfolio_report(served: Server, ask: Ask, portfolio_id: PortfolioId) -> Response:
    """A stored portfolio as one HTML page that needs nothing else."""
    return await ask.page(lambda _: served.engine.portfolios.report(portfolio_id))


@router.delete(
    "/portfolios/{portfolio_id}",
    responses=answers((200, Deleted), _404=NO_PORTFOLIO, _409="A job still works on it."),
)
async def delete_portfolio(served: Server, ask: Ask, portfolio_id: PortfolioId) -> Response:
    """Delete a stored portfolio; what its legs tried stays counted."""

    def delete(_: CancelToken) -> dict[str, Any]:
        found = served.engine.portfolios.get(portfolio_id)
        served.jobs.check_unused("portfolio", found.id)
        served.engine.portfolios.delete(found.id)
        return {"deleted": found.id}

    return await ask(delete)
