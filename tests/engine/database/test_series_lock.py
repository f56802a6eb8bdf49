"""Who holds a series, and who waits for one: neither keeps the connections that the others write through."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from engine.database.connection import MOST_CONNECTIONS
from engine.database.series_store import LOCK_POLL_S, MOST_LOCKS
from engine.database.store import Store
from engine.errors import Interrupted
from engine.events import CancelToken
from engine.model.market import Market, Period, Timeframe
from tests.support.own_time import within

HOUR, DAY = Timeframe("1h"), Period.parse("2024-01-01", "2024-01-01")


def market(number: int) -> Market:
    return Market("binanceusdm", f"A{number}USDT", f"A{number}/USDT:USDT")


def test_more_series_than_there_are_connections_are_worked_on_at_once(store: Store):
    most = now = 0
    counting = threading.Lock()

    def work(number: int) -> int:
        nonlocal most, now
        with store.candles.series_lock(market(number), HOUR, lambda _: None, CancelToken().sleep):
            with counting:
                now += 1
                most = max(most, now)
            time.sleep(0.05)
            found = store.candles.coverage(market(number), HOUR, DAY).expected
            with counting:
                now -= 1
        return found

    with within(15, anyhow=60), ThreadPoolExecutor(3 * MOST_CONNECTIONS) as threads:
        assert list(threads.map(work, range(3 * MOST_CONNECTIONS))) == [24] * 3 * MOST_CONNECTIONS
    assert most == MOST_LOCKS


def test_who_waits_for_a_series_takes_nobodys_place_and_can_be_stopped(store: Store):
    said: list[str] = []
    cancel = CancelToken()

    def wait(_: int) -> None:
        with (
            pytest.raises(Interrupted),
            store.candles.series_lock(market(0), HOUR, said.append, cancel.sleep),
        ):
            pass

    with (
        ThreadPoolExecutor(3 * MOST_CONNECTIONS) as threads,
        store.candles.series_lock(market(0), HOUR, lambda _: None, CancelToken().sleep),
    ):
        waiting = [threads.submit(wait, number) for number in range(2 * MOST_CONNECTIONS)]
        while not said:
            time.sleep(0.01)
        with store.candles.series_lock(market(1), HOUR, lambda _: None, CancelToken().sleep):
            assert store.candles.coverage(market(1), HOUR, DAY).candles == 0
        with within(3):
            cancel.cancel()
            for one in waiting:
                one.result(60)
    full = f"{MOST_LOCKS} other series are being downloaded; A0USDT 1h waits for its turn"
    assert set(said) <= {"another job of this program is downloading A0USDT 1h; waiting for it", full}


def test_who_finds_no_place_says_so_once_before_it_waits(store: Store):
    said: list[str] = []
    cancel = CancelToken()

    def wait() -> None:
        with store.candles.series_lock(market(99), HOUR, said.append, cancel.sleep):
            pass

    with ExitStack() as held, ThreadPoolExecutor(1) as threads:
        for number in range(MOST_LOCKS):
            held.enter_context(store.candles.series_lock(market(number), HOUR, pytest.fail))
        ninth = threads.submit(wait)
        while not said:
            time.sleep(0.01)
        time.sleep(3 * LOCK_POLL_S)
        assert said == [f"{MOST_LOCKS} other series are being downloaded; A99USDT 1h waits for its turn"]
        held.close()
        ninth.result(60)
    assert len(said) == 1
