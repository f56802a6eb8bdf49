"""A server on this machine that answers as Binance's public page of leverage brackets does, or as it is told to."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from engine.data.bracket_update import PATH
from engine.data.brackets import Rows
from engine.model.brackets import Brackets


class BracketServer:
    """`answer`: status and body of whatever is asked next; `asked`: the paths."""

    def __init__(self) -> None:
        self.answer = (200, b"")
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                status, body = outer.answer
                self.send_response(status)
                self.send_header("Location", "http://127.0.0.1:9/")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.path = PATH

    def list(self, rows: dict[str, Rows]) -> None:
        """Answer with these brackets."""
        self.answer = (200, json.dumps(answer_of(rows)).encode())


def answer_of(rows: dict[str, Rows]) -> dict[str, Any]:
    """The document of the page for these rows."""
    entries = []
    for name, table in rows.items():
        caps = [floor for floor, _, _ in table[1:]] + [1e12]
        cums = Brackets.of(table).cum.tolist()
        risk = [
            {
                "bracketSeq": number,
                "bracketNotionalFloor": floor,
                "bracketNotionalCap": cap,
                "bracketMaintenanceMarginRate": rate,
                "cumFastMaintenanceAmount": cum,
                "minOpenPosLeverage": 1,
                "maxOpenPosLeverage": most,
            }
            for number, ((floor, rate, most), cap, cum) in enumerate(zip(table, caps, cums, strict=True), 1)
        ]
        entries.append({"symbol": name, "updateTime": 0, "riskBrackets": risk})
    return {"code": "000000", "data": {"brackets": entries}, "success": True}


@pytest.fixture
def bracket_server() -> Iterator[BracketServer]:
    """Listens on loopback until the test ends."""
    made = BracketServer()
    thread = Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()
