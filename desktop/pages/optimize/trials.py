"""The best trials of a sweep as a table: parameters, objective, a few more figures. Rows read the sweep's columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QFont

from desktop.tables import formats
from desktop.tables.metrics import definition_of, metric_text
from desktop.tables.run_names import value_text
from desktop.tables.runs import COLUMNS as RUN_COLUMNS
from desktop.tables.table import Column, Index, TableModel
from engine.model.sweep import SweepResult

MOST_ROWS: Final = 200
_FIGURES: Final = (  # before all the others
    "return_pct", "max_drawdown_pct", "sharpe", "sortino", "profit_factor", "win_rate_pct", "trades", "exposure_pct",
)  # fmt: skip
_SHORT: Final = {column.key: column.title for column in RUN_COLUMNS}
_SIGNED: Final = ("return_pct",)
Wanted = npt.NDArray[np.bool_]  # of each trial, whether it is to be seen


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A trial by its place in the order of the best (from 1) and its position in the sweep's columns."""

    rank: int
    position: int
    number: int
    sweep: SweepResult

    def metric(self, name: str) -> float:
        """A figure; NaN where there is none."""
        return float(self.sweep.metrics[name][self.position])

    def on(self, symbol: str) -> float:
        """The objective on one of several markets; NaN where there is none."""
        value = self.sweep.values_on(self.position).get(symbol)
        return float("nan") if value is None else value

    def param(self, name: str) -> Any:
        """A varied parameter's value."""
        return self.sweep.params[name][self.position].item()


class TrialsModel(TableModel[TrialRow]):
    """The best trials of one sweep; columns follow what it varied."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__((), parent)
        self._shape: tuple[object, ...] = ()
        self.objectives: tuple[str, ...] = ()

    def show_sweep(
        self,
        sweep: SweepResult | None,
        definitions: Mapping[str, Any],
        marked: int | None,
        wanted: Wanted | None = None,
    ) -> bool:
        """Show the best of the wanted trials, and the one at the position `marked` wherever it ranks; True when the columns
        changed.
        """
        shape = (
            ()
            if sweep is None
            else (tuple(sweep.params), sweep.spec.objectives, tuple(sweep.metrics), sweep.spec.symbols)
        )
        changed = shape != self._shape
        if changed:
            self._shape = shape
            self.objectives = () if sweep is None else sweep.spec.objectives
            self.set_columns([] if sweep is None else _columns(sweep, definitions))
        self.set_rows([] if sweep is None else _rows(sweep, marked, wanted))
        return changed

    def view_row_of(self, number: int) -> int | None:
        """Where the trial of this number is shown, or None."""
        return next((view for view, base in enumerate(self.order) if self.rows[base].number == number), None)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The objectives are bold."""
        if role == Qt.ItemDataRole.FontRole and self.columns[index.column()].key in self.objectives:
            bold = QFont()
            bold.setBold(True)
            return bold
        return super().data(index, role)

    def tooltip(self, row: TrialRow, column: Column[TrialRow]) -> str | None:
        """All parameters of the trial."""
        del column
        params = "\n".join(f"{name} {value}" for name, value in row.sweep.params_of(row.position).items())
        return f"trial {row.number}\n{params}"


def _rows(sweep: SweepResult, marked: int | None, wanted: Wanted | None) -> list[TrialRow]:
    ranks = np.arange(len(sweep)) if wanted is None else np.flatnonzero(wanted[sweep.order])
    best = [(rank, int(sweep.order[rank])) for rank in ranks[:MOST_ROWS].tolist()]
    rows = [_row(sweep, rank + 1, at) for rank, at in best if at not in sweep.errors]
    if marked is not None and marked not in (row.position for row in rows):
        rows.append(_row(sweep, int((sweep.order == marked).argmax()) + 1, marked))
    return rows


def _row(sweep: SweepResult, rank: int, at: int) -> TrialRow:
    return TrialRow(rank, at, int(sweep.numbers[at]), sweep)


def _columns(sweep: SweepResult, definitions: Mapping[str, Any]) -> list[Column[TrialRow]]:
    rank: Column[TrialRow] = Column(
        "rank", "#", lambda row: row.rank, formats.whole, numeric=True, tooltip="Best first"
    )
    params = [_param(name) for name in sweep.params]
    objectives = sweep.spec.objectives
    first = [name for name in _FIGURES if name in sweep.metrics]
    figures = [name for name in dict.fromkeys([*first, *sweep.metrics]) if name not in objectives]
    aims = [_metric(name, definitions) for name in objectives]
    if len(aims) > 1:
        aims.append(_FRONT)
    aims += [_on(symbol, sweep.spec.objective) for symbol in sweep.spec.symbols]
    return [rank, *aims, *params, *(_metric(name, definitions) for name in figures)]


_FRONT: Final[Column[TrialRow]] = Column(
    "front", "Front", lambda row: row.position in row.sweep.front, lambda on: "◆" if on else "",
    tooltip="No other trial is better in one objective without being worse in the other",
)  # fmt: skip


def _on(symbol: str, objective: str) -> Column[TrialRow]:
    return Column(
        f"on {symbol}", symbol, lambda row: row.on(symbol), metric_text(objective), numeric=True,
        tooltip="What is aimed at, on this market alone",
    )  # fmt: skip


def _param(name: str) -> Column[TrialRow]:
    return Column(name, name, lambda row: row.param(name), value_text, numeric=True)


def _metric(name: str, definitions: Mapping[str, Any]) -> Column[TrialRow]:
    definition = definition_of(name, definitions)
    return Column(
        name, metric_title(name, definitions), lambda row: row.metric(name), metric_text(name), numeric=True,
        signed=name in _SIGNED, tooltip=definition.text,
    )  # fmt: skip


def metric_title(name: str, definitions: Mapping[str, Any]) -> str:
    """The metric's short title with its unit, as the table of runs has it: Return %, Max DD %."""
    if name in _SHORT:
        return _SHORT[name]
    definition = definition_of(name, definitions)
    return f"{definition.title} %" if definition.unit == "%" else definition.title


def position_of(sweep: SweepResult, number: int) -> int | None:
    """Where the trial of this number stands in the sweep's columns; None where it was not made."""
    found = (sweep.numbers == number).nonzero()[0]
    return int(found[0]) if len(found) else None
