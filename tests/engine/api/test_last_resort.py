"""The end of a server in which something hangs: late, with the exit code of a failure, but nothing is left behind."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.engine.database.homes import PROJECT, discard, server_of
from tests.support.own_time import within

HANGS = """
import signal, sys, time
from pathlib import Path
from engine.api.server import Server
from engine.service import Engine
engine = Engine(home=Path(sys.argv[1]), database_url=None)
engine.doctor.check_database()
server = Server(engine)
signal.signal(signal.SIGTERM, server.handle_exit)
print("ready", flush=True)
while True:
    time.sleep(1)
"""


@pytest.mark.long
def test_a_server_that_hangs_at_its_end_takes_its_embedded_database_with_it(tmp_path: Path):
    home = tmp_path / "data"
    try:
        with subprocess.Popen(
            [sys.executable, "-c", HANGS, str(home)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            assert server_of(home) is not None
            began = time.monotonic()
            with within(10, anyhow=60):
                process.send_signal(signal.SIGTERM)
                assert process.wait(60) == 1
            assert time.monotonic() - began > 5
        assert server_of(home) is None
    finally:
        discard(home)
