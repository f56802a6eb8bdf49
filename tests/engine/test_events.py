"""Progress is throttled, cancelling wakes sleepers, every job ends once."""

import threading
import time

import pytest

from engine.errors import InputError, Interrupted
from engine.events import Cancelled, CancelToken, Event, Failed, Progress, ProgressMeter, ending


def test_progress_is_told_at_most_ten_times_a_second_and_always_at_the_end():
    seen: list[Event] = []
    meter = ProgressMeter("job", 10_000, "candles", seen.append)
    for _ in range(10_000):
        meter.add(1)
    assert 1 <= len(seen) <= 5
    last = seen[-1]
    assert isinstance(last, Progress)
    assert (last.done, last.total, last.eta_s) == (10_000, 10_000, 0)
    assert last.rate is not None
    assert last.rate > 0


def test_a_cancelled_sleep_ends_at_once():
    token = CancelToken()
    threading.Timer(0.05, token.cancel).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        token.sleep(30)
    assert time.monotonic() - began < 5


def test_a_token_not_set_lets_work_go_on():
    token = CancelToken()
    token.raise_if_cancelled()
    token.sleep(0)
    assert not token.cancelled


def test_an_interruption_ends_as_cancelled_and_an_error_as_failed():
    assert isinstance(ending("j", Interrupted("x")), Cancelled)
    assert ending("j", InputError("bad value")) == Failed("j", "bad value")
    assert ending("j", KeyError("k")) == Failed("j", "KeyError: 'k'")
