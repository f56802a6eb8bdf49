"""A portfolio's file: read, written so that it reads the same, and whatever is wrong in it said with its place."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError
from engine.model.account import Costs
from engine.model.market import DAY_MS, Period, Timeframe
from engine.model.parameters import Assignment, Param, StrategyInfo
from engine.model.portfolio import MOST_LEGS, LegSpec, PortfolioFault, PortfolioSpec, assigned, read_rebalance
from engine.model.portfolio_document import document_of, spec_of
from engine.model.portfolio_file import parse_portfolio, portfolio_text, read_portfolio

FILE = """\
start = "2023-03-01"
end = 2023-03-31
cash = 5_000
exchange = "sample"
timeframe = "1h"
commission = 0.0005
leverage = 2.0

[[leg]]
name = "trend"
strategy = "ema_cross"
symbol = "SAMPLEUSDT"
params = { fast = 10, slow = 30 }

[[leg]]
name = "dips"  # name = "other"
strategy = "rsi_reversion"
symbol = "SAMPLEUSDT"
timeframe = "4h"
costs = "binanceusdm-regular"
limit_fee = "maker"
  [leg.params]
  length = 7
"""


def wrong(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_portfolio(text, "four.toml")
    return str(caught.value)


def test_a_file_is_read_with_what_its_legs_share_and_what_each_says_itself():
    spec = parse_portfolio(FILE, "four.toml").spec
    assert spec.period == Period.parse("2023-03-01", "2023-03-31")
    assert (spec.cash, spec.leverage, spec.funding, spec.allocation, spec.rebalance) == (
        5000.0, 2.0, "auto", "equal", "never",
    )  # fmt: skip
    trend, dips = spec.legs
    assert (trend.exchange, trend.timeframe, dict(trend.params)) == (
        "sample",
        Timeframe("1h"),
        {"fast": 10, "slow": 30},
    )
    assert trend.costs == Costs(5000.0, 0.0005, leverage=2.0, funding="auto")
    assert (dips.timeframe, dict(dips.params)) == (Timeframe("4h"), {"length": 7})
    assert (dips.costs.commission, dips.costs.maker) == (
        0.0005,
        0.0002,
    )  # its own preset in place of the shared rate
    assert spec.weights == (0.5, 0.5)


def test_a_leg_without_a_name_is_called_by_its_strategy_and_symbol():
    assert (
        parse_portfolio(FILE.replace('name = "trend"\n', ""), "x").spec.legs[0].name == "ema_cross-SAMPLEUSDT"
    )


FAULTS = [
    ('name = "dips"', 'name = "trend"', "line 16, column 1: two legs are called 'trend'; each needs a name of its own"),
    ("cash = 5_000", "cahs = 1", "line 3, column 1: unknown key 'cahs'; did you mean cash?"),
    ("params = {", "prams = {", "line 13, column 1: unknown key 'prams'; did you mean params?"),
    ('timeframe = "4h"', 'timeframe = "5h"', "line 19, column 1: unknown timeframe '5h'; known: "),
    ('timeframe = "1h"', 'timeframe = "5h"', "line 5, column 1: unknown timeframe '5h'; known: "),
    ("cash = 5_000", "max_open = 0", "line 3, column 1: max_open must be a whole number from 1 to 200, not 0"),
    ("cash = 5_000", "max_open = 99999999999999999999", "max_open must be a whole number from 1 to 200, not 999"),
    ("cash = 5_000", "legs = []", "line 3, column 1: unknown key 'legs'; did you mean [[leg]]?"),
    ("cash = 5_000", "max_open = 1.5", "line 3, column 1: max_open must be a whole number, not 1.5"),
    ("cash = 5_000", "max_open = true", "line 3, column 1: max_open must be a whole number, not True"),
    ("cash = 5_000", 'cash = "much"', "line 3, column 1: cash must be a number, not 'much'"),
    ("cash = 5_000", "cash = -1", "line 3, column 1: cash must be above 0 and at most"),
    ("cash = 5_000", "cash = nan", "line 3, column 1: cash must be above 0 and at most"),
    ("cash = 5_000", f"cash = 1{'0' * 400}", "line 3, column 1: cash has too many digits"),
    ("cash = 5_000", 'rebalance = "7 days"', "line 3, column 1: rebalance must be never, a length such as 7d, or band:0.05"),
    ("cash = 5_000", 'rebalance = "band:1"', "line 3, column 1: the band of rebalance must be above 0 and below 1, not 1"),
    ("cash = 5_000", 'allocation = "even"', "line 3, column 1: allocation must be one of equal, fixed, inverse_volatility"),
    ("cash = 5_000", 'contention = "first"', "line 3, column 1: contention must be one of scale, rank, not 'first'"),
    ("cash = 5_000", "lookback = 2", "line 3, column 1: lookback must be from 3 to 100,000 closes, not 2"),
    ("leverage = 2.0", "leverage = 0.5", "line 7, column 1: leverage must be at least 1 and at most 1000, not 0.5"),
    ("leverage = 2.0", 'funding = "never"', "line 7, column 1: funding must be auto, on, off, zero or constant:RATE"),
    ("commission = 0.0005", "commission = 0.5", "line 6, column 1: commission must be at least 0 and below 0.1, not 0.5"),
    ("end = 2023-03-31", "end = 2023-02-01", "line 2, column 1: start (2023-03-01 00:00 UTC) must be before end"),
    ("end = 2023-03-31\n", "", "line 1, column 1: a portfolio needs start and end"),
    ('strategy = "ema_cross"\n', "", "line 9, column 1: leg 'trend' has no strategy"),
    ("fast = 10", "fast = [1, 2]", "line 13, column 12: the parameter fast must be a number, true, false or a text"),
    ("slow = 30", 'slow = ""', None),
    ("cash = 5_000", "cash = = 1", "four.toml: Invalid value (at line 3, column 8)"),
    ("timeframe = \"1h\"\n", "", "line 8, column 1: a leg needs a timeframe, its own or the portfolio's"),
    ('exchange = "sample"', 'exchange = "nowhere"', "line 4, column 1: unknown exchange 'nowhere'"),
    ('name = "trend"', 'name = "a=b"', "line 10, column 1: leg 1: a name has 1 to 40 printable characters and no ="),
]  # fmt: skip


@pytest.mark.parametrize(("right", "given", "words"), FAULTS, ids=[given for _, given, _ in FAULTS])
def test_what_is_wrong_is_said_with_line_and_column(right: str, given: str, words: str | None):
    text = FILE.replace(right, given, 1)
    assert text != FILE
    if words is None:
        parse_portfolio(text, "four.toml")  # whether the strategy takes it is not known here
    else:
        assert words in wrong(text)


def weighed(allocation: str, *weights: float, leverage: str = "") -> str:
    legs = "".join(
        f'[[leg]]\nname = "{k}"\nstrategy = "s"\nsymbol = "A"\nweight = {w}\n' for k, w in enumerate(weights)
    )
    return f'start = "2024"\nend = "2024"\ntimeframe = "1h"\nallocation = "{allocation}"\n{leverage}\n{legs}'.replace(
        '"2024"', '"2024-01-01"'
    )


def test_weights_that_cannot_be_are_refused():
    assert "line 10, column 1: leg '0': a weight is a number from 0 on, not -0.1" in wrong(
        weighed("fixed", -0.1, 0.5)
    )
    assert "line 10, column 1: leg '0': a weight is a number from 0 on, not nan" in wrong(
        weighed("fixed", float("nan"), 0.5)
    )
    assert "a leg is a table of its own: write [[leg]] above its keys" in wrong("leg = 5\n")
    assert "line 15, column 1: the weights sum to 0: nothing would be bought" in wrong(weighed("fixed", 0, 0))
    assert "line 15, column 1: the weights sum to 1.2, above 1, all of the equity" in wrong(
        weighed("fixed", 0.6, 0.6)
    )
    assert "the weights sum to 2.2, above 2, the leverage" in wrong(
        weighed("fixed", 1.1, 1.1, leverage="leverage = 2")
    )
    assert "the weight is what is lost at the stop, at most 1, not 1.5" in wrong(weighed("risk", 1.5))
    assert parse_portfolio(weighed("fixed", *[1 / 3] * 3), "x").spec.weights == (1 / 3,) * 3
    assert parse_portfolio(weighed("fixed", 1.1, 0.9, leverage="leverage = 2"), "x").spec.weights == (
        1.1,
        0.9,
    )
    assert parse_portfolio(weighed("risk", 0.01, 0.02), "x").spec.weights == (0.01, 0.02)
    assert parse_portfolio(weighed("equal", 7, 7), "x").spec.weights == (0.5, 0.5)
    lacking = weighed("fixed", 0.5, 0.25).replace("weight = 0.25\n", "")
    assert "line 11, column 1: leg '1' has no weight, which allocation = 'fixed' needs of every leg" in wrong(
        lacking
    )


def test_neither_no_leg_nor_more_than_two_hundred_are_a_portfolio():
    head = 'start = "2024-01-01"\nend = "2024-01-02"\ntimeframe = "1h"\n'
    assert "the portfolio has no leg: add a [[leg]]" in wrong(head)
    leg = '[[leg]]\nname = "{}"\nstrategy = "s"\nsymbol = "A"\n'
    most = head + "".join(leg.format(k) for k in range(MOST_LEGS))
    assert len(parse_portfolio(most, "x").spec.legs) == 200
    assert "line 804, column 1: 201 legs are more than the 200" in wrong(most + leg.format(200))


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path):
    for name, content, words in (
        ("gone.toml", None, "cannot read"),
        ("latin.toml", "name = 'ä'".encode("latin-1"), "latin.toml is not UTF-8 text; save it as UTF-8"),
        ("large.toml", b"#" * 1_000_001, "large.toml is larger than a megabyte: it is no portfolio"),
        ("deep.toml", b"a = " + b"[" * 5_000, "deep.toml: "),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=words):
            read_portfolio(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("never", (None, None)),
        ("7d", (7 * DAY_MS, None)),
        ("12h", (DAY_MS // 2, None)),
        ("band:0.05", (None, 0.05)),
    ],
)
def test_rebalancing_is_never_by_the_clock_or_by_a_band(text: str, read: tuple[int | None, float | None]):
    assert read_rebalance(text) == read


@pytest.mark.parametrize("text", ["", "0", "0d", "-1d", "band", "band:", "band:0", "band:nan", "weekly"])
def test_another_rebalancing_is_refused(text: str):
    with pytest.raises(InputError, match=r"rebalance must be never|the band of rebalance"):
        read_rebalance(text)


def test_allocation_by_risk_has_no_weights_to_go_back_to():
    assert "leave rebalance out" in wrong('rebalance = "7d"\n' + weighed("risk", 0.01))


NAMES = st.text(st.characters(codec="utf-8"), max_size=12)
VALUES = st.one_of(
    st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False, allow_infinity=False), NAMES
)
LEGS = st.builds(
    LegSpec,
    name=st.text(st.characters(categories=("L", "N", "P"), exclude_characters="="), min_size=1, max_size=9),
    strategy=NAMES.filter(bool),
    symbol=NAMES.filter(bool),
    exchange=st.sampled_from(("sample", "binanceusdm")),
    timeframe=st.sampled_from(("1m", "1h", "1d")).map(Timeframe),
    weight=st.none() | st.floats(0.001, 0.1),
    rank=st.none() | NAMES,
    params=st.dictionaries(NAMES, VALUES, max_size=3),
    costs=st.builds(
        Costs,
        commission=st.floats(0, 0.09),
        size=st.floats(0.01, 1),
        slippage=st.floats(0, 0.09),
        maker=st.none() | st.floats(0, 0.09),
        filters=st.sampled_from(("off", "current")),
        funding=st.just("auto"),
    ),
)


@given(
    st.lists(LEGS, min_size=1, max_size=4, unique_by=lambda leg: leg.name),
    st.sampled_from(("7d", "band:0.05", "never")),
)
def test_any_portfolio_is_written_so_that_it_reads_the_same(legs: list[LegSpec], rebalance: str):
    spec = PortfolioSpec(
        Period.parse("2023-03-01", "2023-03-31T12:00"), tuple(legs), rebalance=rebalance, max_open=2
    )
    assert parse_portfolio(portfolio_text(spec), "x").spec == spec
    assert spec_of(document_of(spec)) == spec


def test_the_sample_is_a_portfolio_of_four_legs():
    spec = read_portfolio(Path(__file__).parents[3] / "resources" / "four_legs.toml").spec
    assert [leg.name for leg in spec.legs] == ["trend", "dips", "breakouts", "hold"]
    assert sum(spec.weights) == pytest.approx(1)


# -- parameters

INFO = StrategyInfo("ema_cross", "", "", (Param(21, low=2).to_json() | {"name": "fast"},), "ema_cross.py")


def two_legs(**params: object) -> PortfolioSpec:
    leg = LegSpec("a", "ema_cross", "A", "sample", Timeframe("1h"), params=params)  # type: ignore[arg-type]
    return PortfolioSpec(Period(0, DAY_MS), (leg, replace(leg, name="b.c", params={})))


def test_a_parameter_typed_for_a_leg_wins_and_has_the_type_that_the_strategy_reads():
    typed = Assignment.parse_all(["a.fast=12", "b.c.fast=5"])
    assert [dict(leg.params) for leg in assigned(two_legs(fast=9), {"ema_cross": INFO}, typed).legs] == [
        {"fast": 12}, {"fast": 5},
    ]  # fmt: skip
    everyone = assigned(two_legs(), {"ema_cross": INFO}, Assignment.parse_all(["fast=7"]))
    assert [leg.params["fast"] for leg in everyone.legs] == [7, 7]


def test_a_parameter_that_no_leg_has_is_refused_in_the_words_of_param():
    with pytest.raises(InputError, match="no selected leg has a parameter 'fst'; did you mean fast"):
        assigned(two_legs(), {"ema_cross": INFO}, Assignment.parse_all(["a.fst=1"]))
    with pytest.raises(InputError, match="the leg 'd' is not selected"):
        assigned(two_legs(), {"ema_cross": INFO}, Assignment.parse_all(["d.fast=1"]))
    for params, words in (
        ({"fst": 1}, "did you mean fast"),
        ({"fast": 1}, "fast must be a whole number of at least 2"),
    ):
        with pytest.raises(PortfolioFault, match=words) as caught:
            assigned(two_legs(**params), {"ema_cross": INFO})
        assert (caught.value.key, caught.value.leg) == (next(iter(params)), 0)


def test_a_weight_typed_for_a_leg_takes_the_place_of_its_own_where_weights_are_read():
    legs = tuple(replace(leg, weight=0.3) for leg in two_legs().legs)
    spec, infos = replace(two_legs(), legs=legs, allocation="fixed"), {"ema_cross": INFO}
    typed = assigned(spec, infos, Assignment.parse_all(["b.c.weight=0.5", "a.fast=5"]))
    assert [(leg.weight, dict(leg.params)) for leg in typed.legs] == [(0.3, {"fast": 5}), (0.5, {})]
    for text, words in (("a.weight=0.8", "sum to 1.1, above 1"), ("a.weight=much", "a weight is a number")):
        with pytest.raises(PortfolioFault, match=words):
            assigned(spec, infos, Assignment.parse_all([text]))
    with pytest.raises(InputError, match="no selected leg has a parameter 'weight'"):
        assigned(two_legs(), infos, Assignment.parse_all(["a.weight=0.5"]))


def test_without_the_only_leg_that_is_bought_nothing_is_left():
    spec = parse_portfolio(weighed("fixed", 0.5, 0), "four.toml").spec
    assert spec.without("0") is None
    left = spec.without("1")
    assert left is not None
    assert [leg.name for leg in left.legs] == ["0"]
