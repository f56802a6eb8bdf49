"""What tables are made of: columns and conditions that several have, and the metadata in which all stand."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, DateTime, ForeignKey, Integer, MetaData, String, text

metadata = MetaData()
TIME = DateTime(timezone=True)
NOW = text("now()")


def series_key(*, primary: bool = False, nullable: bool = False) -> tuple[Column[int], Column[str]]:
    """The two columns that name a series."""
    return (
        Column("symbol_id", Integer, ForeignKey("symbols.id"), primary_key=primary, nullable=nullable),
        Column("timeframe", String(5), primary_key=primary, nullable=False),
    )


def moments(table: str, *columns: str) -> list[CheckConstraint]:
    """Columns whose times every program can read: no infinity, no year 48113."""
    condition = "{0} >= '1970-01-01 00:00+00' AND {0} <= '2300-01-01 00:00+00'"
    return [CheckConstraint(condition.format(name), name=f"{table}_{name}_moment") for name in columns]


def on_grid(name: str, first: str, last: str, *, open_end: bool) -> CheckConstraint:
    """Times at which candles of the row's timeframe open, from 1970 to 2200; `opens_candle` is a function of migration 6."""
    ends = "<" if open_end else "<="
    condition = f"{first} >= '1970-01-01 00:00+00' AND {last} {ends} '2200-01-01 00:00+00'"
    condition += "".join(f" AND opens_candle(timeframe, {column})" for column in dict.fromkeys((first, last)))
    return CheckConstraint(condition, name=name)


def period(table: str) -> list[CheckConstraint]:
    """A half-open period of whole cells."""
    return [
        CheckConstraint("start_time < end_time", name=f"{table}_forward"),
        on_grid(f"{table}_on_grid", "start_time", "end_time", open_end=False),
    ]
