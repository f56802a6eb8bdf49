"""Endpoints about the server itself, for whoever watches over it."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import APIRouter, Request, Response

from engine.api.document import Document
from engine.api.problems import problem
from engine.api.questions import in_thread
from engine.api.served import Server, answers, json_answer
from engine.errors import BacktestError

router = APIRouter(tags=["server"])
PATIENCE_S: Final = 4.0  # less than the patience of who asks


class State(Document):
    """How it is."""

    status: str


@router.get("/healthz", responses=answers((200, State)))
async def healthz() -> Response:
    """Whether the server answers. Needs no token."""
    return json_answer({"status": "ok"})


@router.get("/readyz", responses=answers((200, State)))
async def readyz(served: Server, request: Request) -> Response:
    """Whether there is work to be done: the database answers and has this version's tables. Needs no token."""
    state = request.app.state
    if (
        getattr(state, "probe", None) is None or state.probe.done()
    ):  # one question at a time, however many ask
        state.probe = in_thread(served.engine.doctor.check_database, "probe")
    try:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.shield(state.probe)
    except TimeoutError:
        return problem(503, f"the database does not answer within {PATIENCE_S:g} s")
    except BacktestError as error:
        return problem(503, str(error))
    return json_answer({"status": "ready"})
