"""Files as people have them: read exactly, or refused by a line that names the way out. Never another value in silence."""

import io
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from unittest import mock

import pytest

from engine.data.files import csv_rows
from engine.data.files.candle_file import FileCandles, read_candle_file
from engine.data.files.opening import file_head
from engine.errors import InputError
from engine.model.candle_files import FileFormat
from engine.model.market import Candles, Timeframe, format_time, parse_time
from tests.support.builders import real_candles
from tests.support.fake_exchange import assert_same_candles

HOUR = Timeframe("1h")
NOW = parse_time("2025-01-15T00:30")
START = parse_time("2024-01-01")
HOURS = Candles.from_rows(
    [
        (
            START + 3_600_000 * at,
            101.775 + at,
            112.825 + at,
            91.6 + at,
            102.041 + at,
            743_521.0 + 370_004 * at,
        )
        for at in range(24)
    ]
)
CHUNKS = pytest.mark.parametrize("chunk_bytes", [400, 1 << 30], ids=["in bulk", "line by line"])


def rows(template: str) -> list[str]:
    """A line per candle; the template names its parts."""
    found = []
    columns = (HOURS.timestamp.tolist(), *(column.tolist() for column in HOURS.columns().values()))
    for ms, *values in zip(*columns, strict=True):
        day, clock = format_time(ms)[:10], format_time(ms)[11:19]
        numbers = dict(zip("ohlcv", values, strict=True))
        thousands = {"V": f"{values[-1]:,.2f}"}
        commas = {f"{name}_": str(value).replace(".", ",") for name, value in numbers.items()}
        times = {"ms": ms, "s": ms // 1000, "day": day, "dots": day.replace("-", "."), "clock": clock}
        later = {"later": format_time(ms + 3_600_000)[:-1]}
        found.append(template.format(**numbers, **thousands, **commas, **times, **later))
    return found


def text(header: str, template: str, newline: str = "\n") -> str:
    return newline.join([*([header] if header else []), *rows(template)]) + newline


def read(path: Path, chunk_bytes: int = 1 << 30, form: FileFormat | None = None) -> FileCandles:
    with mock.patch.object(csv_rows, "CHUNK_BYTES", chunk_bytes):
        return read_candle_file(path, HOUR, form or FileFormat(), NOW)


def refusal(path: Path, chunk_bytes: int = 1 << 30, form: FileFormat | None = None) -> str:
    with pytest.raises(InputError) as caught:
        read(path, chunk_bytes, form)
    return str(caught.value)


Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(content: str | bytes) -> Path:
        path = tmp_path / "candles.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


OHLC = "{o},{h},{l},{c}"
# name: header, row, what is said
READ: Mapping[str, tuple[str, str, str]] = {
    "TradingView with columns named by numbers": ("time,open,high,low,close,Volume,20,50", "{s}," + OHLC + ",{v},1,2", ""),
    "TradingView with offsets and twin plots": (
        "time,open,high,low,close,Volume,Volume MA,Plot,Plot", "{later}+01:00," + OHLC + ",{v},,1,2", ""),
    "pandas without names": ("0,1,2,3,4,5", "{ms}," + OHLC + ",{v}", "taken for names"),
    "MetaTrader 4": ("", "{dots},{clock:.5}," + OHLC + ",{v}", ""),
    "MetaTrader 5": (
        "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>",
        "{dots}\t{clock}\t" + OHLC.replace(",", "\t") + "\t{v}\t0\t1", "'<TICKVOL>', not from '<VOL>'"),
    "date and time": ("Date,Time,Open,High,Low,Close,Volume", "{day},{clock}," + OHLC + ",{v}", ""),
    "time and date": ("Time,Open,High,Low,Close,Volume,Date", "{clock}," + OHLC + ",{v},{day}", ""),
    "decimal commas": ("Date;Open;High;Low;Close;Volume", "{day} {clock};{o_};{h_};{l_};{c_};{v_}", "a comma is the"),
    "decimal commas in more columns": (
        "Date;Open;High;Low;Close;Volume;Trades;X", "{day} {clock};{o_};{h_};{l_};{c_};{v_};1;2", "a comma is the decimal"),
    "decimal commas without names": ("", "{day} {clock};{o_};{h_};{l_};{c_};{v_}", "a comma is the decimal"),
    "decimal commas in quotes": (
        "Date,Open,High,Low,Close,Volume", '{day} {clock},"{o_}","{h_}","{l_}","{c_}","{v_}"', "a comma is the decimal"),
    "Yahoo with an adjusted close": (
        "Datetime,Open,High,Low,Close,Adj Close,Volume", "{day} {clock}+00:00," + OHLC + ",1,{v}", ""),
    "Kaggle in seconds": ("Timestamp,Open,High,Low,Close,Volume", "{s}.0," + OHLC + ",{v}", ""),
    "all quoted": ('"date","open","high","low","close","volume"', '"{day} {clock}","{o}","{h}","{l}","{c}","{v}"', ""),
    "an Excel separator line": ("sep=;\nDate;Open;High;Low;Close;Volume", "{day} {clock};{o};{h};{l};{c};{v}", ""),
    "blank cells at the ends": ("time,open,high,low,close,volume", "{s}," + OHLC + ",{v},,", ""),
    "a mark at the end of the header": ("time,open,high,low,close,volume,", "{s}," + OHLC + ",{v}", ""),
    "dates with slashes, year first": ("date,open,high,low,close,volume", "{dots} {clock:.5}," + OHLC + ",{v}", ""),
    "a zone in words": ("date,open,high,low,close,volume", "{day} {clock} UTC," + OHLC + ",{v}", ""),
    "nanoseconds of pandas": ("date,open,high,low,close,volume", "{day} {clock}.000000000," + OHLC + ",{v}", ""),
}  # fmt: skip


@CHUNKS
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize(("header", "row", "says"), READ.values(), ids=READ.keys())
def test_a_file_is_read_exactly_and_what_was_chosen_is_said(
    write: Write, header: str, row: str, says: str, newline: str, chunk_bytes: int
) -> None:
    found = read(write("\ufeff" + text(header, row, newline)), chunk_bytes)
    assert_same_candles(found.candles, HOURS)
    assert bool(found.notices) == bool(says)
    assert says in " ".join(found.notices)


NAMES = "date,open,high,low,close,volume"
STAMPED = "{ms}," + OHLC + ","
REFUSED: Mapping[str, tuple[str, str, str]] = {
    "thousands without quotes": (NAMES, "{day} {clock}," + OHLC + ",{V}", "line 2 has 7 columns, the header has 6"),
    "thousands without quotes, no names": ("", STAMPED + "743,521.00", "is the volume 743, or 743521.00"),
    "thousands in quotes": (NAMES, STAMPED + '"{V}"', "volume is '743,521.00'"),
    "thousands with units": (NAMES, STAMPED + "{v:.0f}K", "volume is '743521K'"),
    "commas that may be either": (NAMES.replace(",", ";"), "{ms};101,775;112,825;91,600;102,041;743,521", "--decimal comma"),
    "thousands and decimal commas": (NAMES.replace(",", ";"), "{ms};1.101,7;1.112,8;1.091,6;1.102,0;5", "open is '1.101,7'"),
    "Excel's dates": (NAMES, "1/2/2024 0:00," + OHLC + ",{v}", "with the year first"),
    "dates with the day first": (NAMES, "01.02.2024 00:00," + OHLC + ",{v}", "with the year first"),
    "times with AM and PM": (NAMES, "{day} 01:00 PM," + OHLC + ",{v}", "with the year first"),
    "Excel's rounded times": (NAMES, "1.70407E+12," + OHLC + ",{v}", "the last digits are gone"),
    "weeks": (NAMES, "2024-W01-1," + OHLC + ",{v}", "with the year first"),
    "a date with an offset": (NAMES, "2024-01-01+05:00," + OHLC + ",{v}", "with the year first"),
    "a day that does not exist": (NAMES, "2024-02-31 00:00," + OHLC + ",{v}", "day is out of range"),
    "underscores": (NAMES, "{ms},1_01.775,112,91,102,5", "open is '1_01.775'"),
    "underscores in times": (NAMES, "1_704_067_200_000," + OHLC + ",{v}", "its time is '1_704_067_200_000'"),
    "Arabic digits": (NAMES, "{ms},١٠١,112,91,102,5", "open is '١٠١'"),
    "Arabic digits in times": (NAMES, "١٧٠٤٠٦٧٢٠٠٠٠٠," + OHLC + ",{v}", "its time is '١٧٠٤٠٦٧٢٠٠٠٠٠'"),
    "wide digits": (NAMES, "{ms},１０１,112,91,102,5", "open is '１０１'"),
    "infinity": (NAMES, "{ms},101,infinity,91,102,5", "high is 'infinity'"),
    "not a number": (NAMES, STAMPED + "nan", "volume is 'nan'"),
    "too large a number": (NAMES, "{ms},101,1e999,91,102,5", "high of the candle at 2024-01-01 00:00 UTC is not a finite"),
    "a NUL byte": (NAMES, "{ms},101.\x00775,112,91,102,5", "open is '101.\\x00775'"),
    "two columns of one name": (NAMES + ",Close", STAMPED + "{v},7", "2 columns 'close'; choose the one"),
    "volumes of two coins": ("unix,o,h,l,c,Volume SOL,Volume USDT", STAMPED + "{v},7", "which column is volume?"),
    "a row with a cell too few": (NAMES + ",trades", STAMPED + "{v}", "has 6 columns, the header has 7"),
    "numbers for names": ("7,8,9,10,11,12", STAMPED + "{v}", "line 1: its time is 1970-01-01 00:00 UTC, before any market"),
}  # fmt: skip


@CHUNKS
@pytest.mark.parametrize(("header", "row", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_what_could_be_meant_otherwise_is_refused_with_a_reason(
    write: Write, header: str, row: str, says: str, chunk_bytes: int
) -> None:
    said = refusal(write(text(header, row)), chunk_bytes)
    assert says in said
    assert (
        said.lower().endswith("nothing was stored")
        or "(--columns volume=" in said
        or "(--columns close=" in said
    )


@CHUNKS
@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("743,521.00", "has 7 columns, the header has 6"),
        ("1_00.0", "volume is '1_00.0'"),
        ("", "volume is ''"),
    ],
)
def test_one_odd_row_deep_in_a_plain_file_is_found_both_ways(
    write: Write, cell: str, says: str, chunk_bytes: int
) -> None:
    lines = text(NAMES, STAMPED + "{v}").splitlines()
    lines[20] = lines[20].rpartition(",")[0] + "," + cell
    assert f"line 21 {says}" in refusal(write("\n".join(lines) + "\n"), chunk_bytes).replace(": ", " ", 1)


def test_numbers_that_name_columns_are_skipped_when_that_is_said(write: Write) -> None:
    path = write(text("7,8,9,10,11,12", STAMPED + "{v}"))
    assert "(--header if this row names the columns)" in refusal(path)
    found = read(path, form=FileFormat(header=True))
    assert_same_candles(found.candles, HOURS)
    assert "(7, 8, 9, 10, 11, 12) was taken for names" in found.notices[0]


def test_a_first_row_that_is_a_candle_can_be_said_to_be_one(write: Write) -> None:
    found = read(write(text("", STAMPED + "{v},open,close")), form=FileFormat(header=False))
    assert_same_candles(found.candles, HOURS)


@CHUNKS
def test_a_decimal_comma_can_be_said(write: Write, chunk_bytes: int) -> None:
    path = write(text("t;open;high;low;close;volume", "{ms};101,775;112,825;91,600;102,041;743,521"))
    comma = FileFormat({"timestamp": "t"}, decimal="comma")
    found = read(path, chunk_bytes, comma)
    assert (found.candles.open[0], found.candles.volume[0]) == (101.775, 743.521)
    assert "open is '101.5'" in refusal(
        write(path.read_text().replace("101,775", "101.5")), chunk_bytes, comma
    )


def test_two_columns_of_time_can_be_named(write: Write) -> None:
    path = write(text("Tag,Uhr,open,high,low,close,volume", "{day},{clock}," + OHLC + ",{v}"))
    for chosen in ("Tag+Uhr", "1+2", "tag + uhr"):
        assert_same_candles(read(path, form=FileFormat({"timestamp": chosen})).candles, HOURS)
    assert "no column 'Zeit'" in refusal(path, form=FileFormat({"timestamp": "Tag+Zeit"}))
    assert "same column" in refusal(path, form=FileFormat({"timestamp": "Tag+Tag"}))


def test_columns_of_one_name_are_offered_by_number(write: Write) -> None:
    path = write(text(NAMES + ",Close", STAMPED + "{v},{c}"))
    assert file_head(path)[0] == ("date", "open", "high", "low", "close", "volume", "Close")
    twin = write(text("date,open,high,low,close,volume,close", STAMPED + "{v},{c}"))
    assert file_head(twin)[0] == ("date", "open", "high", "low", "5", "volume", "7")
    assert_same_candles(read(twin, form=FileFormat({"close": "7"})).candles, HOURS)


def test_rows_of_blank_cells_hold_no_candle(write: Write) -> None:
    assert_same_candles(read(write(text(NAMES, STAMPED + "{v}") + ",,,,,\n \n,,,,,\n")).candles, HOURS)


def test_a_footer_is_named_by_its_line(write: Write) -> None:
    assert "line 26 has 1 columns" in refusal(write(text(NAMES, STAMPED + "{v}") + "24 rows\n"))


CLUTTER = (
    "__MACOSX/._candles.csv",
    "__MACOSX/sub/._x",
    "._candles.csv",
    ".DS_Store",
    "folder/.DS_Store",
    "Thumbs.db",
)


@pytest.mark.parametrize("clutter", CLUTTER)
def test_what_a_packing_program_adds_to_a_zip_is_no_file(write: Write, clutter: str) -> None:
    plain = text(NAMES, STAMPED + "{v}")
    for before in (True, False):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in (clutter, "folder/candles.csv")[:: 1 if before else -1]:
                archive.writestr(name, plain if name.endswith("/candles.csv") else b"\0\5\26\7")
        assert_same_candles(read(write(packed.getvalue())).candles, HOURS)


# -- the files of ../shared/cases, where they are

CASES = Path(os.environ.get("BACKTEST_TEST_CASES", Path(__file__).parents[5] / "shared" / "cases")) / "files"
EXACT = (
    "tv_numeric_header", "ccxt_no_names", "mt4", "mt5", "date_time_cols", "semi_comma6", "semi_comma8", "yahoo_adj",
    "kaggle_s", "quoted_all", "tv_offset", "footer", "sep_line", "cdd_mixed",
)  # fmt: skip
ASKED = {
    "vol_thousands": "line 2 has 7 columns, the header has 6",
    "excel_resaved": "with the year first",
    "cdd_new": "which column is volume?",
}


@pytest.mark.parametrize("name", [*EXACT, *ASKED])
def test_a_real_file_is_exact_or_asked_for(name: str) -> None:
    path = CASES / f"{name}.csv"
    if not path.exists():
        pytest.skip(f"no {path.name} on this machine; set BACKTEST_TEST_CASES to the folder of the cases")
    if name in ASKED:
        assert ASKED[name] in refusal(path)
        if name != "cdd_new":
            return
    form = FileFormat({"volume": "Volume SOL"} if name == "cdd_new" else {})
    found = read(path, form=form).candles
    assert len(found) == {"mt4": 41, "cdd_new": 39, "cdd_mixed": 39, "sep_line": 39}.get(name, 40)
    truth = real_candles("usdm-SOLUSDT-1h")
    at = truth.timestamp.searchsorted(found.timestamp[0])
    assert_same_candles(found, truth.slice(int(at), int(at) + len(found)))
