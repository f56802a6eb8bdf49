"""A cluster is an address: one that is wrong, or where nobody answers, is said in one line; none imports nothing."""

import socket
import subprocess
import sys

import pytest

from engine.errors import InputError
from engine.settings import read_settings
from tests.support.command_line import CommandLine
from tests.support.own_time import within
from tests.support.plain_process import ROOT

RUN = (
    "run",
    "-s",
    "SAMPLEUSDT",
    "-t",
    "1h",
    "--exchange",
    "sample",
    "-S",
    "ema_cross",
    "--start",
    "2023-03-01",
    "--end",
    "2023-03-31",
)


@pytest.mark.parametrize("address", ["tcp://h:8786", "tls://10.0.0.1:1", "tcp://[::1]:8786"])
def test_an_address_of_a_scheduler_is_kept_and_off_undoes_it(address: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BACKTEST_CLUSTER", address)
    assert read_settings().cluster == address
    assert read_settings(cluster="off").cluster is None


@pytest.mark.parametrize(
    "address",
    ["h:8786", "http://h:1", "tcp://h", "tcp://h:0", "tcp://h:70000", "tcp://u:p@h:1", "tcp://h:1/x"],
)
def test_what_is_no_address_is_refused(cli: CommandLine, address: str):
    answer = cli(*RUN, "--cluster", address)
    assert answer.code == InputError.exit_code
    assert answer.error.startswith("error: BACKTEST_CLUSTER: must read tcp://host:port or tls://host:port")


@pytest.mark.long
def test_a_scheduler_that_does_not_answer_is_one_line_and_exit_code_3_within_seconds(cli: CommandLine):
    with socket.socket() as taken:  # and nobody listens there
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
    with within(15, anyhow=60):
        answer = cli(*RUN, "--cluster", address)
    assert answer.code == 3
    assert answer.error.startswith(f"error: no Dask scheduler answers at {address} (")
    assert "nothing was run" in answer.error
    assert cli("doctor", "--cluster", address, "--json").code == 1


def test_without_a_cluster_nothing_of_dask_is_imported():
    code = (
        "import sys, engine.cli, engine.service, engine.jobs.local_pool, engine.parallel.pool, engine.jobs.parcels\n"
        "print({'dask', 'distributed', 'tornado'} & {one.partition('.')[0] for one in sys.modules})"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "set()\n")
