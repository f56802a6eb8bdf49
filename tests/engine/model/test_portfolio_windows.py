"""Windows of a portfolio's file: read, written so that they read the same, and what is wrong in them with its place."""

import pytest

from engine.errors import InputError
from engine.model.market import Period, parse_time
from engine.model.parameters import Assignment, Param, StrategyInfo
from engine.model.portfolio import PortfolioFault, PortfolioSpec, assigned
from engine.model.portfolio_document import document_of, spec_of
from engine.model.portfolio_file import parse_portfolio, portfolio_text
from engine.model.sweep_spec import SweepSpec
from engine.model.window_params import WindowParams

FILE = """\
start = "2023-03-01"
end = "2023-04-30"
exchange = "sample"
timeframe = "1h"
allocation = "fixed"

[[leg]]
name = "trend.1"
strategy = "ema_cross"
symbol = "SAMPLEUSDT"
weight = 0.4
params = { fast = 10 }

[[leg]]
name = "dips"
strategy = "rsi_reversion"
symbol = "SAMPLEUSDT"
weight = 0.5

[[window]]
start = 2023-03-11
params = { "trend.1.fast" = 12, "dips.weight" = 0.2 }

[[window]]
start = "2023-04-01T06:00"
  [window.params]
  dips.length = 9
"""
INFOS = {
    name: StrategyInfo(name, name, "", ({**Param(10, low=1, high=99).to_json(), "name": param},), "")
    for name, param in (("ema_cross", "fast"), ("rsi_reversion", "length"))
}


def spec(text: str = FILE) -> PortfolioSpec:
    return parse_portfolio(text, "four.toml").spec


def test_windows_are_read_and_written_so_that_they_read_the_same():
    found = spec()
    assert found.windows == (
        WindowParams(parse_time("2023-03-11"), {"trend.1.fast": 12, "dips.weight": 0.2}),
        WindowParams(parse_time("2023-04-01T06:00"), {"dips.length": 9}),
    )
    assert spec(portfolio_text(found)) == found
    assert spec_of(document_of(found)) == found
    assert "windows" not in document_of(spec(FILE.partition("[[window]]")[0]))


def test_each_window_stands_for_itself_and_what_it_leaves_out_is_the_legs_own():
    stages = spec().stages
    assert [start for start, _ in stages] == [
        parse_time(one) for one in ("2023-03-01", "2023-03-11", "2023-04-01T06:00")
    ]
    assert [one.weights for _, one in stages] == [(0.4, 0.5), (0.4, 0.2), (0.4, 0.5)]
    assert [dict(one.legs[0].params) for _, one in stages] == [{"fast": 10}, {"fast": 12}, {"fast": 10}]
    assert [dict(one.legs[1].params) for _, one in stages] == [{}, {}, {"length": 9}]
    assert not any(one.windows for _, one in stages)
    begins = spec(FILE.replace("2023-03-11", "2023-03-01"))
    assert len(begins.stages) == 2


def test_without_a_leg_its_values_leave_the_windows_too():
    left = spec().without("dips")
    assert left is not None
    assert [dict(one.params) for one in left.windows] == [{"trend.1.fast": 12}, {}]


FAULTS = [
    ("start = 2023-03-11", "start = 2023-02-11", "line 21, column 1: window 1: it starts at 2023-02-11 00:00 UTC, outside"),
    ("start = 2023-03-11", "start = 2023-04-11", "line 25, column 1: window 2: it starts no later than the one before it"),
    ("start = 2023-03-11", 'start = "soon"', "line 21, column 1: window 1: 'soon' is not a date or time"),
    ("start = 2023-03-11\n", "", "line 20, column 1: window 1: it needs a start"),
    ("params = { \"tr", "parms = { \"tr", "line 22, column 1: window 1: unknown key 'parms'; did you mean params?"),
    ('"trend.1.fast" = 12', '"trend.fast" = 12', "line 22, column 1: window 1: there is no leg 'trend'; there are: trend.1"),
    ('"trend.1.fast" = 12', 'fast = 12', "window 1: there is no leg ''; there are: trend.1, dips"),
    ('"dips.weight" = 0.2', '"dips.weight" = 0.7', "line 22, column 39: window 1: the weights sum to 1.1, above 1"),
    ('"dips.weight" = 0.2', '"dips.weight" = "much"', "window 1: the weight of leg 'dips' must be a number, not 'much'"),
    ('"dips.weight" = 0.2', '"wallet.max_open" = 2', "window 1: the rules of the wallet cannot change with time"),
    ('"dips.weight" = 0.2', '"dips.weight" = [1]', "window 1: the parameter dips.weight must be a number, true"),
    ("[[window]]\nstart = 2023", "[window]\nstart = 2023", "four.toml"),
    ('allocation = "fixed"', 'windows = []', "line 5, column 1: unknown key 'windows'; did you mean [[window]]?"),
]  # fmt: skip


@pytest.mark.parametrize(("right", "given", "words"), FAULTS, ids=[given for _, given, _ in FAULTS])
def test_what_is_wrong_is_said_with_line_and_column(right: str, given: str, words: str):
    text = FILE.replace(right, given, 1)
    assert text != FILE
    with pytest.raises(InputError) as caught:
        spec(text)
    assert words in str(caught.value)


def test_parameters_are_as_their_strategies_read_them():
    text = FILE.replace("dips.length = 9", 'dips.length = "9"')
    typed = assigned(spec(text), INFOS)
    assert typed.windows[1].params == {"dips.length": 9}
    assert isinstance(typed.windows[1].params["dips.length"], int)


@pytest.mark.parametrize(
    ("right", "given", "words"),
    [
        ("dips.length = 9", "dips.length = 900", "window 2: dips: length"),
        ("dips.length = 9", "dips.lenght = 9", "window 2: params: 'dips.lenght': no selected leg has"),
        ('"dips.weight" = 0.2', '"dips.fast" = 2', "window 1: params: 'dips.fast': no selected leg has"),
    ],
)
def test_what_a_strategy_refuses_is_said_with_its_window(right: str, given: str, words: str):
    with pytest.raises(PortfolioFault) as caught:
        assigned(spec(FILE.replace(right, given)), INFOS)
    assert words in str(caught.value)
    assert caught.value.window is not None


def test_a_weight_that_nothing_reads_is_refused():
    with pytest.raises(PortfolioFault, match=r"window 1: dips.weight: allocation equal reads no weights"):
        assigned(spec(FILE.replace('"fixed"', '"equal"')), INFOS)


def test_a_parameter_that_the_windows_say_is_not_typed_beside_them():
    with pytest.raises(PortfolioFault, match=r"trend.1.fast is what the windows say"):
        assigned(spec(), INFOS, Assignment.parse_all(["trend.1.fast=5"]))


def test_what_windows_rule_is_not_swept():
    with pytest.raises(InputError, match="windows of the portfolio would rule"):
        SweepSpec.of_portfolio(spec(), ranges={"trend.1.fast": [5, 6]})


def test_no_more_windows_than_a_walk_forward_has():
    period = Period.parse("2023-03-01", "2023-04-30")
    many = tuple(WindowParams(period.start + at * 60_000, {}) for at in range(1001))
    with pytest.raises(PortfolioFault, match="1001 windows are more than the 1,000"):
        PortfolioSpec(period, spec().legs, allocation="fixed", windows=many)
