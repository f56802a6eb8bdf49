"""How a file of candles is understood, before anything of it is stored: series, columns, unit, time zone, first rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QCompleter,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from desktop.tables import formats
from desktop.tables.holdings import SeriesKey
from desktop.tables.series_words import import_words
from desktop.tables.table import Column, TableModel
from desktop.theme.colours import Theme
from desktop.widgets.flow_layout import FlowLayout
from desktop.widgets.labels import PlainLabel
from desktop.widgets.still_fields import Choice
from desktop.widgets.table_view import TableView
from desktop.widgets.zone_field import zone_field
from engine.model.candle_files import ImportPreview
from engine.model.exchanges import EXCHANGES
from engine.model.market import PRICE_COLUMNS, TIMEFRAMES, format_time, timeframes_of

FIELDS: Final = ("timestamp", *PRICE_COLUMNS)
_TITLES: Final = {"timestamp": "Time"} | {name: name.capitalize() for name in PRICE_COLUMNS}
_UNITS: Final = {
    "auto": "auto", "s": "seconds", "ms": "milliseconds", "us": "microseconds",
}  # fmt: skip
_DECIMALS: Final = {"auto": "auto", "point": "point 1.5", "comma": "comma 1,5"}
_HEADERS: Final = {"auto": None, "names the columns": True, "is a candle": False}
_AUTO: Final = "auto"
_PAIR: Final = re.compile(r"\w{2,}(USD[TC]?|FDUSD|BUSD|TUSD|BTC|ETH|BNB|EUR|TRY)")
_SETTLE_MS: Final = 250
_OPTION: Final = re.compile(r" \(--.*?\)")  # of the command line
FileHead = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]  # names of the columns, first rows
CandleRow = tuple[int, tuple[float, ...]]
_COLUMNS: Final[tuple[Column[CandleRow], ...]] = (
    Column("timestamp", "Time (UTC)", lambda row: row[0], format_time, export=format_time),
    *(
        Column(name, name.capitalize(), lambda row, at=at: row[1][at], repr, numeric=True)  # type: ignore[misc]
        for at, name in enumerate(PRICE_COLUMNS)
    ),
)


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """A file, the series it is to become, and how it is to be understood (`form`: the fields of a FileFormat)."""

    path: Path
    key: SeriesKey
    form: dict[str, Any]


def series_of_name(name: str, known: Mapping[str, str], fallback: SeriesKey) -> SeriesKey:
    """Symbol and timeframe as a file's name tells them (SOLUSDT-1h-2024-01.csv); the rest from `fallback`.

    `known`: symbols and their exchanges.
    """
    words = re.split(r"[-_. ]+", name)
    timeframe = next((word for word in words if word in TIMEFRAMES), fallback[2])
    names = [word.upper() for word in words]
    symbol = next((name for name in names if name in known), None)
    if symbol is not None:
        return known[symbol], symbol, timeframe
    # a symbol that nobody knows is shown and refused: that of another coin would be wrong in silence
    other = next((name for name in names if _PAIR.fullmatch(name)), fallback[1])
    return fallback[0], other, timeframe


class ImportPanel(QWidget):
    """Signals: `preview_wanted(ImportRequest)` after each change; `import_wanted(ImportRequest)`; `cancelled()`."""

    preview_wanted = Signal(object)
    import_wanted = Signal(object)
    cancelled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.path: Path | None = None
        self.title, self.words = PlainLabel(), PlainLabel(wordWrap=True)
        self.title.setProperty("role", "title")
        self.accept = QPushButton("Import")
        self.accept.setProperty("primary", True)
        self.cancel = QPushButton("Cancel")
        self.exchange, self.timeframe = _combo("Exchange of the file"), _combo("Timeframe of the file")
        for name, info in EXCHANGES.items():
            self.exchange.addItem(info.title, name)
        self.symbol = QLineEdit(placeholderText="Symbol")
        self.symbol.setAccessibleName("Symbol of the file")
        self.unit, self.zone = (
            _combo("Unit of numeric times"),
            zone_field("Time zone of times that name none"),
        )
        for unit, text in _UNITS.items():
            self.unit.addItem(text, unit)
        self.decimal, self.header = _combo("Decimal mark of the file"), _combo("What the first row is")
        for mark, text in _DECIMALS.items():
            self.decimal.addItem(text, mark)
        for text, is_header in _HEADERS.items():
            self.header.addItem(text, is_header)
        self.columns = {name: _combo(f"Column of {_TITLES[name].lower()}") for name in FIELDS}
        self.model: TableModel[CandleRow] = TableModel(_COLUMNS, self)
        self.table = TableView(self.model, "First rows as understood", "Reading …")
        self.table.horizontalHeader().setStretchLastSection(False)
        self._raw = ""
        self._quiet = False
        self._timer = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._timer.timeout.connect(self._ask)
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setContentsMargins(10, 6, 8, 0)
        head.addWidget(self.title)
        head.addSpacing(10)
        head.addWidget(self.words, 1)
        head.addWidget(self.cancel)
        head.addWidget(self.accept)
        fields = QWidget()
        flow = FlowLayout(fields, spacing=4)
        for name, field in (("Exchange", self.exchange), ("Symbol", self.symbol), ("Timeframe", self.timeframe),
                            ("Unit", self.unit), ("Zone", self.zone), ("Decimals", self.decimal), ("First row", self.header),
                            *((_TITLES[name], combo) for name, combo in self.columns.items())):  # fmt: skip
            flow.addWidget(_labelled(name, field))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(head)
        indented = QHBoxLayout()
        indented.setContentsMargins(10, 0, 8, 0)
        indented.addWidget(fields)
        layout.addLayout(indented)
        layout.addWidget(self.table, 1)

    def _connect(self) -> None:
        self.symbol.textEdited.connect(lambda _: self._changed())
        self.zone.currentTextChanged.connect(lambda _: self._changed())
        self.exchange.currentIndexChanged.connect(lambda _: self._offer())
        for combo in (
            self.timeframe,
            self.unit,
            self.decimal,
            self.header,
            *self.columns.values(),
        ):
            combo.currentIndexChanged.connect(lambda _: self._changed())
        self.accept.clicked.connect(self._accept)
        self.cancel.clicked.connect(lambda: self.cancelled.emit())

    # -- what is shown -----------------------------------------------------------------------------------------------

    def open(self, path: Path, head: FileHead, key: SeriesKey, symbols: Sequence[str]) -> None:
        """Show a file that begins so; `key` is what it probably holds, `symbols` complete what is typed."""
        self._quiet = True
        columns, rows = head
        self._raw = "\n".join(" | ".join(row) for row in (columns, *rows))
        self.table.say("Reading …")
        self.path = path
        self.title.setText(f"Import {path.name}")
        self.exchange.setCurrentIndex(self.exchange.findData(key[0]))
        self._offer()
        self.symbol.setText(key[1])
        completer = QCompleter(sorted(symbols), self.symbol)
        offered = completer.popup()
        assert offered is not None
        offered.setStyleSheet(self.window().styleSheet())  # a window of its own: its sheet does not reach it
        self.symbol.setCompleter(completer)
        self.timeframe.setCurrentText(key[2])
        for combo in (self.unit, self.decimal, self.header):
            combo.setCurrentIndex(0)
        self.unit.setItemText(0, _UNITS["auto"])
        for combo in self.columns.values():
            combo.clear()
            combo.addItem(_AUTO, "")
            for column in columns:
                combo.addItem(column, column)
        self._quiet = False
        self.model.set_rows(())
        self._changed()

    def request(self) -> ImportRequest | None:
        """What is chosen, or None before a file was opened."""
        if self.path is None:
            return None
        key = (
            str(self.exchange.currentData()),
            self.symbol.text().strip().upper(),
            self.timeframe.currentText(),
        )
        columns = {name: combo.currentData() for name, combo in self.columns.items() if combo.currentData()}
        form = {
            "columns": columns,
            "unit": self.unit.currentData(),
            "zone": self.zone.currentText().strip() or "UTC",
            "decimal": self.decimal.currentData(),
            "header": self.header.currentData(),
        }
        return ImportRequest(self.path, key, form)

    def show_preview(self, request: ImportRequest, found: ImportPreview | str) -> None:
        """The answer to a request, or the error; one that is not asked any more is dropped."""
        if request != self.request():
            return
        if isinstance(found, str):
            self.table.say(self._raw)  # what columns are chosen from
            self.model.set_rows(())
            self._say("error", _OPTION.sub("", found))
            return
        self.model.set_rows(found.candles)
        self.table.fit_columns()
        for name, combo in self.columns.items():
            combo.setItemText(0, f"{found.columns[name]} (auto)")
        self.unit.setItemText(0, f"{found.unit} (auto)" if found.unit != "auto" else _UNITS["auto"])
        if found.report is None:
            self._say("error", _OPTION.sub("", str(found.error)))
            return
        report = found.report
        span = f"{formats.minute(report.period.start)} – {formats.minute(report.period.end)}"
        words = f"{formats.whole(report.rows)} rows, {span}: {import_words(report, is_all=False)}"
        lines = [words, *report.notices]
        self._say("warning" if report.differing or not report.stored else "good", ". ".join(lines))
        self.accept.setEnabled(report.stored > 0)

    def _say(self, role: str, text: str) -> None:
        self.words.setProperty("role", role)
        self.words.style().polish(self.words)
        self.words.setText(text)
        self.words.setToolTip(text)

    def _offer(self) -> None:
        """The timeframes of the chosen exchange; the chosen one stays where that has it."""
        names, chosen, was_quiet = (
            timeframes_of(self.exchange.currentData()),
            self.timeframe.currentText(),
            self._quiet,
        )
        self._quiet = True
        self.timeframe.clear()
        self.timeframe.addItems(list(names))
        self.timeframe.setCurrentText(chosen if chosen in names else names[0])
        self._quiet = was_quiet
        self._changed()

    def _changed(self) -> None:
        if self._quiet or self.path is None:
            return
        self.accept.setEnabled(False)
        self._say("muted", "Reading …")
        self._timer.start()

    def _ask(self) -> None:
        request = self.request()
        if request is not None:
            self.preview_wanted.emit(request)

    def _accept(self) -> None:
        request = self.request()
        if request is not None:
            self.import_wanted.emit(request)

    def close_file(self) -> None:
        """Done with it."""
        self._timer.stop()
        self.path = None

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self.table.apply_theme(theme)


def _combo(name: str) -> QComboBox:
    combo = Choice()
    combo.setAccessibleName(name)
    combo.setToolTip(name)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
    return combo


def _labelled(name: str, field: QWidget) -> QWidget:
    box = QWidget()
    row = QHBoxLayout(box)
    row.setContentsMargins(0, 0, 4, 0)
    row.setSpacing(4)
    label = PlainLabel(name)
    label.setProperty("role", "muted")
    label.setBuddy(field)
    row.addWidget(label)
    row.addWidget(field)
    return box
