"""Jobs: what they are answered with, what they tell, how one listens on where one left off, and how they are stopped."""

import re
import time

import pytest

from engine.api import jobs
from engine.api.jobs import MOST_EVENTS, Job, Jobs, Told
from engine.api.problems import ServerStops, status_of
from engine.api.questions import Questions
from engine.errors import DatabaseError, Interrupted, NotStored
from tests.support.fake_exchange import FakeExchange, Fault, grid_candles
from tests.support.http_server import SAMPLE, HttpServer, StartServer
from tests.support.own_time import within

RUN = {**SAMPLE, "symbols": ["SAMPLEUSDT"], "strategies": ["ema_cross"]}
LONG_SWEEP = {
    **SAMPLE, "start": "2023-02-01", "end": "2024-12-31", "symbol": "SAMPLEUSDT", "strategy": "vwap_supertrend_ema",
    "ranges": {"ema_fast": "5:60:1", "ema_slow": "61:160:1", "st_length": "5:15:1"},
}  # fmt: skip


def test_long_work_is_a_job_that_says_where_it_is_and_ends_with_the_document(http_server: HttpServer):
    reply = http_server("POST", "/api/backtest/run", RUN)
    begun = reply.json["job"]
    assert (reply.status, reply.headers["Location"]) == (202, f"/api/jobs/{begun['id']}")
    assert (begun["kind"], begun["subject"]) == ("run", "ema_cross on SAMPLEUSDT 1h")
    told = list(http_server.events(begun["id"]))
    assert [number for number, _, _ in told] == sorted(number for number, _, _ in told)
    names = [name for _, name, _ in told]
    assert (names[0], names[-2:]) == ("started", ["finished", "end"])
    runs = [data for _, name, data in told if name == "started" and data["kind"] == "run"]
    job = http_server.ended(begun["id"])
    assert (job["status"], job["error"], job["error_status"]) == ("finished", None, None)
    assert [run["id"] for run in job["result"]["runs"]] == [data["job"] for data in runs]
    assert told[-1][2]["job"] == {name: job[name] for name in told[-1][2]["job"]} | {
        "events": job["events"] - 1
    }
    assert begun["id"] in [one["id"] for one in http_server.get("/api/jobs")["jobs"]]


def test_a_job_about_many_things_names_the_first_of_them(http_server: HttpServer):
    names = [f"A{number}USDT" for number in range(10_000)]
    job = http_server.ended(http_server.begin("/api/data/fetch", **SAMPLE, symbols=names[:100]))
    assert re.fullmatch(r"A0USDT, A1USDT, [A0-9USDT, ]+ and 9\d more 1h", job["subject"])
    run = http_server.ended(
        http_server.begin("/api/backtest/run", **RUN | {"strategies": ["no" * 100_000, "x"]})
    )
    assert (len(run["subject"]) <= 200, "and 1 more on SAMPLEUSDT 1h" in run["subject"]) == (True, True)


@pytest.mark.long
def test_who_lost_the_stream_goes_on_where_it_left_off_and_is_told_when_there_is_no_more(
    http_server: HttpServer,
):
    job = http_server.begin("/api/backtest/run", **RUN)
    http_server.ended(job)
    told = list(http_server.events(job))
    middle = told[len(told) // 2][0]
    assert list(http_server.events(job, middle)) == [one for one in told if one[0] > middle]
    assert http_server("GET", f"/api/jobs/{job}/events", Last_Event_ID=str(told[-1][0])).status == 204
    for wrong in ("x", "-1", "1" * 20):
        assert http_server("GET", f"/api/jobs/{job}/events", Last_Event_ID=wrong).status == 400


@pytest.mark.long
def test_a_sweep_is_stopped_within_two_seconds_and_keeps_what_it_tried(http_server: HttpServer):
    job = http_server.begin("/api/optimize", **LONG_SWEEP)
    for _, name, data in http_server.events(job):
        if name == "progress" and data["unit"] == "trials":
            break
    sweep = next(
        data["job"]
        for _, name, data in http_server.events(job)
        if name == "started" and data["kind"] == "sweep"
    )
    with within(2.5):
        reply = http_server("DELETE", f"/api/jobs/{job}")
    assert (reply.status, reply.json["status"]) == (200, "cancelled")
    assert f"trials are stored as sweep {sweep[:8]}" in reply.json["error"]
    kept = http_server.get(f"/api/sweeps/{sweep}")
    assert (kept["status"], 0 < kept["trials"] < kept["planned"]) == ("cancelled", True)
    assert http_server("DELETE", f"/api/jobs/{job}").json["status"] == "cancelled"
    again = http_server.begin(f"/api/sweeps/{sweep[:8]}/resume")
    for _, name, data in http_server.events(again):
        if name == "progress" and data["unit"] == "trials" and data["done"] > kept["trials"]:
            break
    assert http_server("DELETE", f"/api/sweeps/{sweep}").status == 409
    second = http_server("POST", f"/api/sweeps/{sweep}/resume?wait=30", {})
    assert second.status == 409
    assert f"another job of this program is at work on sweep {sweep[:8]}" in second.json["detail"]
    http_server("DELETE", f"/api/jobs/{again}")
    assert http_server.get(f"/api/sweeps/{sweep}")["trials"] > kept["trials"]
    assert http_server("DELETE", f"/api/sweeps/{sweep}").status == 200


@pytest.mark.long
@pytest.mark.parametrize("silent", ["klines", "exchangeInfo", "time"])
def test_a_fetch_from_a_silent_exchange_is_stopped_within_two_seconds_and_who_waits_hears_of_it(
    start_server: StartServer, fake_exchange: FakeExchange, silent: str
):
    import threading

    from engine.model.market import Period

    held = Period.parse("2024-01-01", "2024-01-31")
    fake_exchange.add("SOL", "1h", grid_candles("1h", held), listed_ms=held.start)
    fake_exchange.fail(Fault(delay_s=60), on=silent, times=3)
    server = start_server(BACKTEST_FUTURES_URL=fake_exchange.url)
    body = {"symbols": ["SOLUSDT"], "timeframe": "1h", "start": "2024-01-01", "end": "2024-01-31"}
    heard = []
    waiting = threading.Thread(target=lambda: heard.append(server("POST", "/api/data/fetch?wait=60", body)))
    waiting.start()
    while len(fake_exchange.faults[silent]) == 3:
        time.sleep(0.02)
    (job,) = server.get("/api/jobs")["jobs"]
    with within(2.5):
        reply = server("DELETE", f"/api/jobs/{job['id']}")
    assert reply.json["status"] == "cancelled"
    waiting.join(60)
    assert (heard[0].status, heard[0].problem.startswith("stopped")) == (409, True)


@pytest.mark.long
def test_what_a_job_works_on_is_not_deleted(http_server: HttpServer):
    folder = http_server.home / "data" / "strategies"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sleeps.py").write_text(
        "import time\nfrom engine.strategy import Strategy\n\nclass Sleeps(Strategy):\n"
        "    def signals(self, candles, indicators):\n        time.sleep(60)\n"
    )
    job = http_server.begin("/api/backtest/run", **RUN | {"strategies": ["ema_cross", "sleeps"]})
    run = next(
        data["job"] for _, name, data in http_server.events(job)
        if name == "finished" and len(data["job"]) == 36
    )  # fmt: skip
    reply = http_server("DELETE", f"/api/backtest/{run[:8]}")
    assert (reply.status, f"belongs to job {job}" in reply.problem) == (409, True)
    assert http_server("DELETE", f"/api/jobs/{job}").json["status"] == "cancelled"
    assert http_server("DELETE", f"/api/backtest/{run[:8]}").status == 200


# -- the registry itself, without a server around it


def told(name: str, part: str = "a", data: str = "{}") -> Told:
    return Told(name, part, data)


def test_of_progress_the_latest_of_each_part_is_kept_and_of_all_the_newest():
    job = Job("run", "x")
    for part in ("a", "b", "a", "a"):
        job.add(told("progress", part))
    job.add(told("log"))
    assert [(number, one.part) for number, one in job.after(0)] == [(2, "b"), (4, "a"), (5, "a")]
    assert [number for number, _ in job.after(4)] == [5]
    for _ in range(MOST_EVENTS):
        job.add(told("log"))
    assert len(job.after(0)) == MOST_EVENTS
    assert job.after(0)[0][0] == 6


@pytest.mark.long
def test_ended_jobs_are_forgotten_after_an_hour_and_when_there_are_too_many_or_too_large_ones(
    monkeypatch: pytest.MonkeyPatch,
):
    import asyncio

    now = [1_000_000]
    monkeypatch.setattr(jobs, "_now_ms", lambda: now[0])

    async def play() -> None:
        found = Jobs()
        ids = []
        for _ in range(jobs.KEPT + 5):
            job = found.start("x", "y", lambda *_: {"a": 1})
            await job.wait(5, for_end=True)
            ids.append(job.id)
        assert [job.id for job in found] == ids[:4:-1]
        with pytest.raises(NotStored, match="forgotten an hour"):
            found.get(ids[0])
        assert 300 < job.size < 3000
        monkeypatch.setattr(jobs, "KEPT_BYTES", 10 * job.size)
        assert [job.id for job in found] == ids[:-11:-1]
        now[0] += jobs.KEPT_S * 1000 + 1
        assert [job.id for job in found] == ids[-1:]

    asyncio.run(play())


def test_what_fails_of_being_stopped_is_cancelled_and_says_both():
    import asyncio
    import threading

    stopped = threading.Event()

    def work(*_: object) -> None:
        stopped.wait(20)
        raise DatabaseError("the connection was lost")

    async def play() -> None:
        found = Jobs()
        job = found.start("x", "y", work)
        found.cancel(job)
        stopped.set()
        await job.wait(5, for_end=True)
        assert (job.status, str(job.error)) == ("cancelled", "stopped; the connection was lost")
        assert job.to_json()["error_status"] == 409

    asyncio.run(play())


def test_work_that_nobody_asked_to_stop_was_stopped_with_the_server():
    import asyncio

    def work(*_: object) -> None:
        raise Interrupted("the engine is closed")

    async def gone() -> bool:
        return False

    async def play() -> None:
        found = Jobs()
        job = found.start("x", "y", work)
        await job.wait(5, for_end=True)
        assert (job.status, job.to_json()["error_status"]) == ("cancelled", 503)
        with pytest.raises(ServerStops, match="the engine is closed") as raised:
            await Questions().ask(work, gone)
        assert status_of(raised.value) == 503

    asyncio.run(play())


def test_events_count_as_what_is_kept_until_they_are_dropped():
    job = Job("run", "x")
    for _ in range(3):
        job.add(told("progress", data="x" * 1000))
    assert 1000 < job.size < 2000
    job.add(told("log", data="x" * 5000))
    assert 6000 < job.size < 8000


def test_only_so_many_jobs_work_at_once_and_one_that_waits_is_cancelled_at_once():
    import asyncio
    import threading

    async def play() -> None:
        found, door = Jobs(), threading.Event()
        running = [found.start("x", "y", lambda *_: door.wait(20)) for _ in range(jobs.AT_ONCE)]
        waiting, other = (found.start("x", "y", lambda *_: 1) for _ in range(2))
        assert [job.status for job in (running[0], waiting)] == ["running", "queued"]
        found.cancel(waiting)
        assert (waiting.status, waiting.ended) == ("cancelled", True)
        door.set()
        await other.wait(5, for_end=True)
        assert (other.status, other.result) == ("finished", b"1")

    asyncio.run(play())
