"""Every line of docs/api.md that calls the server does what it should, and every endpoint is on the page."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.http_server import HttpServer, StartServer

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
LINES = re.findall(r"^    (curl .+)$", PAGE, re.MULTILINE)
TOKEN = "a-token-of-this-test"


def test_the_page_names_every_endpoint_and_every_status(http_server: HttpServer):
    description = http_server.get("/openapi.json")
    asked = {
        (method.upper(), re.sub(r"\{\w+\}", "{id}", path))
        for path, methods in description["paths"].items()
        for method in methods
    }
    assert asked == endpoints_of_the_page()
    for methods in description["paths"].values():
        for operation in methods.values():
            for status in operation["responses"]:
                assert re.search(rf"\b{status}\b", PAGE), status
            for one in operation.get("parameters", ()):
                assert one["in"] == "path" or one["name"].lower() in PAGE.lower(), one["name"]
    for name in ("FetchBody", "RunBody", "SweepBody", "JobDocument"):
        fields = description["components"]["schemas"][name]["properties"]
        assert not [field for field in fields if f"`{field}`" not in PAGE], name


def endpoints_of_the_page() -> set[tuple[str, str]]:
    """Method and path of all that its table names; a method alone is of the path before it."""
    found = set()
    for cell in re.findall(r"^\| (`[A-Z]+ /.*?) \|", PAGE, re.MULTILINE):
        path = ""
        for method, named in re.findall(r"`(GET|POST|DELETE)(?: ([^`?]+)[^`]*)?`", cell):
            path = named or path
            found.add((method, path))
    return found


@pytest.mark.long
@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_every_line_of_the_page_that_asks_the_server_is_answered(start_server: StartServer):
    server = start_server()
    wrong = []
    assert len(LINES) > 12
    for line in sorted(dict.fromkeys(LINES), key=turn):
        typed = with_ids(line, server) + " -w '\\n%{http_code}'"
        ended = subprocess.run(
            ["/bin/bash", "-c", typed], env={"PATH": "/usr/bin:/bin", "BACKTEST_API_TOKEN": TOKEN},
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        if ended.stdout.rpartition("\n")[2] not in ("200", "202"):
            wrong.append(f"{line}: {ended.stdout[-300:]} {ended.stderr}")
    assert not wrong, "\n".join(wrong)


def turn(line: str) -> int:
    """What makes something comes first, what takes it away last."""
    return 2 if "DELETE" in line else 0 if " -d " in line else 1


def with_ids(line: str, server: HttpServer) -> str:
    """The same for this server, with ids of what is there."""
    line = line.replace("http://127.0.0.1:8000", server.url)
    if "RUN_ID" in line:
        line = line.replace("RUN_ID", server.get("/api/backtests")["runs"][0]["id"])
    if "SWEEP_ID" in line:
        line = line.replace("SWEEP_ID", server.get("/api/sweeps")["sweeps"][0]["id"][:8])
    if "JOB_ID" in line:
        line = line.replace("JOB_ID", server.get("/api/jobs")["jobs"][0]["id"])
    return line
