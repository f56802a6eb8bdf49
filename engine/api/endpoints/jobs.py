"""Endpoints about jobs: what they are, how far they are, and their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Response
from fastapi.responses import StreamingResponse
from pydantic import JsonValue

from engine.api.document import Document
from engine.api.jobs import Job, encoded
from engine.api.questions import in_thread
from engine.api.served import JobDocument, Server, answers
from engine.errors import InputError

router = APIRouter(prefix="/api/jobs", tags=["jobs"])
CANCEL_S: Final = 2.0
SILENCE_S: Final = 15.0
NO_JOB = "No such job is known (any more)."
JobId = Annotated[str, Path(description="A job's id.")]


class WholeJob(JobDocument):
    """A job with its result, the command line's document; null until it has finished."""

    result: JsonValue


class JobList(Document):
    """The jobs of this server, without their results."""

    jobs: list[JobDocument]


@router.get("", responses=answers((200, JobList)))
async def jobs(served: Server) -> Response:
    """The jobs of this server, newest first; finished ones are kept for an hour, or 1,000 of them."""
    found = [job.to_json() for job in served.jobs]
    return _json(await in_thread(lambda: encoded({"jobs": found}), "encode"))


@router.get("/{job_id}", responses=answers((200, WholeJob), _404=NO_JOB))
async def job(served: Server, job_id: JobId) -> Response:
    """A job, with its result when it has finished."""
    return _json(served.jobs.get(job_id).whole())


@router.delete("/{job_id}", responses=answers((200, WholeJob), (202, WholeJob), _404=NO_JOB))
async def cancel(served: Server, job_id: JobId) -> Response:
    """Stop a job; what it finished is kept. 200: it has ended; 202: it has not within two seconds, and still will."""
    found = served.jobs.get(job_id)
    if not found.ended:
        served.jobs.cancel(found)
    await found.wait(CANCEL_S, for_end=True)
    return _json(found.whole(), 200 if found.ended else 202)


_STREAM: Final[dict[str, Any]] = {"text/event-stream": {}}


@router.get(
    "/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        **answers(_404=NO_JOB),
        200: {"description": "Server-sent events, until the job has ended.", "content": _STREAM},
        204: {"description": "The job has ended and all was heard: ask no more."},
    },
)
async def events(
    served: Server,
    job_id: JobId,
    last_event_id: Annotated[str | None, Header(description="Go on behind this event.")] = None,
) -> Response:
    """The engine's events: `started`, `progress`, `log`, and `finished`, `failed` or `cancelled` of each part of the work.

    The last one is `end`, with the job. Of the progress of a part that nobody heard only the latest is told.
    """
    found, heard = served.jobs.get(job_id), _number(last_event_id)
    if found.ended and heard >= found.count:
        return Response(status_code=204)
    return StreamingResponse(_told(found, heard), media_type="text/event-stream")


def _number(given: str | None) -> int:
    if given and not (given.isascii() and given.isdecimal() and len(given) < 16):
        raise InputError("Last-Event-ID must be the id of an event, a whole number")
    return int(given or 0)


async def _told(job: Job, heard: int) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    while True:
        for number, told in job.after(heard):
            yield f"id: {number}\nevent: {told.name}\ndata: {told.data}\n\n"
            heard = number
        if job.ended and heard >= job.count:
            return
        if job.count <= heard and not await job.wait(SILENCE_S, for_end=False):
            yield ": still here\n\n"
        await asyncio.sleep(0)


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")
