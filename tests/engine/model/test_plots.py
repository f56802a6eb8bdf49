"""Where a strategy wants its columns drawn, as it may write it."""

from typing import Any

import pytest

from engine.errors import InputError
from engine.model.plots import PRICE, Plot, read_plots


def test_a_pane_alone_or_all_of_it_is_read_and_written_back():
    said = {
        "ema": "price",
        "rsi": {"pane": " RSI ", "low": 0, "high": 100, "levels": [30, 70]},
        "x": {"style": "area"},
    }
    found = read_plots(said)
    assert found == {
        "ema": Plot(PRICE), "rsi": Plot("RSI", "line", 0.0, 100.0, (30.0, 70.0)), "x": Plot(PRICE, "area"),
    }  # fmt: skip
    assert read_plots({name: plot.to_json() for name, plot in found.items()}) == found


@pytest.mark.parametrize(
    "said",
    [
        None, ["rsi"], {1: "price"}, {"rsi": 3}, {"rsi": {"colour": "red"}}, {"rsi": {"pane": ""}}, {"rsi": {"pane": None}},
        {"rsi": {"style": "dots"}}, {"rsi": {"low": "0"}}, {"rsi": {"high": float("nan")}}, {"rsi": {"levels": "30"}},
        {"rsi": {"levels": [None]}}, {"rsi": {"low": True}},
    ],
)  # fmt: skip
def test_what_is_none_is_refused_by_name(said: Any):
    with pytest.raises(InputError, match="plots"):
        read_plots(said)
