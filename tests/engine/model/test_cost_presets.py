"""Presets of costs, and what they make of commission and maker."""

import pytest

from engine.errors import InputError
from engine.model.account import Costs
from engine.model.cost_presets import COST_PRESETS, commission_rates, cost_preset


@pytest.mark.parametrize(
    ("name", "taker", "maker"),
    [
        ("binanceusdm-regular", 0.0005, 0.0002),
        ("binanceusdm-regular-bnb", 0.00045, 0.00018),
        ("binanceusdm-vip3", 0.00032, 0.00012),
        ("binanceusdm-vip9", 0.00017, 0.0),
        ("binanceusdm-vip9-bnb", 0.000153, 0.0),
        ("binance-regular", 0.001, 0.001),
        ("binance-regular-bnb", 0.00075, 0.00075),
    ],
)
def test_a_preset_is_what_the_exchange_takes(name: str, taker: float, maker: float):
    found = cost_preset(name)
    assert (found.taker, found.maker) == (taker, maker)


def test_better_levels_never_pay_more_and_makers_never_more_than_takers():
    levels = ["regular", *(f"vip{number}" for number in range(3, 10))]
    for ending in ("", "-bnb"):
        found = [cost_preset(f"binanceusdm-{level}{ending}") for level in levels]
        assert [one.taker for one in found] == sorted((one.taker for one in found), reverse=True)
        assert [one.maker for one in found] == sorted((one.maker for one in found), reverse=True)
    assert all(one.maker <= one.taker for one in COST_PRESETS.values())
    for one in COST_PRESETS.values():
        Costs(commission=one.taker, maker=one.maker)


def test_figures_that_sources_do_not_agree_on_are_left_out():
    assert not {"binanceusdm-vip1", "binanceusdm-vip2", "binance-vip3"} & COST_PRESETS.keys()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ((None, None, "taker"), (0.001, None)),
        ((0.0004, None, "taker"), (0.0004, None)),
        ((None, "binanceusdm-regular", "taker"), (0.0005, None)),
        ((None, "binanceusdm-regular", "maker"), (0.0005, 0.0002)),
        ((0.0004, None, "0.0001"), (0.0004, 0.0001)),
        ((None, "binanceusdm-regular", "0"), (0.0005, 0.0)),
    ],
)
def test_commission_and_maker_follow_from_what_is_asked_for(asked, found):
    assert commission_rates(*asked) == found


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ((0.001, "binance-regular", "taker"), "either a commission or a preset of costs, not both"),
        (
            (None, "binanceusdm-vip1", "taker"),
            "unknown costs 'binanceusdm-vip1'; known: binanceusdm-regular, .*-bnb",
        ),
        ((None, None, "maker"), "what a maker pays is not known"),
        ((0.0004, None, "maker"), "what a maker pays is not known"),
        ((None, None, "makers"), "must be taker, maker or a rate, not 'makers'"),
        ((None, None, "nan"), "must be taker, maker or a rate, not 'nan'"),
    ],
)
def test_what_cannot_be_meant_is_refused(asked, words: str):
    with pytest.raises(InputError, match=words):
        commission_rates(*asked)
