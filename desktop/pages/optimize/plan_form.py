"""What a sweep tries: strategy, ranges, constraint, objective, sampler; how many trials that makes, or why it cannot run."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from desktop.pages.optimize.range_form import RangeForm
from desktop.pages.optimize.subject import Subject
from desktop.pages.optimize.subject_form import SubjectForm
from desktop.pages.optimize.values import SweepChoice
from desktop.pages.optimize.words import SAMPLERS, planned_words
from desktop.pages.setup.values import Setup
from desktop.tables import formats
from desktop.theme.colours import Theme
from desktop.theme.icons import icon
from desktop.widgets.buttons import narrow_combo
from desktop.widgets.labels import PlainLabel
from desktop.widgets.still_fields import WholeField
from desktop.work.bridge import Phase
from engine.errors import InputError
from engine.model.sweep_spec import GRID, SweepSpec

_SETTLE_MS: Final = 150


class PlanForm(QWidget):
    """Of what is varied, its `Subject`. Signals: `run_wanted()`, `stop_wanted()`; `changed()`; `count_wanted()` once the
    ranges settled. `choices`: by the keys of subjects.
    """

    run_wanted = Signal()
    stop_wanted = Signal()
    changed = Signal()
    count_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.choices: dict[str, SweepChoice] = {}
        self.phase = Phase.IDLE
        self._setup = Setup()
        self._count: int | str | None = None
        self._failure = ""
        self.ranges: RangeForm | None = None
        self._make_fields()
        self._timer = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._timer.timeout.connect(self._ask_count)
        self._lay_out()
        self._connect()
        self._update()

    # -- building ----------------------------------------------------------------------------------------------------

    def _make_fields(self) -> None:
        self.subjects = SubjectForm()
        self.range_area = QScrollArea(widgetResizable=True)
        self.range_area.setFrameShape(QFrame.Shape.NoFrame)
        self.range_area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.range_area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.constraint = QLineEdit(clearButtonEnabled=True)
        self.constraint.setAccessibleName("Constraint")
        self.constraint.setToolTip(
            "Only combinations that fulfil it are tried: comparisons, and, or, not, + - * / // %"
        )
        self.objective, self.sampler = narrow_combo("Objective"), narrow_combo("Which combinations")
        self.objective.setToolTip("What makes a trial the best one")
        self.second = narrow_combo("Second objective")
        self.second.setToolTip("Trials that no other beats in both are marked as the front")
        for number, (key, (words, meaning)) in enumerate(SAMPLERS.items()):
            self.sampler.addItem(words, key)
            self.sampler.setItemData(number, meaning, Qt.ItemDataRole.ToolTipRole)
        self.trials = WholeField(minimum=1, maximum=1_000_000, value=1000, suffix=" trials")
        self.trials.setGroupSeparatorShown(True)
        self.trials.setAccessibleName("Number of trials")
        self.trials.setToolTip("How many combinations are tried")
        self.seed = WholeField(minimum=0, maximum=999_999, prefix="seed ")
        self.seed.setAccessibleName("Seed")
        self.seed.setToolTip("The same seed tries the same combinations")
        self.count = PlainLabel(wordWrap=True)
        self.count.setProperty("role", "title")
        self.problem = PlainLabel(wordWrap=True)
        self.problem.setProperty("role", "warning")
        self.run, self.stop = QPushButton("Optimize"), QPushButton("Stop")
        self.run.setProperty("primary", True)
        self.run.setToolTip("Try every combination (F6)")
        self.stop.setToolTip("Stop; the trials that are finished are kept (Esc)")
        for button in (self.run, self.stop):
            button.setAccessibleName(button.text())

    def _lay_out(self) -> None:
        draw = QWidget()
        row = QHBoxLayout(draw)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(5)
        for part in (self.trials, self.seed):
            row.addWidget(part, 1)
        grid = QGridLayout()
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(1, 1)
        named = (
            ("&Constraint", self.constraint),
            ("&Best by", self.objective),
            ("a&nd by", self.second),
            ("Tr&y", self.sampler),
        )
        for line, (words, field) in enumerate(named):
            label = PlainLabel(words)
            label.setBuddy(field)
            grid.addWidget(label, line, 0)
            grid.addWidget(field, line, 1)
        grid.addWidget(draw, len(named), 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.run, 1)
        buttons.addWidget(self.stop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 8, 8, 8)
        layout.setSpacing(5)
        layout.addWidget(self.subjects)
        layout.addWidget(self.range_area, 1)
        layout.addLayout(grid)
        layout.addWidget(self.count)
        layout.addWidget(self.problem)
        layout.addLayout(buttons)

    def _connect(self) -> None:
        self.subjects.changed.connect(self._show_subject)
        self.subjects.market_changed.connect(self._edited)
        self.constraint.textChanged.connect(lambda _: self._edited())
        self.constraint.returnPressed.connect(self._run)
        self.objective.activated.connect(lambda _: self._edited())
        self.second.activated.connect(lambda _: self._edited())
        self.sampler.currentIndexChanged.connect(lambda _: self._edited())
        self.trials.valueChanged.connect(lambda _: self._edited())
        self.seed.valueChanged.connect(lambda _: self._edited())
        self.run.clicked.connect(self._run)
        self.stop.clicked.connect(lambda: self.stop_wanted.emit())

    # -- what is chosen ----------------------------------------------------------------------------------------------

    def subject(self) -> Subject | None:
        """What is varied."""
        return self.subjects.subject()

    def spec(self) -> SweepSpec:
        """The sweep to do; raises InputError with the reason where there is none."""
        subject = self.subject()
        if subject is None:
            raise InputError("Select a strategy")
        problem = self.ranges.problem() if self.ranges else ""
        if problem:
            raise InputError(problem)
        return subject.spec(self.choices[subject.key], self._setup, *self.subjects.market())

    def set_setup(self, setup: Setup) -> None:
        """Symbols, timeframe, period, costs and fixed values come from the set-up."""
        self._setup = setup
        self.subjects.set_setup(setup)
        self._show_fixed()
        self._edited()

    def set_objectives(self, definitions: Mapping[str, Any]) -> None:
        """The metrics that can be aimed at."""
        for combo in (self.objective, self.second):
            combo.clear()
        self.second.addItem("nothing else", "")
        for name, definition in definitions.items():
            for combo in (self.objective, self.second):
                combo.addItem(definition.title, name)
                combo.setItemData(combo.count() - 1, definition.definition, Qt.ItemDataRole.ToolTipRole)
        self._show_choice()

    def use_choices(self, key: str, choices: Mapping[str, SweepChoice]) -> None:
        """Choose all of this, once the strategies are known."""
        self.choices = dict(choices)
        self.subjects.choose(key)

    def use_plan(self, spec: SweepSpec) -> None:
        """Choose what a sweep varied; nothing where its strategy is gone."""
        info = self.subjects.infos.get(spec.strategy)
        if info is not None:
            known = self.choices.get(info.name, SweepChoice()).completed(info.params)
            self.choices[info.name] = known.with_plan_of(spec, info.params)
            self.subjects.choose_market(spec.symbol, spec.across)
            self.subjects.choose(info.name)

    def set_phase(self, phase: Phase) -> None:
        """Work began or ended."""
        self.phase = phase
        self._update()

    def set_count(self, count: int | str) -> None:
        """How many trials there are, or why there are none."""
        self._count = count
        self._update()

    def set_failure(self, text: str) -> None:
        """Why the last sweep came to nothing; another try may fare better."""
        self._failure = text
        self._update()

    # -- showing -----------------------------------------------------------------------------------------------------

    def _show_subject(self) -> None:
        subject = self.subject()
        if subject is None:
            self._update()
            return
        known = self.choices.get(subject.key, SweepChoice())
        # of legs whose strategies do not load no parameter is known, and nothing is to be forgotten
        self.choices[subject.key] = known.completed(subject.params) if subject.params else known
        if self.ranges is None or self.ranges.params != subject.params:
            self._make_ranges(subject)
        else:
            self.ranges.blockSignals(True)  # the fields below it still hold what was chosen before
            self.ranges.set_choices(self.choices[subject.key].ranges)
            self.ranges.blockSignals(False)
        self._show_fixed()
        self._show_choice()

    def _make_ranges(self, subject: Subject) -> None:
        self.ranges = RangeForm(subject.params, subject.source)
        self.ranges.set_choices(self.choices[subject.key].ranges)
        self.ranges.changed.connect(self._edited)
        self.range_area.setWidget(self.ranges)
        self.ranges.setAutoFillBackground(False)
        self.range_area.setMinimumWidth(
            self.ranges.minimumSizeHint().width() + self.range_area.verticalScrollBar().sizeHint().width()
        )
        self.constraint.setPlaceholderText(f"e.g. {subject.example}")
        self._order_tabs()

    def _order_tabs(self) -> None:
        """The Tab key goes from top to bottom; the rows of ranges came last."""
        rows = self.ranges.fields() if self.ranges is not None else []
        below = (*self._choice_fields(), self.run, self.stop)
        chain: list[QWidget] = [self.subjects.strategy, self.subjects.symbol, *rows, *below]
        for one, following in itertools.pairwise(chain):
            QWidget.setTabOrder(one, following)

    def _choice_fields(self) -> tuple[QWidget, ...]:
        """What is chosen beside the ranges, from top to bottom."""
        return (self.constraint, self.objective, self.second, self.sampler, self.trials, self.seed)

    def _show_fixed(self) -> None:
        subject = self.subject()
        if self.ranges is not None and subject is not None:
            self.ranges.set_fixed(subject.fixed(self._setup))

    def _show_choice(self) -> None:
        subject = self.subject()
        if subject is None:
            return
        choice = self.choices[subject.key]
        fields = self._choice_fields()
        for field in fields:
            field.blockSignals(True)
        self.constraint.setText(choice.constraint)
        self.objective.setCurrentIndex(max(0, self.objective.findData(choice.objective)))
        self.second.setCurrentIndex(max(0, self.second.findData(choice.second_objective)))
        self.sampler.setCurrentIndex(self.sampler.findData(choice.sampler))
        self.trials.setValue(choice.trials)
        self.seed.setValue(choice.seed)
        for field in fields:
            field.blockSignals(False)
        self._edited()

    def _edited(self) -> None:
        subject = self.subject()
        if subject is not None and self.ranges is not None:
            known = self.choices[subject.key]
            self.choices[subject.key] = replace(
                known,
                ranges={**known.ranges, **self.ranges.choices()},
                constraint=self.constraint.text(),
                objective=self.objective.currentData() or known.objective,
                second_objective=self.second.currentData() or "",
                sampler=self.sampler.currentData(),
                trials=self.trials.value(),
                seed=self.seed.value(),
            )
        self._count, self._failure = None, ""
        self._update()
        self._timer.start()
        self.changed.emit()

    def _ask_count(self) -> None:
        try:
            self.spec()
        except InputError:
            return
        self.count_wanted.emit()

    def _run(self) -> None:
        if self.run.isEnabled():
            self.run_wanted.emit()

    def _update(self) -> None:
        idle, some = self.phase is Phase.IDLE, self.sampler.currentData() != GRID
        self.trials.setVisible(some)
        self.seed.setVisible(some)
        words, problem = "", None
        try:
            total, words = planned_words(self.spec())
            if isinstance(self._count, int) and self._count != total:
                words += f" → {formats.whole(self._count)} trials"
        except InputError as error:
            problem = str(error)
        if isinstance(self._count, str):
            problem = self._count
        if not idle:
            problem = f"{self.phase.value} …"
        self.count.setText(words)
        self.count.setVisible(bool(words))
        self.problem.setText(problem or self._failure)
        self.problem.setVisible(bool(self.problem.text()))
        self._mark_constraint(bad=isinstance(self._count, str) and self._count.startswith("constraint"))
        self.run.setEnabled(idle and problem is None)
        self.stop.setEnabled(self.phase is Phase.OPTIMIZING)

    def _mark_constraint(self, *, bad: bool) -> None:
        if self.constraint.property("bad") != bad:
            self.constraint.setProperty("bad", bad)
            self.constraint.style().polish(self.constraint)

    def apply_theme(self, theme: Theme) -> None:
        """Colour the icons."""
        self.run.setIcon(icon("run", theme.accent_text))
        self.stop.setIcon(icon("stop", theme.negative))
