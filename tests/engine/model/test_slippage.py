"""How slippage is written: a fraction, or a model with its number."""

import pytest

from engine.errors import InputError
from engine.model.account import Costs, slippage_values
from engine.model.slippage import SlippageModel

WRITTEN = {
    "0.001": ("fixed", 0.001),
    "half-spread": ("half-spread", 0.0),
    "half-spread:0.0002": ("half-spread", 0.0002),
    "volume-share": ("volume-share", 0.1),
    "volume-share:0.5": ("volume-share", 0.5),
    "square-root": ("square-root", 1.0),
    "square-root:0.7": ("square-root", 0.7),
}


@pytest.mark.parametrize("text", WRITTEN)
def test_a_model_is_read_and_written_as_it_is_typed(text: str) -> None:
    model = SlippageModel.parse(text)
    assert (model.kind, model.value) == WRITTEN[text]
    costs = Costs(**slippage_values(text))
    assert costs.slips == model
    assert Costs.from_json(costs.to_json()) == costs
    if model.kind != "fixed":
        assert costs.to_json()["slippage"] == text


def test_plain_costs_say_what_they_always_said() -> None:
    assert Costs().to_json() == {"cash": 10_000.0, "commission": 0.001, "size": 0.95, "slippage": 0.0}


BAD = {
    "some": "slippage must be a fraction, half-spread",
    "fixed:0.1": "slippage must be a fraction, half-spread",
    "nan": "slippage must be a fraction, half-spread",
    "square-root:": "square-root takes a number, as square-root:0.1, not ''",
    "square-root:x": "square-root takes a number",
    "square-root:0": "the number of square-root must be above 0 and below 10, not 0",
    "volume-share:10": "the number of volume-share must be above 0 and below 10, not 10",
    "half-spread:0.1": "the number of half-spread must be at least 0 and below 0.1, not 0.1",
    "half-spread:-1": "the number of half-spread must be at least 0",
    "0.1": "slippage must be at least 0 and below 0.1, not 0.1",
    "-1": "slippage must be at least 0",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_none_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError) as refused:
        Costs(**slippage_values(text))
    assert BAD[text] in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_fraction_beside_a_model_is_refused() -> None:
    with pytest.raises(InputError, match="a fraction or a model"):
        Costs(slippage=0.001, slippage_model="square-root")
