"""What went wrong, as application/problem+json: the command line's lines, with a status by kind and never a traceback."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from engine.errors import (
    BacktestError,
    ClusterError,
    DatabaseError,
    ExchangeError,
    InputError,
    Interrupted,
    InUse,
    NotStored,
    StrategyError,
    one_line,
    redacted,
    system_fault,
)

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
_MOST_NAMED: Final = 5


class TooBusy(BacktestError):
    """More work waits than can be kept."""


class ServerStops(BacktestError):
    """The server is being stopped."""


class ServerFault(BacktestError):
    """A fault of this program."""


_STATUSES: Final[tuple[tuple[type[BacktestError], int], ...]] = (  # the first that fits
    (NotStored, 404),
    (InUse, 409),
    (InputError, 400),
    (StrategyError, 400),
    (Interrupted, 409),
    (TooBusy, 429),
    (ExchangeError, 502),
    (DatabaseError, 503),
    (ClusterError, 503),
    (ServerStops, 503),
)


class Problem(BaseModel):
    """What went wrong: `title` is the status in words, `detail` one line that says what happened and what to do."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


def status_of(error: BacktestError) -> int:
    """The status that tells an error of this kind."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def explained(error: Exception) -> BacktestError:
    """The error as one for the user; what nobody expected is logged with its traceback."""
    if isinstance(error, BacktestError):
        return error
    log.error("work failed", exc_info=error)
    if isinstance(error, OSError):
        return ServerFault(system_fault(error))
    return ServerFault(
        f"{type(error).__name__}: {error} (a fault of this program; the log file has the details)"
    )


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that says what went wrong."""
    said = Problem(title=HTTPStatus(status).phrase, status=status, detail=one_line(redacted(detail)))
    return Response(json.dumps(said.model_dump()), status, headers, media_type=MEDIA_TYPE)


async def answer_error(_: Request, error: Exception) -> Response:
    """Whatever an endpoint raised."""
    known = explained(error)
    status = status_of(known)
    return problem(status, str(known), {"Retry-After": "5"} if status in (429, 503) else None)


async def answer_http_error(request: Request, error: Exception) -> Response:
    """What the routes refuse: unknown paths and methods, bodies that are too large."""
    assert isinstance(error, HTTPException)
    said = {
        404: f"there is no {request.url.path} here; /docs lists what there is",
        405: f"{request.method} is not possible here",
    }
    return problem(error.status_code, said.get(error.status_code, str(error.detail)), error.headers)


async def answer_invalid(request: Request, error: Exception) -> Response:
    """What was sent is not what the endpoint takes."""
    assert isinstance(error, RequestValidationError)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method == "POST" and media_type != "application/json":
        return problem(415, "send JSON: the header Content-Type must be application/json")
    return problem(400, "; ".join(map(_fault, error.errors()[:_MOST_NAMED])))


def _fault(found: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in found["loc"] if part not in ("body", "query", "path", "header"))
    said = {
        "extra_forbidden": "unknown; it may be misspelt",
        "missing": "is required",
        "json_invalid": f"the body is not JSON: {found.get('ctx', {}).get('error', '')}",
    }
    text = said.get(found["type"], found["msg"][:1].lower() + found["msg"][1:])
    return text if found["type"] == "json_invalid" or not where else f"{where}: {text}"
