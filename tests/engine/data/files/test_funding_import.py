"""Funding rates of a file: what is understood, what is refused by its line, what it proves, what stays as it was."""

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.data.files.funding_import import import_funding, preview_funding
from engine.database.store import Store
from engine.errors import InputError
from engine.model.candle_files import FUNDING_FIELDS, FileFormat, ImportReport, parse_columns
from engine.model.funding import FundingRates, FundingRow, with_intervals
from engine.model.kinds import Kind
from engine.model.market import FUNDING_GRID, HOUR_MS, Market, Period, parse_time
from engine.reports.files import write_candles

SOL = Market("binanceusdm", "SOLUSDT", "SOL/USDT:USDT").of(Kind.FUNDING)
NOW = parse_time("2024-06-01")
NAN = float("nan")
START = parse_time("2024-03-01")
ARCHIVE = "calc_time,funding_interval_hours,last_funding_rate\n"
Import = Callable[..., ImportReport]


def rows_of(*hours: float, told: float = 8, rate: float = 1e-4, mark: float = NAN) -> list[FundingRow]:
    """Settlements so many hours after the start, served a few milliseconds late."""
    return [(START + round(hour * HOUR_MS) + 3, rate, mark, "Regular", told) for hour in hours]


def archive(*hours: float, told: int = 8, rate: str = "0.00010000") -> str:
    """The rows of the archive's file."""
    return "".join(f"{START + round(hour * HOUR_MS) + 3},{told},{rate}\n" for hour in hours)


@pytest.fixture
def bring(store: Store, tmp_path: Path) -> Import:
    """Imports a text as a file."""

    def bring(text: str, columns: str = "", **more: object) -> ImportReport:
        path = tmp_path / "funding.csv"
        path.write_text(text)
        form = FileFormat(parse_columns(columns, FUNDING_FIELDS))
        return import_funding(store, path, SOL, form, NOW, **more)  # type: ignore[arg-type]

    return bring


def held(store: Store, hours: int = 48) -> FundingRates:
    return store.funding.read(SOL, Period(START, START + hours * HOUR_MS))


def gaps(store: Store, hours: int = 48) -> list[tuple[int, int]]:
    """Hours from the start that nobody knows of."""
    coverage = store.funding.coverage(SOL, Period(START, START + hours * HOUR_MS))
    return [((gap.start - START) // HOUR_MS, (gap.end - START) // HOUR_MS) for gap in coverage.gaps]


def test_a_month_of_the_archive_is_stored_with_the_hours_that_its_intervals_prove(
    store: Store, bring: Import
) -> None:
    report = bring(ARCHIVE + archive(8, 16, 24))

    assert (report.rows, report.stored, report.equal, report.differing, report.gaps) == (3, 3, 0, 0, ())
    assert held(store).time.tolist() == [START + hour * HOUR_MS for hour in (8, 16, 24)]
    assert held(store).served.tolist() == [START + hour * HOUR_MS + 3 for hour in (8, 16, 24)]
    assert gaps(store) == [(0, 1), (25, 48)]
    imported = store.verification.imported(SOL, FUNDING_GRID, Period(START, NOW))
    assert imported == [Period(START + HOUR_MS, START + 25 * HOUR_MS)]
    again = bring(ARCHIVE + archive(8, 16, 24))
    assert (again.stored, again.equal) == (0, 3)


def test_a_lost_row_is_a_hole_that_stays_unknown(store: Store, bring: Import) -> None:
    report = bring(ARCHIVE + archive(8, 16, 40))

    assert [str(gap) for gap in report.gaps] == [str(Period(START + 17 * HOUR_MS, START + 33 * HOUR_MS))]
    assert gaps(store) == [(0, 1), (17, 33), (41, 48)]


def test_where_a_file_tells_no_intervals_only_a_rhythm_proves_what_lies_between(
    store: Store, bring: Import
) -> None:
    hours = (8, 16, 24, 32, 36, 40, 44, 47)
    text = "".join(f"{START + hour * HOUR_MS},0.0001\n" for hour in hours)

    report = bring("fundingTime,fundingRate\n" + text)

    assert any("tells no intervals" in notice for notice in report.notices)
    assert gaps(store) == [(0, 8), (45, 47)]
    assert np.isnan(held(store).interval_hours).all(), "nobody told them"


def test_two_rows_without_intervals_prove_their_own_hours_alone(store: Store, bring: Import) -> None:
    bring(f"{START},0.0001\n{START + 8 * HOUR_MS},0.0002\n")

    assert held(store).rate.tolist() == [1e-4, 2e-4]
    assert gaps(store, 10) == [(1, 8), (9, 10)]


@pytest.mark.parametrize(
    ("text", "rates", "marks"),
    [
        ("fundingRate,symbol,fundingTime,markPrice\n0.0001,SOLUSDT,1709280000000,102.5\n", [1e-4], [102.5]),
        ("date;rate\n2024-03-01 08:00:00;0,0001\n", [1e-4], [NAN]),
        ("Time,Funding Rate\n2024-03-01T08:00:00Z,-0.0125%\n", [-1.25e-4], [NAN]),
        ("1709280000,8,0.0001\n", [1e-4], [NAN]),
        ("1709280000000,0.0001,\n", [1e-4], [NAN]),
    ],
)
def test_other_tables_are_understood(
    store: Store, bring: Import, text: str, rates: list[float], marks: list[float]
) -> None:
    bring(text)

    assert held(store).time.tolist() == [parse_time("2024-03-01T08:00")]
    np.testing.assert_allclose(held(store).rate, rates, rtol=1e-12)
    np.testing.assert_array_equal(held(store).mark, marks)


def test_columns_can_be_chosen(store: Store, bring: Import) -> None:
    bring("when,what\n1709280000000,0.0003\n", "timestamp=when,rate=2")

    assert held(store).rate.tolist() == [3e-4]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ARCHIVE + archive(8, rate="5"), "line 2: its rate is 5, outside -0.05 to 0.05 (0.01 % is 0.0001)"),
        (ARCHIVE + archive(8, rate="0.0x"), "line 2: rate is '0.0x'"),
        (
            ARCHIVE + archive(8) + archive(8, rate="0.0002"),
            "line 3: the settlement at 2024-03-01 08:00 UTC stands also",
        ),
        (
            ARCHIVE + archive(8) + archive(24 * 100),
            "line 3: the settlement at 2024-06-09 00:00 UTC lies in the future",
        ),
        (ARCHIVE + archive(8, told=12), "line 2: its interval is 12 hours, not 1 to 8"),
        (ARCHIVE + "12,8,0.0001\n", "line 2: its time is 12000 ms, before any perpetual"),
        (ARCHIVE + "1709280000000,8\n", "line 2: it has 2 columns, rate is number 3"),
        (ARCHIVE, "holds no funding rates"),
        (
            "symbol,fundingTime,fundingRate\nXRPUSDT,1709280000000,0.0001\n",
            "it is of XRPUSDT, not of SOLUSDT",
        ),
        ("timestamp,rate,mark\n1709280000000,0.0001,-1\n", "its mark price is -1"),
        (
            "timestamp,rate,rate_type\n1709280000000,0.0001,odd\n",
            "its rate type is 'Odd', not Regular or Special",
        ),
        ("when,what\n1709280000000,0.0001\n", "which column is timestamp? It has columns 'when', 'what'"),
        ("hello\n", "holds no table with timestamp, rate"),
    ],
)
def test_what_cannot_be_is_refused_by_its_line_and_nothing_is_stored(
    store: Store, bring: Import, text: str, words: str
) -> None:
    with pytest.raises(InputError) as caught:
        bring(text)

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(held(store)) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (archive(8, 16, 24, rate="0.01"), "are they percent?"),
        (archive(8, rate="0.04") + archive(16, 24), "1 rates are beyond 3%"),
        (archive(8, 16.1), "1 settlements lie more than a minute away"),
        (archive(8, 16, 16), "1 rows repeat another one exactly"),
        (archive(16, 8), "rows were not in order of time"),
    ],
)
def test_what_is_odd_is_stored_and_said(bring: Import, text: str, words: str) -> None:
    report = bring(ARCHIVE + text)

    assert report.stored == report.rows - ("repeat" in words)
    assert any(words in notice for notice in report.notices), report.notices


def test_held_rates_stay_and_those_that_differ_are_shown(store: Store, bring: Import) -> None:
    rates = FundingRates.from_rows(rows_of(8, 16, rate=3e-4, mark=100.0))
    store.funding.add_page(SOL, rates, [Period(START, START + 17 * HOUR_MS)])

    report = bring(ARCHIVE + archive(8, rate="0.0003") + archive(16, 24))

    assert (report.stored, report.equal, report.differing) == (1, 1, 1)
    assert report.to_json()["differences"][0]["held"] == {"rate": 3e-4, "mark": 100.0}
    assert held(store).rate.tolist() == [3e-4, 3e-4, 1e-4]
    assert held(store).mark.tolist()[:2] == [100.0, 100.0]


def test_where_the_exchange_has_none_a_file_is_not_believed_but_it_fills_a_hole(
    store: Store, bring: Import
) -> None:
    rates = FundingRates.from_rows(rows_of(0, 8, 32))
    store.funding.add_page(SOL, rates, [Period(START, START + 33 * HOUR_MS)])
    assert len(store.funding.known(SOL, Period(START, START + 33 * HOUR_MS))[1]) == 1, "16 and 24 are a hole"

    report = bring(ARCHIVE + archive(4, told=4) + archive(16, 24))

    assert (report.stored, report.refused) == (2, 1)
    assert any("known to have none there" in notice for notice in report.notices)
    assert store.funding.known(SOL, Period(START, START + 33 * HOUR_MS))[1] == ()


@pytest.mark.parametrize("suffix", ["csv", "parquet", "csv.gz", "zip"])
def test_what_was_written_comes_back_with_all_that_it_proved(
    store: Store, tmp_path: Path, suffix: str
) -> None:
    special = (START + 20 * HOUR_MS, 2e-4, 101.0, "Special", NAN)
    rates = FundingRates.from_rows([*rows_of(8, 16, 24, 32, told=NAN, mark=100.5), special])
    unknown = [Period(START + 17 * HOUR_MS, START + 18 * HOUR_MS)]
    written = with_intervals(rates, unknown)
    assert np.array_equal(written.interval_hours, [NAN, 8, NAN, NAN, 8], equal_nan=True)
    path = tmp_path / f"out.{'parquet' if suffix == 'parquet' else 'csv'}"
    write_candles(written, path)
    if suffix == "csv.gz":
        path = Path(str(path) + ".gz")
        path.write_bytes(gzip.compress((tmp_path / "out.csv").read_bytes()))
    if suffix == "zip":
        with zipfile.ZipFile(tmp_path / "out.zip", "w") as packed:
            packed.write(path, "out.csv")
        path = tmp_path / "out.zip"

    import_funding(store, path, SOL, FileFormat(), NOW)

    assert held(store).sha256() == rates.sha256()
    assert gaps(store) == [(0, 8), (17, 20), (21, 24), (33, 48)]


def test_a_preview_tells_what_an_import_would_do_and_writes_nothing(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "seen.csv"
    path.write_text(ARCHIVE + archive(8, 16))

    seen = preview_funding(store, path, SOL, FileFormat(), NOW)

    assert seen.columns == {
        "timestamp": "calc_time", "rate": "last_funding_rate", "interval_hours": "funding_interval_hours"
    }  # fmt: skip
    assert seen.to_json()["candles"][0]["rate"] == 1e-4
    assert seen.report is not None
    assert seen.report.stored == 2
    assert len(held(store)) == 0
    path.write_text(ARCHIVE + archive(8, rate="7"))
    assert "its rate is 7" in str(preview_funding(store, path, SOL, FileFormat(), NOW).error)


def test_a_market_without_funding_takes_no_file(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text(ARCHIVE + archive(8))
    spot = Market("binance", "SOLUSDT", "SOL/USDT").of(Kind.FUNDING)

    with pytest.raises(InputError, match="binance lists no funding here"):
        import_funding(store, path, spot, FileFormat(), NOW)
