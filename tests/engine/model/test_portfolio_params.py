"""What of a portfolio varies: names with a dot, and weights that fit."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError
from engine.model.parameters import ParamValue
from engine.model.portfolio import PortfolioSpec
from engine.model.portfolio_document import spec_of
from engine.model.portfolio_params import weights_fit
from engine.model.portfolio_rules import by_owner

NAMES = ("trend", "a.b", "a", "ema_cross-SOLUSDT", "wallet")


def of_legs(count: int, **wallet: Any) -> PortfolioSpec:
    weight = {"weight": 0.1} if wallet["allocation"] in ("fixed", "risk") else {}
    legs = [{"name": name, "strategy": "s", "symbol": "X", **weight} for name in NAMES[:count]]
    return spec_of({"start": "2024-01-01", "end": "2024-02-01", "timeframe": "1h", "legs": legs, **wallet})


@given(
    st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.5, 1 / 3, 1.0]), min_size=1, max_size=5),
    st.sampled_from(["fixed", "risk"]),
    st.sampled_from([None, 1.0, 2.0]),
)
def test_weights_fit_where_the_portfolio_takes_them(
    weights: list[float], allocation: str, leverage: float | None
):
    spec = of_legs(len(weights), allocation=allocation, leverage=leverage)
    params = {f"{name}.weight": weight for name, weight in zip(NAMES, weights, strict=False)}
    try:
        told = spec.with_values(params)
    except InputError:
        assert not weights_fit(spec, params, 1)[0]
    else:
        assert weights_fit(spec, params, 1)[0]
        assert list(told.weights) == weights


def test_parameters_belong_to_the_leg_with_the_longest_name_and_the_wallet_is_none():
    spec = of_legs(4, allocation="equal")
    params: dict[str, ParamValue] = {
        "a.b.x": 1,
        "a.x": 2,
        "ema_cross-SOLUSDT.x": 3,
        "wallet.max_open": 2,
        "wallet.contention": "rank",
    }
    assert by_owner(params)["a.b"] == {"x": 1}
    told = spec.with_values(params)
    assert [dict(leg.params) for leg in told.legs] == [{}, {"x": 1}, {"x": 2}, {"x": 3}]
    assert (told.max_open, told.contention) == (2, "rank")
    assert dict(of_legs(5, allocation="equal").with_values({"wallet.max_open": 7}).legs[4].params) == {
        "max_open": 7
    }
