"""Asks Binance for its public leverage brackets. The endpoint is documented nowhere: nothing of an answer is believed before
all of it makes sense.
"""

import json
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import numpy as np

from engine.data.brackets import STORED, BracketList, Rows, read_brackets
from engine.data.exchanges.answers import host_of, no_answer
from engine.data.exchanges.ccxt_client import LOOPBACK
from engine.errors import ExchangeError, InputError, OutputError, reason
from engine.model.brackets import Brackets
from engine.settings import BRACKETS_URL
from engine.whole_file import write_whole

PATH: Final = "/bapi/futures/v1/friendly/future/common/brackets"
_MOST_BYTES: Final = 30_000_000
_CHUNK_BYTES: Final = 65_536
_LEAST: Final = 0.5  # of the markets known, so many are to be in a new list
_CENT: Final = 0.01
_TIMEOUT_S: Final = 10  # of silence
_LONGEST_S: Final = 60


def update_brackets(home: Path, address: str | None = None) -> BracketList:
    """Fetch the list of today and keep it in `home`. `address`: scheme and host in place of Binance's.

    Raises ExchangeError where nothing came or it is not what was asked for, OutputError where it cannot be written; the
    brackets known before are kept then.
    """
    base = address or BRACKETS_URL
    try:
        known = len(read_brackets(home).rows)
    except InputError:  # a broken file is what an update mends
        known = 0
    try:
        rows = read_answer(_body(base), known)
    except ExchangeError as error:
        raise ExchangeError(f"{error}; the brackets known before are kept") from None
    except ValueError as error:
        raise ExchangeError(
            f"{host_of(base)} answered with no list of leverage brackets ({error}); those known before are kept"
        ) from None
    day = time.strftime("%Y-%m-%d", time.gmtime())
    found = BracketList(f"{host_of(base)}{PATH}", day, rows)
    _keep(home / STORED, json.dumps(found.to_json(), ensure_ascii=False))
    return found


def read_answer(body: bytes, known: int) -> dict[str, Rows]:
    """Rows by market name out of an answer; raises ValueError that says what is wrong with it. `known`: how many markets
    have brackets so far.
    """
    try:
        document = json.loads(body)
    except ValueError:
        raise ValueError("it is not JSON") from None
    data = document.get("data") if isinstance(document, Mapping) else None
    listed = data.get("brackets") if isinstance(data, Mapping) else None
    if not isinstance(listed, Sequence) or isinstance(listed, str) or not listed:
        raise ValueError("it lists no brackets")
    rows: dict[str, Rows] = {}
    for entry in listed:
        try:
            name, table = str(entry["symbol"]), _rows(entry["riskBrackets"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"an entry lacks what it should hold: {error}") from None
        except (InputError, ValueError) as error:
            raise ValueError(f"{str(entry['symbol'])[:40]}: {error}") from None
        if not name.strip() or name in rows:
            raise ValueError(f"{name[:40]!r} is no name, or stands there twice")
        rows[name] = table
    if len(rows) < known * _LEAST:
        raise ValueError(f"it lists {len(rows):,} markets, {known:,} are known")
    return rows


def _rows(entries: Any) -> Rows:
    """The brackets of one market: without holes between them, and with the amounts that follow from the rates."""
    read = sorted(
        (
            float(one["bracketNotionalFloor"]),
            float(one["bracketMaintenanceMarginRate"]),
            float(one["maxOpenPosLeverage"]),
            float(one["bracketNotionalCap"]),
            float(one["cumFastMaintenanceAmount"]),
        )
        for one in entries
    )
    table = Brackets.of([row[:3] for row in read])
    if any(above[0] != below[3] for below, above in pairwise(read)):
        raise ValueError("a hole between two brackets")
    if not np.allclose(table.cum, [row[4] for row in read], rtol=1e-6, atol=_CENT):
        raise ValueError("its maintenance amounts do not follow from its rates")
    return [row[:3] for row in read]


def _body(base: str) -> bytes:
    import requests
    import urllib3

    body, deadline = bytearray(), time.monotonic() + _LONGEST_S
    try:
        with requests.Session() as session:
            # proxies of the environment are honoured, but never asked for this very machine
            session.trust_env = urlsplit(base).hostname not in LOOPBACK
            headers = {"Accept": "application/json"}
            with session.get(
                base + PATH, headers=headers, timeout=_TIMEOUT_S, stream=True, allow_redirects=False
            ) as response:
                if response.status_code != 200:
                    raise ExchangeError(f"{host_of(base)} refused: HTTP {response.status_code}")
                for chunk in response.iter_content(_CHUNK_BYTES):
                    body += chunk
                    if time.monotonic() > deadline:
                        raise ExchangeError(f"{host_of(base)}: no whole answer in time")
                    if len(body) > _MOST_BYTES:
                        raise ValueError(f"it is larger than {_MOST_BYTES:,} bytes")
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise no_answer(base, error) from None
    return bytes(body)


def _keep(file: Path, text: str) -> None:
    """All of it or nothing."""
    try:
        write_whole(file, text)
    except OSError as error:
        raise OutputError(
            f"cannot write {file}: {reason(error)}; the brackets known before are kept"
        ) from error
