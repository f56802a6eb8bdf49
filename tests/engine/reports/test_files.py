"""Files are whole or absent, numbers exact, formulas defused, names safe."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError
from engine.model.market import Candles
from engine.reports.files import csv_text, safe_name, write_candles, write_text

PROJECT = Path(__file__).parents[3]
CANDLES = Candles.from_rows([(1620644400000, 1.412e-05, 5e-05, 1.412e-05, 2.971e-05, 15274305779676.0)])


def test_candles_are_written_exactly_as_csv(tmp_path):
    path = tmp_path / "deep" / "c.csv"
    write_candles(CANDLES, path)
    rows = list(csv.reader(path.read_text().splitlines()))
    assert rows[0] == ["timestamp", "open", "high", "low", "close", "volume"]
    assert [float(cell) for cell in rows[1]] == [
        1620644400000,
        1.412e-05,
        5e-05,
        1.412e-05,
        2.971e-05,
        15274305779676.0,
    ]


def test_candles_are_written_exactly_as_parquet(tmp_path):
    import pandas as pd

    path = tmp_path / "c.parquet"
    write_candles(CANDLES, path)
    frame = pd.read_parquet(path)
    assert frame["timestamp"].tolist() == [1620644400000]
    assert frame["volume"].tolist() == [15274305779676.0]


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"csv or \.parquet"):
        write_candles(CANDLES, tmp_path / "c.xlsx")


def test_a_place_that_cannot_be_written_is_said_in_one_line(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot write"):
        write_text(tmp_path / "file" / "inside.csv", "text")


def test_a_file_that_does_not_fit_leaves_the_old_one_as_it_was(tmp_path):
    """A full disk, played by a limit on the size of files."""
    path = tmp_path / "trades.csv"
    write_text(path, "old")
    code = (
        "import resource, signal, sys\nfrom pathlib import Path\nfrom engine.errors import InputError\n"
        "from engine.reports.files import write_text\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "try:\n    write_text(Path(sys.argv[1]), 'x' * 100_000)\n"
        "except InputError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, cwd=PROJECT, check=True
    )
    assert done.stdout == f"cannot write {path}: File too large; nothing was changed there\n"
    assert [file.name for file in tmp_path.iterdir()] == ["trades.csv"]
    assert path.read_text() == "old"


def test_formulas_are_defused_but_negative_numbers_are_not():
    assert csv_text(("a", "b"), [("=1+1", -2.5), ("@x", None)]) == "a,b\n'=1+1,-2.5\n'@x,\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("../../x", "x"),
        ("a/b:c", "a-b-c"),
        ("CON", "_CON"),
        ("", "run"),
        ("com1.csv", "_com1.csv"),
        ("1M", "1M"),
    ],
)
def test_names_are_safe(text, name):
    assert safe_name(text) == name


@given(st.text(max_size=300))
def test_any_text_becomes_a_plain_file_name(text):
    name = safe_name(text)
    assert name
    assert len(name.encode()) <= 101
    assert not set(name) & set('/\\:*?"<>|\x00')
    assert name not in (".", "..")
