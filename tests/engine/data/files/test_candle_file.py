"""Files of candles are understood or refused by line; nothing in between."""

import gzip
import io
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.files import csv_rows
from engine.data.files import rows as file_rows
from engine.data.files.candle_file import FileCandles, read_candle_file
from engine.errors import BacktestError, InputError, Interrupted
from engine.events import CancelToken
from engine.model.candle_files import FileFormat, parse_columns
from engine.model.market import Candles, Period, Timeframe, parse_time
from tests.support.examples import examples
from tests.support.fake_exchange import assert_same_candles, grid_candles

HOUR = Timeframe("1h")
NOW = parse_time("2025-01-15T00:30")
DAY = grid_candles("1h", Period.parse("2024-01-01", "2024-01-01"))
Write = Callable[..., Path]


def lines_of(candles: Candles, time: Callable[[int], object] = str, separator: str = ",") -> list[str]:
    columns = (candles.timestamp.tolist(), *(column.tolist() for column in candles.columns().values()))
    return [
        separator.join([str(time(row[0])), *(repr(value) for value in row[1:])])
        for row in zip(*columns, strict=True)
    ]


HEADER = "timestamp,open,high,low,close,volume"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes lines, or bytes, to a file."""

    def make(content: list[str] | bytes, name: str = "candles.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else ("\n".join(content) + "\n").encode())
        return path

    return make


def read(path: Path, timeframe: str = "1h", **form: object) -> FileCandles:
    return read_candle_file(path, Timeframe(timeframe), FileFormat(**form), NOW)  # type: ignore[arg-type]


def refusal(path: Path, timeframe: str = "1h", **form: object) -> str:
    with pytest.raises(InputError) as caught:
        read(path, timeframe, **form)
    text = str(caught.value)
    assert "\n" not in text
    return text


def moment(ms: int) -> str:
    return str(np.datetime64(ms, "ms"))


@pytest.mark.parametrize(
    "time",
    [
        str,
        lambda ms: ms // 1000,
        lambda ms: ms * 1000,
        lambda ms: f"{ms}.0",
        lambda ms: f"{ms // 1000:.1f}",
        moment,
        lambda ms: moment(ms).replace("T", " ") + "Z",
        lambda ms: moment(ms + 7_200_000) + "+02:00",
    ],
    ids=["ms", "s", "us", "ms as float", "s as float", "ISO naive", "ISO with Z", "ISO with offset"],
)
@pytest.mark.parametrize("header", [True, False], ids=["header", "no header"])
def test_times_of_every_kind_name_the_same_candles(
    write: Write, time: Callable[[int], object], header: bool
) -> None:
    path = write([HEADER] * header + lines_of(DAY, time))
    found = read(path)
    assert_same_candles(found.candles, DAY)
    assert (found.rows, found.notices) == (24, ())


def test_a_file_that_changes_from_ms_to_us_is_read_row_by_row_and_says_so(write: Write) -> None:
    """As Binance's own spot files do at the turn of 2025."""
    lines = lines_of(DAY.slice(0, 12)) + lines_of(DAY.slice(12, None), lambda ms: ms * 1000)
    found = read(write(lines))
    assert_same_candles(found.candles, DAY)
    assert found.unit == "ms+us"
    assert "own unit" in found.notices[0]


def test_a_unit_that_is_said_beats_the_guess(write: Write) -> None:
    path = write(lines_of(DAY, lambda ms: ms // 1000))
    assert "before any market" in refusal(path, unit="ms")
    assert read(path, unit="s").unit == "s"
    assert "future" in refusal(write(lines_of(DAY)), unit="s")


def test_naive_times_are_of_the_zone_that_is_said(write: Write) -> None:
    path = write(lines_of(DAY, lambda ms: moment(ms + 3_600_000)))  # Berlin in winter
    assert_same_candles(read(path, zone="Europe/Berlin").candles, DAY)
    assert "unknown time zone" in refusal(path, zone="Europe/Atlantis")


@pytest.mark.parametrize("hour", ["2024-10-27 02:00", "2024-03-31 02:00"], ids=["twice", "never"])
def test_a_local_time_that_names_no_single_instant_is_refused(write: Write, hour: str) -> None:
    path = write([HEADER, f"{hour},1,2,1,2,5"])
    assert "line 2" in refusal(path, zone="Europe/Berlin")
    assert "does not name one instant" in refusal(path, zone="Europe/Berlin")


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_and_a_byte_order_mark_are_understood(write: Write, separator: str) -> None:
    text = "\r\n".join([HEADER.replace(",", separator), *lines_of(DAY, separator=separator)])
    assert_same_candles(read(write(text.encode("utf-8-sig"))).candles, DAY)


def test_binances_own_columns_and_a_preamble_are_understood(write: Write) -> None:
    more = ",close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
    lines = ["https://example.org/data", "# made by hand", "open_time,open,high,low,close,volume" + more]
    path = write([*lines, *(line + ",1,2,3,4,5,0" for line in lines_of(DAY))])
    assert_same_candles(read(path).candles, DAY)


def test_columns_may_be_named_or_numbered(write: Write) -> None:
    lines = [f"x,{line}" for line in lines_of(DAY)]
    names = "Nr,Zeit,Erster,Hoch,Tief,Letzter,Menge"
    chosen = parse_columns("timestamp=Zeit,open=erster,high=Hoch,low=Tief,close=6,volume=Menge")
    assert_same_candles(read(write([names, *lines]), columns=chosen).candles, DAY)
    numbers = parse_columns("timestamp=2,open=3,high=4,low=5,close=6,volume=7")
    assert_same_candles(read(write(lines), columns=numbers).candles, DAY)
    assert "which column is timestamp? It has columns 'Nr', 'Zeit'" in refusal(write([names, *lines]))
    assert "no column 'Z'" in refusal(write([names, *lines]), columns={"timestamp": "Z"})
    assert "same column" in refusal(write([HEADER, *lines_of(DAY)]), columns={"open": "close"})


@pytest.mark.parametrize("text", ["open", "opne=O", "open=", "=x", "timestamp=a=b,close"])
def test_a_column_mapping_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="FIELD=COLUMN"):
        parse_columns(text)


BROKEN = {
    "not a number": ("1704067200000,1,2,1,abc,5", "close is 'abc'"),
    "empty cell": ("1704067200000,1,2,1,,5", "close is ''"),
    "thousands": ('1704067200000,1,2,1,"1,5",5', "close is '1,5'"),
    "NaN": ("1704067200000,nan,2,1,2,5", "open is 'nan'"),
    "infinite": ("1704067200000,1,inf,1,2,5", "high is 'inf'"),
    "zero price": ("1704067200000,1,2,0,2,5", "not positive"),
    "negative volume": ("1704067200000,1,2,1,2,-5", "volume is negative"),
    "close above high": ("1704067200000,1,2,1,3,5", "not inside its low 1.0 and high 2.0"),
    "open below low": ("1704067200000,0.5,2,1,2,5", "not inside"),
    "off the grid": ("1704067260000,1,2,1,2,5", "2024-01-01 00:01:00.000 UTC does not open a 1h candle"),
    "before any market": ("1,1,2,1,2,5", "before any market"),
    "negative time": ("-1,1,2,1,2,5", "not s, ms or us"),
    "nanoseconds": ("1704067200000000000,1,2,1,2,5", "not s, ms or us"),
    "uneven microseconds": ("1704067200000001,1,2,1,2,5", "whole millisecond"),
    "half a millisecond": ("1704067200000.5,1,2,1,2,5", "whole number"),
    "time in words": ("noon,1,2,1,2,5", "its time is 'noon'"),
    "too few columns": ("1704067200000,1,2,1,2", "has 5 columns"),
    "in the future": ("1893456000000,1,2,1,2,5", "lies in the future"),
    "a quote left open": ('1704067200000,"1,2,1,2,5', "unexpected end of data"),
}


@pytest.mark.parametrize(("row", "says"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_row_is_named_by_its_line(write: Write, row: str, says: str) -> None:
    text = refusal(write([HEADER, *lines_of(DAY.slice(1, 3)), row]))
    assert text.startswith("candles.csv line 4")
    assert says in text
    assert text.endswith("nothing was stored")


def test_a_broken_row_deep_in_a_file_with_blank_lines_is_still_named(write: Write) -> None:
    lines = [HEADER, "", *lines_of(grid_candles("1h", Period.parse("2018-01-01", "2024-12-31")))]
    lines[51_234] = lines[51_234].rpartition(",")[0] + ",?"
    assert "line 51235: volume is '?'" in refusal(write(lines))


def test_rows_in_any_order_and_repeated_rows_are_one_series(write: Write) -> None:
    lines = lines_of(DAY)
    found = read(write([*lines[::-1], lines[3]]))
    assert_same_candles(found.candles, DAY)
    assert found.rows == 25
    assert "1 rows repeat" in found.notices[0]
    assert "sorted" in read(write(lines[::-1])).notices[0]


def test_one_candle_with_two_values_is_refused_with_both_lines(write: Write) -> None:
    lines = lines_of(DAY)
    again = lines[3].rpartition(",")[0] + ",123.0"
    text = refusal(write([HEADER, *lines, again]))
    assert "line 26: the candle at 2024-01-01 03:00 UTC stands also on line 5 with other values" in text


@pytest.mark.parametrize(("stored", "said"), [("1h", "1m"), ("1d", "1h"), ("1w", "1d"), ("1M", "1d")])
def test_candles_of_a_longer_timeframe_are_not_taken_for_shorter_ones(
    write: Write, stored: str, said: str
) -> None:
    path = write(lines_of(grid_candles(stored, Period.parse("2023-01-01", "2024-12-31"))))
    assert f"not {said}" in refusal(path, said)
    assert len(read(path, stored).candles) > 20


def test_the_candle_that_is_still_open_is_left_out(write: Write) -> None:
    candles = grid_candles("1h", Period.parse("2025-01-14", "2025-01-15T01:00"))
    found = read(write(lines_of(candles)))
    assert_same_candles(found.candles, candles.slice(0, -1))
    assert "has not closed" in found.notices[0]
    assert "no candle that has closed" in refusal(write(lines_of(candles.slice(24, None))))


def test_packed_files_are_known_by_what_they_are(write: Write) -> None:
    text = "\n".join([HEADER, *lines_of(DAY)]).encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("../../evil.csv", text)
    for content in (
        gzip.compress(text),
        archive.getvalue(),
        gzip.compress(text[:100]) + gzip.compress(text[100:]),
    ):
        assert_same_candles(read(write(content, "whatever.dat")).candles, DAY)


def test_parquet_of_numbers_and_of_times_is_read(tmp_path: Path) -> None:
    path = tmp_path / "candles.parquet"
    plain = pd.DataFrame({"timestamp": DAY.timestamp} | dict(DAY.columns()))
    frames = [
        plain,
        plain.assign(timestamp=pd.to_datetime(DAY.timestamp, unit="ms", utc=True)),
        DAY.frame().reset_index(),
    ]
    for frame in frames:
        frame.to_parquet(path, index=False)
        assert_same_candles(read(path).candles, DAY)
    naive = plain.assign(timestamp=pd.to_datetime(DAY.timestamp + 3_600_000, unit="ms"))
    naive.to_parquet(path, index=False)
    assert_same_candles(read(path, zone="Europe/Berlin").candles, DAY)
    plain.assign(close=plain["close"].where(plain.index != 7)).to_parquet(path, index=False)
    assert "row 8: close" in refusal(path)
    plain.astype({"open": str}).to_parquet(path, index=False)
    assert "a number is needed" in refusal(path)
    path.write_bytes(path.read_bytes()[:300])
    assert "Parquet" in refusal(path)


DAMAGED = {
    "cut gzip": gzip.compress(b"x" * 500)[:-12],
    "gzip with a wrong sum": gzip.compress(f"{HEADER}\n".encode())[:-8] + b"\0" * 8,
    "zip without end": b"PK\x03\x04" + b"\0" * 50,
    "binary": bytes(range(256)) * 10,
    "UTF-16": "\n".join([HEADER, *lines_of(DAY)]).encode("utf-16"),
    "one long line": b"1," * 100_000,
    "empty": b"",
    "header only": (HEADER + "\n").encode(),
    "a page of a captive portal": b"<html><body>Please log in</body></html>\n" * 30,
    "parquet in name only": b"PAR1" + b"\0" * 100 + b"PAR1",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_what_is_no_candle_file_is_refused(write: Write, content: bytes) -> None:
    assert refusal(write(content))


def test_a_zip_of_several_files_or_none_is_refused(write: Write) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("a.csv", "1")
        packed.writestr("b.csv", "2")
    assert "exactly one file" in refusal(write(archive.getvalue()))


@pytest.mark.long_except("no lines", "rows")
@pytest.mark.parametrize(
    "line", [b"\n", b"1704067200000,1,2,1,2,5\n", b"x"], ids=["blank lines", "rows", "no lines"]
)
def test_a_bomb_is_refused_in_little_memory(
    write: Write, monkeypatch: pytest.MonkeyPatch, line: bytes
) -> None:
    monkeypatch.setattr(csv_rows, "MAX_BYTES", 20_000_000)
    monkeypatch.setattr(file_rows, "MAX_ROWS", 100_000)
    start = "\n".join([HEADER, *lines_of(DAY), ""]).encode()
    path = write(gzip.compress(start + line * (50_000_000 // len(line)), 6))
    assert path.stat().st_size < 300_000
    tracemalloc.start()
    try:
        text = refusal(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "split it" in text or "longer than" in text
    assert peak < 60_000_000


def test_what_is_not_there_or_a_folder_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "none.csv")
    assert "folder" in refusal(tmp_path)


def test_reading_stops_when_asked(write: Write) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Interrupted):
        read_candle_file(write(lines_of(DAY)), HOUR, FileFormat(), NOW, cancel=cancel)


@settings(max_examples=examples(60), deadline=None)
@given(
    content=st.binary(max_size=400) | st.text(',;.0123456789"\n\rTZ-+:eonpith', max_size=400).map(str.encode)
)
def test_any_bytes_are_candles_or_a_refusal(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    for packed in (content, gzip.compress(content)):
        path.write_bytes(packed)
        try:
            read(path)
        except BacktestError as error:
            assert "\n" not in str(error)  # noqa: PT017


@settings(max_examples=examples(60), deadline=None)
@given(numbers=st.lists(st.tuples(st.floats(1e-12, 1e9), st.floats(0, 1e18)), min_size=1, max_size=30))
def test_numbers_are_taken_exactly(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[tuple[float, float]]
) -> None:
    stamps = HOUR.opens(Period.parse("2024-01-01", "2024-01-10"))[: len(numbers)]
    prices, volumes = (np.array(column) for column in zip(*numbers, strict=True))
    candles = Candles(stamps, prices, prices, prices, prices, volumes)
    path = tmp_path_factory.getbasetemp() / "exact.csv"
    path.write_text("\n".join(lines_of(candles)))
    assert_same_candles(read(path).candles, candles)
