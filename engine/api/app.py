"""The application: endpoints, what is checked before them, what becomes of errors, and its description."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Final

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from engine.api.admission import Admitted, KnownNames
from engine.api.endpoints import backtests, candles, health, jobs, portfolios, sweeps, walk_forwards
from engine.api.jobs import Jobs
from engine.api.page import STYLE_RULE, page_of
from engine.api.problems import MEDIA_TYPE, answer_error, answer_http_error, answer_invalid
from engine.api.questions import Questions
from engine.api.served import Served, known_query
from engine.errors import BacktestError
from engine.service import Engine

TITLE: Final = "Backtest Desktop"
DESCRIPTION: Final = (
    "Candles, backtests and sweeps without a screen. Documents are those of the command line's `--json`; times are UTC. "
    "Long work is a job: the answer is 202 and the job, or 200 and its document where `wait` suffices."
)


def make_app(engine: Engine) -> FastAPI:
    """The application over an engine, which the caller closes."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.served = Served(engine, Jobs(), Questions())
        yield

    app = FastAPI(
        title=TITLE,
        description=DESCRIPTION,
        version=version("backtest-desktop"),
        lifespan=lifespan,
        docs_url=None,  # its page asks another host for its scripts
        redoc_url=None,
        dependencies=[Depends(known_query)],
        exception_handlers={
            RequestValidationError: answer_invalid,
            HTTPException: answer_http_error,
            BacktestError: answer_error,
            Exception: answer_error,
        },
    )
    for part in (candles, backtests, sweeps, walk_forwards, portfolios, jobs, health):
        app.include_router(part.router)
    _add_pages(app)
    _add_middleware(app, engine)
    app.openapi = lambda: _description(app)  # type: ignore[method-assign]
    return app


def _add_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("/docs")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page_of(app.openapi()), headers={"Content-Security-Policy": STYLE_RULE})


def _add_middleware(app: FastAPI, engine: Engine) -> None:
    """The last one added is asked first."""
    settings = engine.settings
    app.add_middleware(Admitted, token=settings.api_token)
    if settings.api_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.api_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Last-Event-ID"],
            expose_headers=["Location"],
        )
    app.add_middleware(KnownNames, hosts=settings.api_hosts, origins=settings.api_origins)


def _description(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the errors as they are sent."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    for operation in (one for path in found["paths"].values() for one in path.values()):
        operation["responses"].pop("422", None)
        for status, answer in operation["responses"].items():
            if status >= "400":
                answer["content"] = {MEDIA_TYPE: answer["content"].popitem()[1]}
        if operation["operationId"].startswith(("healthz", "readyz")):
            operation["security"] = []
    schemas = found["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    found["security"] = [{}, {"token": []}]  # a token where BACKTEST_API_TOKEN is set
    app.openapi_schema = found
    return found
