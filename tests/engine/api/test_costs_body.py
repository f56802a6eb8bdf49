"""Costs and terms in the body of a request: what the command line's options make, and refused in the same words."""

import pytest
from pydantic import ValidationError

from engine.api.bodies import RunBody, SweepBody
from engine.errors import InputError
from engine.model.account import Costs, Protections

RUN = {
    "symbols": ["SAMPLEUSDT"], "strategies": ["ema_cross"], "timeframe": "1h", "start": "2023-03-01", "end": "2023-03-31",
    "exchange": "sample",
}  # fmt: skip
TERMS = {
    "preset": "binanceusdm-vip3-bnb", "limit_fee": "maker", "leverage": 2.5, "side": "long", "funding": "constant:0.0001",
    "protect": {"daily_loss": 0.03, "hours": [8, 20]}, "detail": "5m",
}  # fmt: skip


def test_terms_are_those_of_the_command_line():
    assert RunBody.model_validate({**RUN, "costs": TERMS}).request().costs == Costs(
        commission=0.000288,
        maker=0.000108,
        leverage=2.5,
        side="long",
        funding="constant:0.0001",
        protect=Protections(daily_loss=0.03, hours=(8, 20)),
        detail="5m",
    )
    assert RunBody.model_validate(RUN).request().costs == Costs(funding="auto")


def test_a_sweep_takes_them_too():
    body: dict[str, object] = {
        name: value for name, value in RUN.items() if name not in ("symbols", "strategies")
    }
    body |= {"symbol": "SAMPLEUSDT", "strategy": "ema_cross", "ranges": {"fast": "5,10"}}
    costs = {"commission": 0.0004, "limit_fee": 0.0001, "side": "short"}
    found = SweepBody.model_validate({**body, "costs": costs}).spec().costs
    assert found == Costs(commission=0.0004, maker=0.0001, side="short", funding="auto")
    with pytest.raises(InputError, match="a sweep does not look inside candles"):
        SweepBody.model_validate({**body, "costs": {"detail": "5m"}}).spec()


@pytest.mark.parametrize(
    ("costs", "words"),
    [
        ({"preset": "binance-regular", "commission": 0.001}, "not both"),
        ({"preset": "kraken"}, "unknown costs 'kraken'"),
        ({"limit_fee": "maker"}, "what a maker pays is not known"),
        ({"leverage": 0.5}, "leverage must be at least 1"),
        ({"side": "up"}, "side must be one of both, long, short"),
        ({"funding": "constant:5"}, "a funding rate of 5 is 500% at every settlement"),
        ({"detail": "2h"}, "1h candles are not made of several of them"),
        ({"detail": "7m"}, "unknown timeframe '7m'"),
        ({"protect": {"daily_loss": 3.0}}, "daily-loss must be above 0 and below 1"),
        ({"protect": {"hours": [8, 8]}}, "two different hours"),
    ],
)
def test_bad_ones_are_refused_in_the_command_lines_words(costs, words: str):
    with pytest.raises(InputError, match=words):
        RunBody.model_validate({**RUN, "costs": costs}).request()


@pytest.mark.parametrize(
    "costs",
    [{"leverage": "3"}, {"protect": {"hours": [8]}}, {"protect": {"cooldown": 1.5}}, {"protect": {"stop": 1}}, {"more": 1}],
)  # fmt: skip
def test_another_kind_of_value_is_refused_by_the_schema(costs):
    with pytest.raises(ValidationError):
        RunBody.model_validate({**RUN, "costs": costs})
