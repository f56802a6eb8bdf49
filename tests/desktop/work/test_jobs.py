"""The tracker of jobs: what an event belongs to is what its call and its `Started` say, never a guess."""

import pytest
from PySide6.QtWidgets import QApplication

from desktop.work.jobs import Job, Jobs, Task
from engine.errors import InputError, Interrupted
from engine.events import Cancelled, Failed, Finished, Log, Progress, Started

SERIES = ("binanceusdm", "SOLUSDT", "1h")


@pytest.fixture
def jobs(app: QApplication) -> Jobs:
    del app
    return Jobs()


@pytest.fixture
def seen(jobs: Jobs) -> list[Job]:
    """Jobs in the order in which they changed."""
    changes: list[Job] = []
    jobs.changed.connect(changes.append)
    return changes


def test_a_job_of_the_engine_carries_kind_subject_and_title_from_its_beginning_to_its_end(
    jobs: Jobs, seen: list[Job]
) -> None:
    task = Task("run")
    jobs.take(task, Started("x", "fetch", "SOLUSDT 1h", SERIES))
    jobs.take(task, Progress("x", 50, 200, "candles"))
    assert [(job.kind, job.subject, job.title, job.part, job.ending) for job in seen[-1:]] == [
        ("fetch", SERIES, "SOLUSDT 1h", 0.25, None)
    ]
    jobs.take(task, Finished("x", "report"))
    assert seen[0] is seen[1] is seen[2]
    assert seen[2].ending == Finished("x", "report")
    assert seen[2].part == 1.0


def test_two_calls_whose_jobs_have_one_name_are_not_confused(jobs: Jobs, seen: list[Job]) -> None:
    one, other = Task("run"), Task("question")
    for task in (one, other):
        jobs.take(task, Started("compile", "compile", "compiling"))
    jobs.take(other, Finished("compile", None))
    assert {job.task for job in seen if job.ending is not None} == {other}
    jobs.take(one, Progress("compile", 1, 2, "kernels"))
    assert seen[-1].task is one
    assert seen[-1].part == 0.5


def test_whatever_a_call_does_inside_belongs_to_the_one_job_that_it_is(jobs: Jobs, seen: list[Job]) -> None:
    task = Task("verify", "SOLUSDT 1h")
    job = jobs.begin(task, SERIES)
    jobs.take(task, Started("inner", "fetch", "fetching"))
    jobs.take(task, Progress("inner", 1, 4, "candles"))
    jobs.take(task, Finished("inner", ["a list"]))
    assert {id(one) for one in seen} == {id(job)}
    assert (job.kind, job.subject, job.ending, job.part) == ("verify", SERIES, None, 0.25)
    jobs.end(task, "report", None)
    assert job.ending == Finished("", "report")


def test_a_line_is_what_the_job_waits_for_until_it_moves_on(jobs: Jobs) -> None:
    task, lines = Task("fetch", "SOLUSDT 1h"), []
    jobs.said.connect(lambda task, line: lines.append((task.label, line.text)))
    job = jobs.begin(task, SERIES)
    jobs.take(task, Log("x", "warning", "rate limited, resuming in 3 s"))
    assert job.waits_for == "rate limited, resuming in 3 s"
    jobs.take(task, Progress("x", 1, 2, "candles"))
    assert job.waits_for == ""
    jobs.take(task, Log("", "info", "of no job"))
    assert lines == [("SOLUSDT 1h", "rate limited, resuming in 3 s"), ("SOLUSDT 1h", "of no job")]


@pytest.mark.parametrize(
    ("error", "ending", "reason"),
    [
        (InputError("no such symbol"), Failed("", "no such symbol"), "no such symbol"),
        (Interrupted("stopped; 500 candles are saved"), Cancelled(""), "stopped; 500 candles are saved"),
        (ValueError("odd"), Failed("", "ValueError: odd"), "ValueError: odd"),
    ],
)
def test_a_call_that_raises_ends_its_job_with_the_reason(
    jobs: Jobs, error: Exception, ending: object, reason: str
) -> None:
    task = Task("fetch")
    job = jobs.begin(task, SERIES)
    jobs.end(task, None, error)
    assert job.ending == ending
    assert job.reason == reason


def test_a_call_that_dies_leaves_no_job_under_way(jobs: Jobs, seen: list[Job]) -> None:
    task = Task("run")
    jobs.take(task, Started("x", "run", "ema_cross", ("id",)))
    jobs.end(task, None, RuntimeError("the pool is gone"))
    assert seen[-1].reason == "RuntimeError: the pool is gone"
    jobs.take(task, Progress("x", 1, 2, "candles"))
    assert len(seen) == 2
