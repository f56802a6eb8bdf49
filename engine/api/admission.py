"""Who may ask, under which name, and how much may be sent: checked before anything else looks at a request."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Collection
from typing import Final

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.api.problems import problem
from engine.errors import InputError

MOST_BYTES: Final = 1_000_000  # of a body
_DRAINED_BYTES: Final = 20_000_000  # read and dropped, so that who sends that much hears why it is refused
LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
OPEN_PATHS: Final = ("/healthz", "/readyz")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def check_binding(host: str, token: str | None, published: str | None) -> None:
    """Raise InputError where others could ask without a token; `published`: BACKTEST_API_PUBLISHED."""
    if not is_loopback(host) and not token and published != "loopback":
        raise InputError(
            f"on {host} other machines could run strategies and read everything here: set BACKTEST_API_TOKEN, or keep "
            "127.0.0.1 (BACKTEST_API_PUBLISHED=loopback says that a container's port is published on loopback alone)"
        )


class KnownNames:
    """Lets through what was asked under a name of ours, and by pages of ours: no other site gets in by its own name for
    this machine (DNS rebinding), nor by a form on its page.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], origins: Collection[str]) -> None:
        self._app = app
        self._hosts, self._origins = {*LOOPBACK_NAMES, *hosts}, {*origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, origins = headers.get("host", "").lower(), headers.getlist("origin")
        if _name_of(host) not in self._hosts:
            detail = f"this server is not called {host[:80]!r}; BACKTEST_API_HOSTS names other names of it"
            await problem(400, detail)(scope, receive, send)
        elif any(not self._is_ours(origin, host) for origin in origins):
            detail = f"pages of {origins[0][:80]!r} may not ask; BACKTEST_API_ORIGINS names those that may"
            await problem(403, detail)(scope, receive, send)
        else:
            await self._app(scope, receive, _with_safe_headers(send))

    def _is_ours(self, origin: str, host: str) -> bool:
        return origin.lower() in self._origins or origin.lower().partition("://")[2] == host


class Admitted:
    """Lets through who knows the token, where there is one; and no body that is too large."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app, self._token = app, token.encode() if token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] in OPEN_PATHS or self._knows_token(Headers(scope=scope)):
            await self._app(scope, _bounded(receive), send)
        else:
            detail = "send the token of BACKTEST_API_TOKEN: Authorization: Bearer TOKEN"
            await problem(401, detail, {"WWW-Authenticate": "Bearer"})(scope, receive, send)

    def _knows_token(self, headers: Headers) -> bool:
        if self._token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        # latin-1 is how headers are read; compared as a whole, whatever differs where
        return scheme.lower() == "bearer" and hmac.compare_digest(
            given.strip().encode("latin-1"), self._token
        )


def _name_of(host: str) -> str:
    """The name of `name:port`."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() and port.isascii() else host


def _bounded(receive: Receive) -> Receive:
    """The body as it comes, until it is too much."""
    size = 0

    async def bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size <= MOST_BYTES:
            return message
        while message.get("more_body") and size <= _DRAINED_BYTES:
            message = await receive()
            size += len(message.get("body", b""))
        raise HTTPException(413, f"a body may have {MOST_BYTES:,} bytes, no more; nothing was started")

    return bounded


def _with_safe_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Content-Type-Options"] = "nosniff"
            headers.setdefault("Cache-Control", "no-store")
            headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        await send(message)

    return sending
