"""What every endpoint works with: the engine and the jobs of this server, how work begins, and how answers are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, get_args

from fastapi import Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator

from engine.api.document import Document
from engine.api.jobs import Job, Jobs, Work, encoded
from engine.api.problems import Problem
from engine.api.questions import Questions
from engine.errors import one_line
from engine.events import CancelToken
from engine.model.numerals import read_number, read_whole
from engine.service import Engine

LONGEST_WAIT_S: Final = 60
NAMED: Final = 70  # characters of names


@dataclass(slots=True)
class Served:
    """One server's engine, jobs and questions; the latter are made when its event loop runs."""

    engine: Engine
    jobs: Jobs
    questions: Questions

    def stop(self) -> None:
        """Cancel all there is and take nothing more. In the event loop's thread."""
        self.jobs.stop()
        self.questions.stop()


async def _served(request: Request) -> Served:
    found: Served = request.app.state.served
    return found


Server = Annotated[Served, Depends(_served)]
Question = Callable[[CancelToken], Any]


class Asking:
    """Has the engine answer one request."""

    def __init__(self, request: Request, served: Served) -> None:
        self._request, self._questions = request, served.questions

    async def __call__(self, question: Question) -> Response:
        """The document that `question` returns, as the answer; it may wait, until its token says that nobody does."""
        return await self._questions.ask(
            lambda cancel: json_answer(question(cancel)), self._request.is_disconnected
        )

    async def page(self, question: Callable[[CancelToken], str]) -> Response:
        """The same of an HTML page."""
        return await self._questions.ask(
            lambda cancel: HTMLResponse(question(cancel)), self._request.is_disconnected
        )


async def _asking(request: Request, served: Server) -> Asking:
    return Asking(request, served)


Ask = Annotated[Asking, Depends(_asking)]


def _read_by(read: Callable[[str], Any]) -> BeforeValidator:
    """Numbers in addresses as the command line reads them: 1_0 is none."""
    return BeforeValidator(lambda given: read(given) if isinstance(given, str) else given)


Limit = Annotated[int, _read_by(read_whole), Query(ge=1, le=100_000, description="How many of the newest.")]
Top = Annotated[int, _read_by(read_whole), Query(ge=1, le=10_000, description="How many of the best.")]
Wait = Annotated[
    float,
    _read_by(read_number),
    Query(
        ge=0,
        le=LONGEST_WAIT_S,
        allow_inf_nan=False,
        description="Seconds to wait for the result: then 200 and the document, else 202 and the job.",
    ),
]


async def known_query(request: Request) -> None:
    """Refuse what an address asks beyond what its endpoint knows, and what it asks twice."""
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    known = {field.alias for field in route.dependant.query_params}
    given = [name for name, _ in request.query_params.multi_items()]
    faults = [
        {
            "type": "query",
            "loc": ("query", name),
            "msg": "is given twice" if name in known else "unknown; it may be misspelt",
        }
        for name in dict.fromkeys(given)
        if name not in known or given.count(name) > 1
    ]
    if faults:
        raise RequestValidationError(faults)


class JobDocument(Document):
    """Work that was asked for. `subject`: what it is about; `events`: the number of its latest event.

    `error`: one line where it failed or was cancelled; `error_status`: the status of a request that waited for it.
    """

    id: str
    kind: str
    subject: str
    status: str
    created: str
    started: str | None
    ended: str | None
    error: str | None
    error_status: int | None
    events: int


class JobAnswer(Document):
    """The job that was begun."""

    job: JobDocument


def json_answer(document: Any, status: int = 200) -> Response:
    """The document as the command line prints it. In a thread: some are long."""
    return Response(encoded(document), status, media_type="application/json")


def in_short(names: Sequence[str]) -> str:
    """`A, B and 98 more`: as many names as have room in a job's subject."""
    shown = ""
    for number, name in enumerate(names):
        longer = f"{shown}, {name}" if shown else one_line(name)[:NAMED]
        if len(longer) > NAMED:
            return f"{shown} and {len(names) - number} more"
        shown = longer
    return shown


async def begun(served: Served, kind: str, subject: str, work: Work, wait: float) -> Response:
    """Begin work; its result where that is there in time, else the job. Raises what the work raised."""
    job: Job = served.jobs.start(kind, subject, work)
    if wait:
        await job.wait(wait, for_end=True)
    if wait and job.error is not None:
        raise job.error
    if wait and job.result is not None:
        return Response(job.result, media_type="application/json")
    return Response(
        encoded({"job": job.to_json()}),
        202,
        {"Location": f"/api/jobs/{job.id}"},
        media_type="application/json",
    )


# -- what the OpenAPI page says of answers

Answers = dict[int | str, dict[str, Any]]
_EVERYWHERE: Final = {
    400: "What was sent cannot be used.",
    401: "The token of BACKTEST_API_TOKEN is missing or wrong.",
    403: "A page of another site asked.",
    429: "Too many jobs or requests are waiting.",
    500: "A fault of this program.",
    503: "The database or the cluster cannot be used, or the server is being stopped.",
}


def answers(*models: tuple[int, type[BaseModel] | Any], **more: str) -> Answers:
    """The documents of an endpoint by status, and its errors: `_404="..."` beside those that it shares with all."""
    errors = _EVERYWHERE | {int(status.removeprefix("_")): text for status, text in more.items()}
    return {
        **{status: {"model": model, "description": _words(model)} for status, model in models},
        **{status: {"model": Problem, "description": errors[status]} for status in sorted(errors)},
    }


def _words(model: Any) -> str:
    """What a document is; of a list or a choice of documents, what each is."""
    parts = [model] if isinstance(model, type) and issubclass(model, BaseModel) else get_args(model)
    return " Or: ".join(str(part.__doc__).partition("\n")[0] for part in parts)


def started(model: Any, **more: str) -> Answers:
    """The answers of what begins a job; `more` errors as in `answers`."""
    found = answers(
        (200, model),
        (202, JobAnswer),
        _409="Somebody is at work on it, or the job was cancelled while this request waited for it.",
        _413="The body is larger than 1 MB.",
        _415="The body is not JSON.",
        _502="The exchange cannot be reached, answers nonsense, or was not to be asked although candles are missing.",
        **more,
    )
    found[202]["headers"] = {"Location": {"description": "The job.", "schema": {"type": "string"}}}
    return found
