"""The set-up dock: typed parameters, periods in words, reasons why nothing can run, broken strategies in sight."""

import json
from dataclasses import replace
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox, QWidget
from pytestqt.qtbot import QtBot

from desktop.pages.setup.coverage_view import coverage_words
from desktop.pages.setup.panel import SetupPanel, WideScrollArea
from desktop.pages.setup.param_form import ParamForm
from desktop.pages.setup.period_form import preset_period
from desktop.pages.setup.values import Setup
from desktop.tables.dates import months_before
from desktop.widgets.value_field import ValueField
from desktop.work.bridge import Phase
from engine.model.account import Costs
from engine.model.coverage import MAINTENANCE, Coverage, MissingRange
from engine.model.market import HOUR_MS, Market, Period, Timeframe, parse_time
from engine.model.parameters import StrategyInfo
from engine.strategy import Param
from tests.desktop.builders import many_candles, run_on

SAMPLE = Market("sample", "SAMPLEUSDT", "SAMPLE/USDT:USDT", listed_ms=parse_time("2023-01-01"))
MARKETS = [
    (Market("binanceusdm", name, f"{name[:-4]}/USDT:USDT"), False)
    for name in ("BTCUSDT", "ETHUSDT", "SOLUSDT")
]


def params(**declared: Param) -> tuple[dict[str, Any], ...]:
    for name, param in declared.items():
        param.name = name
    return tuple(param.to_json() for param in declared.values())


CROSS = StrategyInfo("ema_cross", "EMA cross", "", params(fast=Param(21, low=2, high=200)), "ema_cross.py")
BROKEN = StrategyInfo(
    "mine",
    "",
    "",
    (),
    "mine.py",
    error="mine.py:3: SyntaxError: '(' was never closed",
    traceback="line 3\n  foo(",
)


@pytest.fixture
def panel(app: QApplication, qtbot: QtBot) -> SetupPanel:
    opened = SetupPanel()
    opened.apply_theme()
    opened.set_setup(Setup())
    opened.market.set_markets("sample", [(SAMPLE, True)])
    opened.strategies.set_infos([CROSS, BROKEN])
    opened.show()
    qtbot.addWidget(opened)
    return opened


def type_into(qtbot: QtBot, field: QWidget, text: str) -> None:
    assert isinstance(field, ValueField)
    field.lineEdit().selectAll()
    qtbot.keyClick(field.lineEdit(), Qt.Key.Key_Delete)
    qtbot.keyClicks(field.lineEdit(), text)


def test_each_parameter_gets_the_field_of_its_type_with_its_bounds(app: QApplication, qtbot: QtBot) -> None:
    form = ParamForm(
        params(
            length=Param(14, low=2, high=50),
            factor=Param(2.5, low=0.5, high=9.0),
            both=Param(True),
            kind=Param("fast", choices=("fast", "slow")),
        )
    )
    qtbot.addWidget(form)
    length, factor = form.fields["length"], form.fields["factor"]
    assert isinstance(length, ValueField)
    assert isinstance(factor, ValueField)
    assert (length.value(), factor.value()) == (14, 2.5)
    length.stepBy(100)
    factor.stepBy(-100)
    assert (length.value(), factor.value()) == (50, 0.5)
    type_into(qtbot, factor, "9.01")
    assert form.problem() == "factor must be a number from 0.5 to 9, not '9.01'"
    assert isinstance(form.fields["both"], QCheckBox)
    assert isinstance(form.fields["kind"], QComboBox)


def test_only_changed_parameters_are_sent_and_they_are_bold_until_reset(
    app: QApplication, qtbot: QtBot
) -> None:
    form = ParamForm(params(fast=Param(21, low=2, high=200), slow=Param(50), share=Param(0.1)))
    qtbot.addWidget(form)
    type_into(qtbot, form.fields["fast"], "30")
    type_into(qtbot, form.fields["share"], "0.25")
    assert form.values() == {"fast": 30, "share": 0.25}
    assert form._labels["fast"].font().bold()
    assert not form._labels["slow"].font().bold()
    form.reset()
    assert form.values() == {}
    assert not form._labels["fast"].font().bold()


EXACT: tuple[float, ...] = (
    0.015, 1.25e-05, 1e-08, 2_000_000_000, 20240101123, 10**30, -(10**15), 5e-324, 0.1 + 0.2, 1 / 3, 1e22, 5_000_000_000.0,
)  # fmt: skip


@pytest.mark.parametrize("value", EXACT)
def test_a_value_that_nobody_edits_passes_unchanged_to_the_last_bit_and_is_shown_whole(
    app: QApplication, qtbot: QtBot, value: float
) -> None:
    kind = type(value)
    form = ParamForm(params(odd=Param(value), other=Param(kind(3)), flag=Param(True)))
    qtbot.addWidget(form)
    type_into(qtbot, form.fields["other"], "4")
    assert form.values() == {"other": 4}
    form.set_values({"other": value, "odd": kind(1)})
    form.fields["flag"].setChecked(False)  # type: ignore[attr-defined]
    assert form.values() == {"other": value, "odd": 1, "flag": False}
    assert type(form.values()["other"]) is kind
    field = form.fields["other"]
    assert isinstance(field, ValueField)
    shown = field.lineEdit().text()
    type_into(qtbot, form.fields["odd"], shown)
    assert form.values()["other"] == value
    assert "odd" not in form.values()  # what is shown is the value: typed, it is the default again


@pytest.mark.parametrize("typed", ["", "x", "1.5", "1e400", "nan"])
def test_a_text_that_is_no_value_is_said_and_not_run(panel: SetupPanel, qtbot: QtBot, typed: str) -> None:
    form = panel.strategies.form
    assert form is not None
    type_into(qtbot, form.fields["fast"], typed)
    assert "fast must be a whole number" in panel.reason.text()
    assert not panel.run.isEnabled()
    type_into(qtbot, form.fields["fast"], "30")
    assert panel.strategies.changed_params() == {"ema_cross": {"fast": 30}}
    assert panel.strategies.problem() == ""


def test_a_choice_that_is_not_offered_any_more_and_a_text_stay_what_they_were(
    app: QApplication, qtbot: QtBot
) -> None:
    form = ParamForm(params(kind=Param("fast", choices=("fast", "slow")), word=Param("close")))
    qtbot.addWidget(form)
    form.set_values({"kind": "gone", "word": "open"})
    assert form.values() == {"kind": "gone", "word": "open"}
    form.reset()
    assert form.values() == {}


def test_steps_of_small_numbers_stay_tidy(app: QApplication, qtbot: QtBot) -> None:
    form = ParamForm(params(a=Param(0.015), b=Param(1.25e-05), c=Param(3.0), d=Param(10**20)))
    qtbot.addWidget(form)
    for field in form.fields.values():
        assert isinstance(field, ValueField)
        field.stepBy(2)
    assert form.values() == {"a": 0.017, "b": 1.45e-05, "c": 3.2, "d": 10**20 + 2}


def test_costs_that_nobody_edits_pass_unchanged(panel: SetupPanel) -> None:
    given = Costs(cash=12_345.678901, commission=0.00012345678, size=1 / 3, slippage=1e-9)
    panel.costs.set_costs(given)
    assert panel.costs.costs() == given
    panel.costs.cash.setValue(500)
    assert panel.costs.costs() == Costs(500, given.commission, given.size, given.slippage)
    assert panel.costs.commission.text() == "0.012345678 %"


def test_nothing_that_is_named_or_typed_changes_the_width(panel: SetupPanel, qtbot: QtBot) -> None:
    area = panel.findChild(WideScrollArea)
    assert area is not None
    before = area.minimumSizeHint().width(), panel.minimumSizeHint().width()
    word = "a_strategy_with_a_name_that_nobody_would_ever_write_" * 3
    odd = params(**{word: Param(1.0)}, choice=Param("c" * 90, choices=("c" * 90, "d")), text=Param("t" * 90))
    wild = StrategyInfo(word, word, word, odd, "x.py")
    broken = StrategyInfo(
        "mine", "mine", "", (), "x.py", error=f"mine.py:3: {word}", traceback=f"Trace\n{word}"
    )
    panel.strategies.set_infos([CROSS, wild, broken])
    for name in (word, "mine"):
        panel.strategies.focus(name)
        panel.strategies.set_choice((word,), {})
        qtbot.wait(20)
        assert (area.minimumSizeHint().width(), panel.minimumSizeHint().width()) == before
    panel.strategies.set_loading(on=True)
    panel.set_setup(replace(panel.setup(), engine="reference", warmup=12_500))
    qtbot.wait(20)
    assert (area.minimumSizeHint().width(), panel.minimumSizeHint().width()) == before
    assert panel.sections[-1].header.toolTip() == "reference engine · warm-up of 12,500"


def test_a_strategy_that_does_not_load_is_listed_with_its_error_and_cannot_be_chosen(
    panel: SetupPanel,
) -> None:
    item = panel.strategies.list.item(1)
    assert "does not load" in item.text()
    assert not item.flags() & Qt.ItemFlag.ItemIsUserCheckable
    panel.strategies.focus("mine")
    assert "mine.py:3: SyntaxError" in panel.strategies.description.text()
    assert "foo(" in panel.strategies.description.text()
    panel.strategies.focus("ema_cross")
    assert panel.strategies.form is not None
    assert panel.setup().strategies == ("ema_cross",)


def test_the_first_start_is_ready_to_run_offline(panel: SetupPanel) -> None:
    setup = panel.setup()
    assert (setup.exchange, setup.symbols, setup.problem()) == ("sample", ("SAMPLEUSDT",), None)
    assert panel.run.isEnabled()
    assert panel.summary.text() == "1 symbol × 1 strategy = 1 run"


def test_run_says_why_it_cannot(panel: SetupPanel) -> None:
    panel.strategies.list.item(0).setCheckState(Qt.CheckState.Unchecked)
    assert (panel.run.isEnabled(), panel.reason.text()) == (False, "Select a strategy")
    panel.market.model.set_chosen([])
    assert panel.reason.text() == "Select a symbol"
    panel.market.model.set_chosen(["SAMPLEUSDT"])
    panel.period.set_values("1h", parse_time("2024-02-01"), parse_time("2024-01-01"))
    assert panel.reason.text() == "The period is empty: From must be before To"
    assert not panel.fetch.isEnabled()


def test_while_work_is_under_way_only_stop_is_possible(panel: SetupPanel) -> None:
    panel.set_phase(Phase.RUNNING)
    assert (panel.run.isEnabled(), panel.fetch.isEnabled(), panel.stop.isEnabled()) == (False, False, True)
    panel.set_phase(Phase.STOPPING)
    assert not panel.stop.isEnabled()
    panel.set_phase(Phase.IDLE)
    assert (panel.run.isEnabled(), panel.stop.isEnabled()) == (True, False)


def test_every_symbol_meets_every_strategy_with_its_own_parameters(panel: SetupPanel) -> None:
    panel.market.exchange.setCurrentIndex(panel.market.exchange.findData("binanceusdm"))
    panel.market.set_markets("binanceusdm", MARKETS)
    panel.market.model.set_chosen(["BTCUSDT", "SOLUSDT"])
    assert panel.strategies.form is not None
    panel.strategies.form.set_values({"fast": 30})
    panel.costs.commission.setValue(0.05)
    panel.costs.slippage.setValue(0.01)
    specs = panel.setup().specs()
    assert [(spec.symbol, spec.strategy, dict(spec.params)) for spec in specs] == [
        ("BTCUSDT", "ema_cross", {"fast": 30}),
        ("SOLUSDT", "ema_cross", {"fast": 30}),
    ]
    assert specs[0].costs == Costs(commission=0.0005, slippage=0.0001, funding="auto")
    assert specs[0].timeframe == Timeframe("1h")


def test_the_search_finds_symbols_by_any_part_with_or_without_slash(panel: SetupPanel) -> None:
    model = panel.market.model
    model.set_markets(MARKETS)
    panel.market.search.setText("sol/us")
    assert [model.market(row).name for row in range(model.rowCount())] == ["SOLUSDT"]
    panel.market.search.setText("nothing")
    assert model.rowCount() == 0
    assert "None of 3 symbols" in panel.market.note.text()


def test_the_period_is_said_in_words_with_its_candles(panel: SetupPanel) -> None:
    panel.period.set_values("1h", parse_time("2024-01-01"), parse_time("2024-07-01"))
    words = "1 Jan 2024 00:00 (incl.) to 1 Jul 2024 00:00 (excl.) UTC = 4,368 candles"
    assert panel.period.echo.text() == words


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("1M", "2024-02-29", "2024-03-31"),
        ("6M", "2023-09-30", "2024-03-31"),
        ("1Y", "2023-03-31", "2024-03-31"),
        ("YTD", "2024-01-01", "2024-03-31"),
        ("Max", "2020-08-17", "2024-03-31"),
    ],
)
def test_presets_end_with_today_and_count_calendar_months(name: str, start: str, end: str) -> None:
    now, first = parse_time("2024-03-30T15:20"), parse_time("2020-08-17T06:00")
    assert preset_period(name, now, first) == Period(parse_time(start), parse_time(end))


def test_a_month_before_the_31st_is_the_last_day_of_a_shorter_month() -> None:
    assert months_before(parse_time("2023-03-31T05:00"), 1) == parse_time("2023-02-28T05:00")


def test_presets_of_the_sample_market_end_where_its_clock_stands(panel: SetupPanel) -> None:
    panel.use_preset("3M")
    assert panel.period.bounds() == (parse_time("2024-10-01"), parse_time("2025-01-01"))
    panel.use_preset("Max")
    assert panel.period.bounds()[0] == parse_time("2023-01-01")


def test_what_is_held_and_missing_is_said_before_the_run() -> None:
    period = Period(parse_time("2024-01-01"), parse_time("2024-07-01"))
    gap = Period(parse_time("2024-02-29"), parse_time("2024-04-01"))
    gone = MissingRange(Period(gap.end, gap.end + 2 * HOUR_MS), MAINTENANCE)
    full = Coverage(SAMPLE, Timeframe("1h"), period, 4368, (), ())
    assert coverage_words(full) == "4,368 of 4,368 held"
    holed = Coverage(SAMPLE, Timeframe("1h"), period, 3598, (gap,), (gone,))
    assert coverage_words(holed) == (
        "3,598 of 4,368 held, 2 missing at the exchange · gap 2024-02-29 – 2024-03-31: 768 to fetch"
    )


def test_the_set_up_survives_json_and_nonsense_does_not(panel: SetupPanel) -> None:
    setup = Setup(symbols=("A", "B"), params={"ema_cross": {"fast": 3}}, costs=Costs(cash=5.0))
    assert Setup.from_json(json.loads(json.dumps(setup.to_json()))) == setup
    for damaged in (
        None,
        {},
        "x",
        {**setup.to_json(), "costs": {"cash": -1}},
        {**setup.to_json(), "timeframe": "7m"},
        {**setup.to_json(), "warmup": -1},
    ):
        assert Setup.from_json(damaged) is None


def test_the_timeframes_are_those_of_the_exchange_and_a_chosen_one_stays_where_it_can(
    panel: SetupPanel,
) -> None:
    def offered(exchange: str) -> tuple[set[str], str]:
        panel.market.exchange.setCurrentIndex(panel.market.exchange.findData(exchange))
        box = panel.period.timeframe
        return {box.itemText(row) for row in range(box.count())}, panel.setup().timeframe

    panel.period.set_values("8h", *panel.period.bounds())
    names, chosen = offered("binance")
    assert {"1s", "8h", "3d"} <= names
    assert chosen == "8h"
    names, chosen = offered("bybitlinear")
    assert not {"1s", "8h", "3d"} & names
    assert chosen == "1h"
    panel.period.set_values("4h", *panel.period.bounds())
    assert offered("binanceusdm")[1] == "4h"


def test_the_set_up_of_a_stored_run_comes_back_whole(panel: SetupPanel) -> None:
    run = run_on(many_candles(100), engine="reference", inputs={"warmup": 450}, strategy="ema_cross")
    setup = Setup.of_run(run)
    panel.set_setup(setup)
    assert (panel.engine.engine(), panel.engine.warmup()) == ("reference", 450)
    assert panel.sections[-1].header.text() == "Advanced · reference engine · warm-up of 450"
    (spec,) = setup.specs()
    assert spec == run.spec
    assert Setup.from_json(json.loads(json.dumps(setup.to_json()))) == setup
    panel.set_setup(Setup())
    assert panel.setup().warmup is None
