"""Cells of the table of series that are more than text: the strip, work under way with Stop, the question before Delete."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from desktop.charts.strip import paint_strip
from desktop.pages.data.jobs import job_words
from desktop.tables.holdings import HoldingsModel
from desktop.theme.colours import DARK, Theme
from desktop.widgets.labels import PlainLabel
from desktop.work.jobs import Job

_STEPS = 1000
_STRIP = 9


class StripDelegate(QStyledItemDelegate):
    """Paints what is held of a series over time."""

    def __init__(self, model: HoldingsModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self.theme: Theme = DARK

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """The row's background, and the strip on it."""
        super().paint(painter, option, index)
        holding = self._model.row_at(index.row()).holding
        if holding is None:
            return
        area = QRectF(option.rect)
        top = area.center().y() - _STRIP / 2
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_strip(
            painter, QRectF(area.left() + 6, top, area.width() - 12, _STRIP), holding.coverage, self.theme
        )
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """Wide enough to see holes."""
        return QSize(170, super().sizeHint(option, index).height())


class JobCell(QWidget):
    """Covers the text of its cell. `stop_wanted()`."""

    stop_wanted = Signal()

    def __init__(self, job: Job, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("seriesCell")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.bar = QProgressBar(minimum=0, maximum=_STEPS, textVisible=False)
        self.bar.setFixedWidth(60)
        self.bar.setAccessibleName(f"Progress of {name}")
        self._text = ""
        self.words = PlainLabel()
        self.words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.stop = QPushButton("Stop")
        self.stop.setProperty("cell", True)
        self.stop.setToolTip(f"Stop the work on {name}; what is finished is kept")
        self.stop.setAccessibleName(self.stop.toolTip())
        row = QHBoxLayout(self)
        row.setContentsMargins(4, 1, 4, 1)
        row.setSpacing(6)
        for widget, stretch in ((self.bar, 0), (self.stop, 0), (self.words, 1)):
            row.addWidget(widget, stretch)
        self.stop.clicked.connect(lambda: self.stop_wanted.emit())
        self.show_job(job)

    def show_job(self, job: Job) -> None:
        """How far it is."""
        part = job.part
        self.bar.setRange(0, 0 if part is None else _STEPS)
        if part is not None:
            self.bar.setValue(round(part * _STEPS))
        self._text = job_words(job)
        self._fit()
        self.words.setToolTip(self._text)
        self.stop.setEnabled(not job.is_stopping)

    def _fit(self) -> None:
        shown = self.words.fontMetrics().elidedText(
            self._text, Qt.TextElideMode.ElideRight, self.words.width()
        )
        self.words.setText(shown)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Words that do not fit end in dots."""
        super().resizeEvent(event)
        self._fit()
