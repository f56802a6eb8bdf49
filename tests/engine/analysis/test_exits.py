"""A stop is offered only where a parameter says in percent, or as a fraction, that it is one."""

import pytest

from engine.analysis.exits import STOP, TARGET, exit_choice
from engine.strategy import Param
from tests.desktop.builders import described


@pytest.mark.parametrize(
    ("name", "param", "level", "value"),
    [
        ("stop_pct", Param(2.0, low=0.5, high=10.0), 3.25, 3.25),
        ("stop_pct", Param(2, low=1, high=10), 3.25, 3),
        ("stop_pct", Param(2.0, low=0.5, high=10.0), 40.0, 10.0),
        ("risk", Param(0.05, low=0.001, high=0.5, help="distance of the stop as a fraction of the close"), 3.0, 0.03),
        ("sl", Param(2.0, help="% below the entry"), 1.5, 1.5),
    ],
)  # fmt: skip
def test_a_parameter_that_is_a_stop_takes_the_level(
    name: str, param: Param, level: float, value: float
) -> None:
    choice = exit_choice(STOP, "mine", described(fast=Param(5), **{name: param}))
    assert choice.parameter is not None
    assert (choice.parameter.name, choice.parameter.value(level)) == (name, value)
    param.parse(choice.parameter.value(level))  # the strategy takes it
    assert exit_choice(TARGET, "mine", described(**{name: param})).parameter is None


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ({"fast": Param(5)}, "no parameter"),
        ({"stop_atrs": Param(2.0, help="distance of the stop in average true ranges")}, "stop_atrs"),
        ({"trailing_stop_pct": Param(2.0)}, "no parameter"),
        ({"use_stop_pct": Param(True)}, "no parameter"),
        (
            {"risk_pct": Param(1.0, help="percent of the equity risked between entry and stop")},
            "no parameter",
        ),
    ],
)
def test_anything_else_is_said_plainly(declared: dict[str, Param], why: str) -> None:
    choice = exit_choice(STOP, "mine", described(**declared))
    assert choice.parameter is None
    assert why in choice.why


def test_a_target_is_found_beside_a_stop() -> None:
    params = described(stop_pct=Param(2.0), take_profit_pct=Param(4.0))
    choices = [exit_choice(kind, "mine", params).parameter for kind in (STOP, TARGET)]
    assert [choice and choice.name for choice in choices] == ["stop_pct", "take_profit_pct"]
