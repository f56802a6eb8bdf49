"""Files that a run executed, beside what they hold today or what another run executed: lines with their signs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PySide6.QtGui import QColor, QFontDatabase, QTextCursor, QTextFormat
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QPlainTextEdit, QTextEdit, QVBoxLayout, QWidget

from desktop.theme.colours import DARK, Theme
from desktop.widgets.buttons import combo
from desktop.widgets.labels import ElidedLabel
from engine.model.comparison import SourceFile

_WIDEST_NAME: Final = 420  # of a file, px


class SourceView(QWidget):
    """One file at a time. `other`: what `SourceFile.now` is, in words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.file: QComboBox = combo("File", ())
        self.file.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.file.setMaximumWidth(_WIDEST_NAME)
        self.verdict = ElidedLabel()
        self.text = QPlainTextEdit(readOnly=True)
        self.text.setAccessibleName("Source")
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._files: Sequence[SourceFile] = ()
        self._other = ""
        self._theme = DARK
        bar = QHBoxLayout()
        bar.addWidget(self.file)
        bar.addWidget(self.verdict, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addLayout(bar)
        layout.addWidget(self.text, 1)
        self.file.currentIndexChanged.connect(lambda _: self._show())

    def show_files(self, files: Sequence[SourceFile], other: str) -> None:
        """Show the first of these files."""
        self._files, self._other = files, other
        self.file.blockSignals(True)
        self.file.clear()
        self.file.addItems([file.name for file in files])
        self.file.blockSignals(False)
        self._show()

    def _show(self) -> None:
        place = self.file.currentIndex()
        if not 0 <= place < len(self._files):
            self.verdict.setText("")
            self.text.clear()
            return
        file = self._files[place]
        lines = list(file.lines())
        known = file.then is not None and file.now is not None
        self.verdict.setText(_verdict(file, sum(sign != " " for sign, _ in lines), self._other))
        self.text.setPlainText(
            "\n".join(f"{sign} {line}" for sign, line in lines) if known else (file.then or "")
        )
        signs = [sign for sign, _ in lines] if known else []
        self._mark(signs)
        first = next((number for number, sign in enumerate(signs) if sign != " "), 0)
        self.text.setTextCursor(QTextCursor(self.text.document().findBlockByNumber(first)))
        self.text.centerCursor()

    def _mark(self, signs: Sequence[str]) -> None:
        """Colour what differs; its sign says so without the colour."""
        colours = {"-": QColor(self._theme.negative), "+": QColor(self._theme.positive)}
        marks = []
        for number, sign in enumerate(signs):
            if sign == " ":
                continue
            mark = QTextEdit.ExtraSelection()
            colour = colours[sign]
            colour.setAlpha(50)
            mark.format.setBackground(colour)
            mark.format.setProperty(QTextFormat.Property.FullWidthSelection, True)
            mark.cursor = QTextCursor(self.text.document().findBlockByNumber(number))
            marks.append(mark)
        self.text.setExtraSelections(marks)

    def apply_theme(self, theme: Theme) -> None:
        """Take the theme's colours."""
        self._theme = theme
        self._show()


def _verdict(file: SourceFile, differing: int, other: str) -> str:
    if file.then is None:
        return "The source was not kept with this run: an older version of the program made it"
    if file.now is None:
        return f"As it was; {other} has no such file"
    if file.is_same:
        return f"The same as {other}"
    return f"{differing:,} lines differ: − as it was, + {other}"
