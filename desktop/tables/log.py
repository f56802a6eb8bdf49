"""What happened, one row per line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from desktop.tables import formats
from desktop.tables.table import Column, TableModel

LEVELS: Final = ("info", "warning", "error")
MAX_LINES: Final = 5000


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line: when (ms), how grave, what, and more to read on demand."""

    at_ms: int
    level: str
    text: str
    details: str = ""


COLUMNS: Final[tuple[Column[LogLine], ...]] = (
    Column("time", "Time (UTC)", lambda line: line.at_ms, formats.second,
           export=formats.exported_time),
    Column("level", "Level", lambda line: line.level, lambda level: str(level).capitalize()),
    Column("text", "Message", lambda line: line.text),
)  # fmt: skip


class LogModel(TableModel[LogLine]):
    """The newest lines; the oldest go when there are too many."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(COLUMNS, parent)

    def add(self, line: LogLine) -> None:
        """Append a line."""
        self.rows.append(line)
        if len(self.rows) > MAX_LINES:
            self.set_rows(self.rows[-MAX_LINES:])
        else:
            self.rearrange()

    def foreground(self, column: Column[LogLine], value: Any) -> Any:
        """Grave lines stand out."""
        if column.key == "level":
            return self.colours.get({"error": "negative", "warning": "warning"}.get(value, "muted"))
        return super().foreground(column, value)

    def tooltip(self, row: LogLine, column: Column[LogLine]) -> str | None:
        """The whole message."""
        del column
        return row.text
