"""What a user assigns to parameters: read, dealt out to the strategies, refused."""

import pytest

from engine.errors import InputError
from engine.model.market import Period, Timeframe
from engine.model.parameters import Assignment, Param, StrategyInfo, assign
from engine.model.run import RunRequest


def info(name: str, **params: int) -> StrategyInfo:
    described = []
    for param, default in params.items():
        described.append(Param(default, low=1).to_json() | {"name": param})
    return StrategyInfo(name, name, "", tuple(described), f"{name}.py")


CROSS, TREND = info("cross", fast=5, slow=9), info("trend", fast=3)


def test_an_assignment_goes_to_every_strategy_that_has_the_parameter_and_one_that_names_a_strategy_wins():
    given = Assignment.parse_all(["fast=7", "slow = 20", "trend.fast=4"])
    assert assign(given, [CROSS, TREND]) == {"cross": {"fast": "7", "slow": "20"}, "trend": {"fast": "4"}}


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["fast"], "--param 'fast' must read name=value or STRATEGY.name=value"),
        ([".fast=1"], "must read name=value"),
        (["fats=1"], "no selected strategy has a parameter 'fats'; did you mean fast?"),
        (["trend.slow=1"], "no selected strategy has a parameter 'slow'"),
        (["other.fast=1"], "the strategy 'other' is not selected"),
        (["fast=1", "fast=2"], "fast is given twice"),
        (["fast=0"], "cross: fast must be a whole number of at least 1, not '0'; nothing was run"),
    ],
)
def test_an_assignment_that_fits_nowhere_is_refused_with_its_reason(texts: list[str], words: str):
    with pytest.raises(InputError) as refused:
        assign(Assignment.parse_all(texts), [CROSS, TREND])
    assert words in str(refused.value)


def request(**options: object) -> RunRequest:
    period = Period.parse("2024-01-01", "2024-01-31")
    usual = {"strategies": ["cross", "trend", "cross"], "symbols": ["B", "A", "B"], "exchange": "sample"}
    return RunRequest(timeframe=Timeframe("1h"), period=period, **{**usual, **options})  # type: ignore[arg-type]


def test_a_request_is_a_run_of_each_strategy_on_each_symbol():
    wanted = request(assignments=Assignment.parse_all(["cross.fast=7"]), warmup=9, checks=False)
    specs = wanted.specs({"cross": CROSS, "trend": TREND})
    assert [(one.symbol, one.strategy) for one in specs] == [
        ("B", "cross"), ("B", "trend"), ("A", "cross"), ("A", "trend"),
    ]  # fmt: skip
    assert [one.params for one in specs[:2]] == [{"fast": "7"}, {}]
    assert {(one.warmup, one.checks, one.engine) for one in specs} == {(9, False, "auto")}


def test_a_request_with_options_that_no_run_can_have_is_refused_at_once():
    for options in ({"engine": "warp"}, {"warmup": -1}):
        with pytest.raises(InputError):
            request(**options)
