"""One row per parameter: fixed at the set-up's value, or varied from, to, in steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, Final

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QGridLayout, QLabel, QSizePolicy, QWidget

from desktop.pages.optimize.values import NUMERIC, RangeChoice, values_of
from desktop.tables import formats
from desktop.tables.run_names import value_text
from desktop.widgets.labels import ElidedLabel, PlainLabel
from desktop.widgets.value_field import ValueField
from engine.errors import InputError
from engine.model.numerals import read_number, read_whole
from engine.model.parameters import Param

_HEADS: Final = ("Vary", "From", "To", "Step", "Values")


@dataclass(frozen=True, slots=True)
class _Row:
    """The widgets of one parameter; `fields` is empty for choices and truth values."""

    param: Mapping[str, Any]
    varied: QCheckBox
    fields: tuple[ValueField, ...]
    fixed: QLabel
    count: QLabel

    def choice(self) -> RangeChoice:
        """What is chosen."""
        return RangeChoice(self.varied.isChecked(), *(field.value() for field in self.fields))

    def problem(self) -> str:
        """Why what is typed is no range; empty where it is one, or is not used."""
        return (
            next((field.problem for field in self.fields if field.problem), "")
            if self.varied.isChecked()
            else ""
        )


class RangeForm(QWidget):
    """`changed()` when any row did."""

    changed = Signal()

    def __init__(
        self, params: Sequence[Mapping[str, Any]], source: str, parent: QWidget | None = None
    ) -> None:
        """`source`: what says the values that do not vary. Names with a dot stand below what they are of."""
        super().__init__(parent)
        self.params, self._source = params, source
        self.rows: dict[str, _Row] = {}
        self._fixed: Mapping[str, Any] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 6, 0)
        grid.setHorizontalSpacing(5)
        grid.setVerticalSpacing(3)
        for column, head in enumerate(_HEADS):
            label = PlainLabel(head)
            label.setProperty("role", "muted")
            grid.addWidget(label, 0, column, alignment=_right(column == len(_HEADS) - 1))
        line = 1
        for owner, own in groupby(params, lambda param: str(param["name"]).rpartition(".")[0]):
            if owner:
                grid.addWidget(_head(owner), line, 0, 1, len(_HEADS))
                line += 1
            for param in own:
                self._add(grid, line, param)
                line += 1
        for column in (1, 2, 3):
            grid.setColumnStretch(column, 1)
        grid.setRowStretch(line, 1)
        self._update()

    def _add(self, grid: QGridLayout, line: int, param: Mapping[str, Any]) -> None:
        name = str(param["name"])
        owner, _, own = name.rpartition(".")
        varied = QCheckBox(own)
        told = (name if owner else "", param.get("help"), "Check it to try many values of it")
        varied.setToolTip("\n".join(filter(None, told)))
        varied.setAccessibleName(f"Vary {name}")
        fields = tuple(_field(param, which) for which in _HEADS[1:4]) if param["type"] in NUMERIC else ()
        fixed, count = PlainLabel(), PlainLabel()
        fixed.setProperty("role", "muted")
        fixed.setToolTip(f"The value of {self._source}; it is changed there")
        grid.addWidget(varied, line, 0)
        grid.addWidget(fixed, line, 1, 1, 3)
        for column, field in enumerate(fields, start=1):
            grid.addWidget(field, line, column)
            field.value_changed.connect(self._edited)
        grid.addWidget(count, line, 4, alignment=_right(right=True))
        grid.setRowMinimumHeight(line, self.fontMetrics().height() + 12)
        self.rows[name] = _Row(param, varied, fields, fixed, count)
        varied.toggled.connect(lambda _: self._edited())

    def fields(self) -> list[QWidget]:
        """What takes the focus, in reading order."""
        return [field for row in self.rows.values() for field in (row.varied, *row.fields)]

    def choices(self) -> dict[str, RangeChoice]:
        """What is chosen per parameter."""
        return {name: row.choice() for name, row in self.rows.items()}

    def set_choices(self, choices: Mapping[str, RangeChoice]) -> None:
        """Choose all of this."""
        for name, row in self.rows.items():
            choice = choices[name]
            row.varied.blockSignals(True)
            row.varied.setChecked(choice.varied)
            row.varied.blockSignals(False)
            for field, value in zip(row.fields, (choice.low, choice.high, choice.step), strict=False):
                field.set_value(value)
        self._edited()

    def problem(self) -> str:
        """Why what is typed is no range; empty where all are."""
        return next(filter(None, (row.problem() for row in self.rows.values())), "")

    def set_fixed(self, values: Mapping[str, Any]) -> None:
        """The set-up's values that differ from the defaults."""
        self._fixed = values
        self._update()

    def _edited(self) -> None:
        self._update()
        self.changed.emit()

    def _update(self) -> None:
        for name, row in self.rows.items():
            varied = row.varied.isChecked()
            for field in row.fields:
                field.setVisible(varied)
            row.fixed.setVisible(not (varied and row.fields))
            value = self._fixed.get(name, row.param["default"])
            row.fixed.setText(_all_values(row.param) if varied else f"fixed at {value_text(value)}")
            row.count.setText(_count(row) if varied else "")


def _head(owner: str) -> ElidedLabel:
    head = ElidedLabel(owner, f"What can vary of {owner}")
    head.setProperty("role", "title")
    return head


def _count(row: _Row) -> str:
    if row.problem():
        return formats.NO_VALUE
    try:
        return formats.whole(len(values_of(row.param, row.choice())))
    except InputError:
        return formats.NO_VALUE


def _all_values(param: Mapping[str, Any]) -> str:
    return ", ".join(map(str, values_of(param, RangeChoice()))) if param["type"] not in NUMERIC else ""


def _field(param: Mapping[str, Any], which: str) -> ValueField:
    name, is_step = str(param["name"]), which == "Step"
    field = ValueField(
        param["default"],
        partial(_read_step if is_step else _read_end, param),
        low=None if is_step else param["low"],
        high=None if is_step else param["high"],
    )
    field.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)  # not as wide as what is typed
    field.setAccessibleName(f"{which} of {name}")
    field.setToolTip(f"{name}: {which.lower()}")
    return field


def _read_end(param: Mapping[str, Any], text: str) -> Any:
    try:
        return Param.from_json(param).parse(text)
    except InputError as error:
        raise ValueError(str(error)) from None


def _read_step(param: Mapping[str, Any], text: str) -> float:
    whole = param["type"] == "int"
    try:
        step = read_whole(text) if whole else read_number(text)
    except ValueError:
        step = 0
    if not 0 < step < math.inf:
        raise ValueError(
            f"{param['name']}: the step must be a{' whole' * whole} number above 0, not {text!r}"
        )
    return step


def _right(right: bool) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter
