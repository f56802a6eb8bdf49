"""Fees and terms in the set-up: presets by exchange, leverage, side, funding, protections, detail; kept and told."""

import json

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from desktop.pages.setup.panel import SetupPanel, WideScrollArea
from desktop.pages.setup.values import Setup
from engine.model.account import Costs, Protections

FULL = Costs(
    leverage=3,
    maker=0.00012345678,
    side="long",
    funding="constant:0.0001",
    protect=Protections(daily_loss=0.03, hours=(8, 20)),
    slippage_model="half-spread:0.00012345678",
    filters="current",
    detail="5m",
)


@pytest.fixture
def panel(app: QApplication, qtbot: QtBot) -> SetupPanel:
    opened = SetupPanel()
    opened.apply_theme()
    opened.set_setup(Setup(exchange="binanceusdm"))
    opened.show()
    qtbot.addWidget(opened)
    return opened


def choose(panel: SetupPanel, words: str) -> None:
    fees = panel.costs.fees
    fees.setCurrentIndex(next(row for row in range(fees.count()) if words in fees.itemText(row)))
    fees.activated.emit(fees.currentIndex())


def test_the_default_is_the_briefs_and_the_window_says_what_takers_pay(panel: SetupPanel) -> None:
    assert panel.costs.costs() == Costs(funding="auto")
    assert panel.costs.fees.currentText() == "As typed; USD-M takers pay 0.05 %"
    panel.costs.offer("binance")
    assert panel.costs.fees.currentText() == "Binance spot, regular: 0.1 %"
    panel.costs.offer("bybit")
    assert (panel.costs.fees.currentText(), panel.costs.fees.isEnabled()) == ("As typed", False)


def test_a_preset_sets_the_commission_and_the_makers_only_where_makers_pay_less(panel: SetupPanel) -> None:
    choose(panel, "USD-M, regular: 0.05 %")
    assert panel.costs.costs() == Costs(commission=0.0005, funding="auto")
    panel.costs.terms.maker.setValue(0.03)
    assert panel.costs.fees.currentText().startswith("As typed"), "no table has such a pair"
    choose(panel, "USD-M, VIP 3, paid in BNB: 0.0288 %")
    assert panel.costs.costs() == Costs(commission=0.000288, maker=0.000108, funding="auto")
    panel.costs.commission.setValue(0.07)
    assert panel.costs.fees.currentText().startswith("As typed")
    panel.costs.commission.setValue(0.0288)
    assert "VIP 3, paid in BNB" in panel.costs.fees.currentText()


def test_of_two_presets_of_one_rate_the_chosen_one_stays(panel: SetupPanel) -> None:
    for words in ("VIP 4, paid in BNB: 0.027 %", "VIP 5: 0.027 %"):
        choose(panel, words)
        assert words in panel.costs.fees.currentText()


def test_terms_pass_unchanged_and_are_kept(panel: SetupPanel) -> None:
    panel.set_setup(Setup(exchange="binanceusdm", costs=FULL))
    assert panel.setup().costs == FULL
    kept = Setup.from_json(json.loads(json.dumps(panel.setup().to_json())))
    assert kept == panel.setup()
    panel.set_setup(Setup(exchange="binanceusdm"))
    assert panel.setup().costs == Costs(funding="auto")


def test_a_set_up_of_an_older_version_gets_todays_policy_and_off_stays_off(panel: SetupPanel) -> None:
    old = Setup().to_json() | {"costs": {"cash": 5.0, "commission": 0.001, "size": 0.95, "slippage": 0.0}}
    found = Setup.from_json(old)
    assert found is not None
    assert found.costs == Costs(cash=5.0, funding="auto")
    off = Setup.from_json(json.loads(json.dumps(Setup(costs=Costs()).to_json())))
    assert off is not None
    assert off.costs.funding == "off"


def test_the_header_tells_the_terms_and_nothing_where_they_are_the_usual_ones(panel: SetupPanel) -> None:
    header = panel.sections[-2].header
    assert header.text() == "Terms"
    panel.set_setup(Setup(costs=FULL))
    assert header.text() == (
        "Terms · 3× · long only · funding constant:0.0001 · resting 0.0123457 % · "
        "slippage half-spread:0.00012345678 · exchange's filters · detail 5m · daily-loss=3% hours=8-20"
    )


def test_each_term_is_chosen_by_its_field(panel: SetupPanel) -> None:
    terms = panel.costs.terms
    terms.leverage.setValue(2.5)
    terms.side.setCurrentIndex(terms.side.findData("short"))
    assert not terms.rate.isEnabled()
    terms.funding.setCurrentIndex(terms.funding.findData("constant"))
    assert terms.rate.isEnabled()
    terms.rate.setValue(-0.02)
    terms.maker.setValue(0.0)
    terms.detail.setCurrentIndex(terms.detail.findData("15m"))
    assert panel.setup().specs()[0].costs == Costs(
        leverage=2.5, maker=0.0, side="short", funding="constant:-0.0002", detail="15m"
    )


def test_a_detail_that_is_not_finer_is_said_and_not_run(panel: SetupPanel) -> None:
    panel.set_setup(Setup(symbols=("SOLUSDT",), timeframe="1h", costs=Costs(funding="auto", detail="1h")))
    assert (panel.setup().problem() or "").startswith("Terms: detail 1h: 1h candles are not made of several")
    terms = panel.costs.terms
    terms.detail.setCurrentIndex(terms.detail.findData(None))
    assert panel.setup().problem() is None


def test_a_model_of_slippage_stands_in_place_of_the_fraction_and_has_its_usual_number(
    panel: SetupPanel,
) -> None:
    form, terms = panel.costs, panel.costs.terms
    form.slippage.setValue(0.05)
    assert not terms.degree.isEnabled()
    for kind, model in (
        ("square-root", "square-root"),
        ("volume-share", "volume-share"),
        ("half-spread", "half-spread"),
    ):
        terms.model.setCurrentIndex(terms.model.findData(kind))
        assert form.costs() == Costs(slippage_model=model, funding="auto")
        assert (form.slippage.isEnabled(), terms.degree.isEnabled()) == (False, True)
    terms.degree.setValue(0.02)
    assert form.costs().slippage_model == "half-spread:0.0002"
    terms.model.setCurrentIndex(0)
    assert form.costs() == Costs(slippage=0.0005, funding="auto")
    terms.filters.setCurrentIndex(1)
    assert form.costs() == Costs(slippage=0.0005, funding="auto", filters="current")


def test_a_fraction_of_leverage_1_is_1(panel: SetupPanel, qtbot: QtBot) -> None:
    leverage = panel.costs.terms.leverage
    leverage.lineEdit().selectAll()
    qtbot.keyClicks(leverage.lineEdit(), "0.5")
    assert panel.costs.costs().leverage == 1
    qtbot.keyClick(leverage, Qt.Key.Key_Return)
    assert leverage.value() == 1
    leverage.setValue(0)
    assert (leverage.text(), panel.costs.costs().leverage) == ("off", None)


def test_a_protection_that_is_none_is_said_and_not_run(panel: SetupPanel, qtbot: QtBot) -> None:
    field = panel.costs.terms.protect
    qtbot.keyClicks(field, "cooldown=6, hours=8-20")
    assert panel.setup().costs.protect == Protections(cooldown=6, hours=(8, 20))
    qtbot.keyClicks(field, " hours=2")
    assert "Protect: the protection hours is given twice" in (panel.setup().problem() or "")
    assert not panel.run.isEnabled()
    assert panel.setup().costs.protect == Protections(cooldown=6, hours=(8, 20)), "what was one stands"


def test_no_term_changes_the_width_and_folded_terms_take_one_line(panel: SetupPanel) -> None:
    area = panel.findChild(WideScrollArea)
    assert area is not None
    before = area.minimumSizeHint().width()
    section = panel.sections[-2]
    assert not section.content.isVisible()
    panel.set_setup(Setup(exchange="binanceusdm", costs=FULL))
    section.header.setChecked(True)
    assert area.minimumSizeHint().width() == before
    assert section.content.sizeHint().height() < 170
