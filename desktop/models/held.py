"""What the database holds, one row per series."""

from __future__ import annotations

from typing import Any, Final

from desktop import formats
from desktop.models.table import Column

COLUMNS: Final[tuple[Column[Any], ...]] = (
    Column("symbol", "Symbol", lambda row: row.market.name),
    Column("exchange", "Exchange", lambda row: row.market.exchange),
    Column("timeframe", "Timeframe", lambda row: str(row.timeframe)),
    Column("first", "First candle (UTC)", lambda row: row.first_ms, formats.minute, export=formats.exported_time),
    Column("last", "Last candle (UTC)", lambda row: row.last_ms, formats.minute, export=formats.exported_time),
    Column("candles", "Candles", lambda row: row.candles, formats.whole, numeric=True),
)  # fmt: skip
