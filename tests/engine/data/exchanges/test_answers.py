"""Which answers are asked again, which are waited for, which end it, and what the user reads."""

import json

import pytest

from engine.data.exchanges.answers import (
    Answer,
    Banned,
    RateLimited,
    Refused,
    UnexpectedAnswer,
    Unreachable,
    no_answer,
    unexpected,
)
from engine.data.exchanges.binance import fault
from engine.errors import BacktestError, ExchangeError, InputError

URL = "https://fapi.example.test/fapi/v1/klines?symbol=SOLUSDT&interval=1h"


def answer(status: int, body: str = "[]", **headers: str) -> Answer:
    return Answer(URL, status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def coded(code: int, text: str = "some words") -> str:
    return json.dumps({"code": code, "msg": text})


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (500, "oops", Unreachable, "network: fapi.example.test is in trouble (HTTP 500)"),
        (503, coded(-1008, "busy"), Unreachable, "is in trouble (HTTP 503, busy)"),
        (200, coded(-1001), Unreachable, "is in trouble"),
        (400, coded(-1007), Unreachable, "is in trouble"),
        (429, "", RateLimited, "rate limiting"),
        (400, coded(-1003), RateLimited, "rate limiting"),
        (418, "", Banned, "locked this address out"),
        (451, coded(0, "Service unavailable from a restricted location"), Refused, "BACKTEST_SPOT_URL"),
        (403, "<html>", Refused, "firewall"),
        (400, coded(-1121), InputError, "does not know this symbol"),
        (400, coded(-1120), InputError, "does not serve this timeframe"),
        (
            400,
            coded(-1102, "Mandatory parameter"),
            ExchangeError,
            "Mandatory parameter (HTTP 400, code -1102)",
        ),
        (200, coded(0), UnexpectedAnswer, "unexpected answer from"),
        (404, "<html>", UnexpectedAnswer, "unexpected answer from"),
    ],
)
def test_every_status_and_code_has_its_own_error_and_words(
    status: int, body: str, kind: type[BacktestError], words: str
) -> None:
    found = fault(answer(status, body))
    assert type(found) is kind
    assert words in str(found)


def test_a_good_answer_has_no_fault() -> None:
    assert fault(answer(200, "[[1]]")) is None
    assert fault(answer(200, "{}")) is None


def test_an_odd_answer_is_described_without_its_query() -> None:
    text = str(
        unexpected(answer(200, "<html>\n <body>" + "x" * 900, content_type="text/html; charset=utf-8"))
    )
    assert text.startswith(
        "unexpected answer from https://fapi.example.test/fapi/v1/klines (text/html, 914 bytes, starts '<html>"
    )
    assert "\n" not in text


def test_how_long_to_wait_is_what_the_exchange_says() -> None:
    limited = fault(answer(429, "", retry_after="37"))
    assert isinstance(limited, RateLimited)
    assert limited.retry_after_s == 37
    silent = fault(answer(429, "", retry_after="soon"))
    assert isinstance(silent, RateLimited)
    assert silent.retry_after_s == 60


@pytest.mark.parametrize(
    ("date", "ms"), [("Wed, 01 May 2024 12:00:00 GMT", 1714564800000), ("yesterday", None), ("", None)]
)
def test_the_date_header_is_the_second_clock(date: str, ms: int | None) -> None:
    assert answer(500, date=date).date_ms == ms
    assert answer(500).date_ms is None


def test_a_redirect_is_not_followed_and_says_so() -> None:
    class TooManyRedirects(Exception):
        pass

    error = RuntimeError("binance GET ...")
    error.__cause__ = TooManyRedirects("Exceeded 0 redirects.")
    found = no_answer(URL, error)
    assert not isinstance(found, Unreachable)
    assert "redirects are not followed" in str(found)


def test_a_ban_without_retry_after_lasts_as_long_as_its_text_says() -> None:
    text = coded(-1003, "Way too much request weight used; IP banned until 1714564990000.")
    banned = fault(answer(418, text, date="Wed, 01 May 2024 12:00:00 GMT"))
    assert isinstance(banned, Banned)
    assert banned.retry_after_s == 190


def test_a_password_in_the_address_is_never_shown() -> None:
    secret = Answer("http://me:s3cret@proxy.test:8080/fapi/v1/time", 500, {}, "<html>")
    for error in (fault(secret), unexpected(secret), no_answer(secret.url, OSError("refused"))):
        assert "s3cret" not in str(error)
        assert "proxy.test:8080" in str(error)
