"""Ranges and grids: the values a person means, the combinations they make, and what is refused."""

import itertools
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError
from engine.events import CancelToken
from engine.model.market import Period, Timeframe
from engine.model.parameters import Param
from engine.model.ranges import Steps, parse_range, range_of, range_text
from engine.model.sweep_spec import SweepSpec
from engine.research.grid import MAX_TRIALS
from engine.research.trials import plan_trials


def described(**params):
    for name, param in params.items():
        param.name = name
    return [param.to_json() for param in params.values()]


PARAMS = described(
    fast=Param(21, low=1, high=500),
    slow=Param(50, low=2, high=1000),
    width=Param(2.0, low=0.1, high=5.0),
    stops=Param(False),
    mode=Param("ema", choices=("ema", "sma")),
    big=Param(1),
)


def spec(ranges, **more):
    texts = {name: parse_range(text) for name, text in ranges.items()}
    return SweepSpec("some", "SOLUSDT", "binanceusdm", Timeframe("1h"), Period(0, 3_600_000), texts, **more)


def all_of(spec):
    """The trials of a sweep that knows them before."""
    trials = plan_trials(spec, PARAMS)
    assert trials.extend(CancelToken())
    assert not trials.extend(CancelToken())
    return trials


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("5:8:1", [5, 6, 7, 8]),
        ("5:8", [5, 6, 7, 8]),
        ("5:9:2", [5, 7, 9]),
        ("5:10:2", [5, 7, 9]),
        ("0.1:0.5:0.1", [0.1, 0.2, 0.3, 0.4, 0.5]),
        ("1:2:0.25", [1.0, 1.25, 1.5, 1.75, 2.0]),
        ("-1:1:1", [-1, 0, 1]),
        ("7:7:3", [7]),
        ("1e1:3e1:1e1", [10, 20, 30]),
        ("3, 5,8", [3, 5, 8]),
        ("3,3,5", [3, 5]),
        ("true,false", [True, False]),
        ("ema,sma", ["ema", "sma"]),
        ("0.5", [0.5]),
    ],
)
def test_a_range_holds_what_a_person_means(text, values):
    found = list(parse_range(text))
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "names no values"),
        ("1,,2", "names no values"),
        ("5:", "not a number"),
        ("a:b:c", "not a number"),
        ("nan:5:1", "not a number"),
        ("1:inf:1", "not a number"),
        ("5:1:1", "low is above high"),
        ("1:5:0", "above 0"),
        ("1:5:-1", "above 0"),
        ("1:2:3:4", "too many colons"),
        ("0:1:0.000000000000000001", "more than"),
    ],
)
def test_a_range_that_means_nothing_is_refused(text, part):
    with pytest.raises(InputError, match=part):
        parse_range(text)


@given(
    low=st.integers(-1000, 1000),
    count=st.integers(1, 200),
    step=st.integers(1, 999),
    digits=st.integers(0, 3),
)
def test_steps_are_the_decimals_that_were_written(low, count, step, digits):
    def number(units):
        return f"{units / 10**digits:.{digits}f}"

    high = low + (count - 1) * step
    values = parse_range(f"{number(low)}:{number(high)}:{number(step)}")
    assert [str(value) for value in values] == [
        str(float(number(low + i * step)) if digits else low + i * step) for i in range(count)
    ]
    assert list(parse_range(range_text(values))) == list(values)


DECIMALS = st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-(10**18), max_value=10**18, places=None
)


def test_a_step_beyond_int64_that_is_never_taken_does_no_harm():
    one = Steps(Decimal("0.000009997701"), Decimal(9_223_373), 1)
    assert one.column(np.array([0])).tolist() == [0.000009997701]


@given(low=DECIMALS, step=DECIMALS, count=st.integers(1, 10**6), data=st.data())
def test_a_column_of_steps_holds_the_very_values_of_the_range(low, step, count, data):
    values = Steps(low.normalize(), step.normalize(), count)
    at = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=20))
    column, one_by_one = values.column(np.array(at)).tolist(), [values[i] for i in at]
    assert [repr(value) for value in column] == [repr(value) for value in np.array(one_by_one).tolist()]


def test_a_whole_number_beyond_64_bits_stays_what_it_is():
    whole = 10**19 - 1
    trials = all_of(spec({"big": f"{whole}:{whole}:1"}))
    assert trials.columns["big"].tolist() == [whole]


def test_a_range_of_numbers_is_that_of_its_text():
    assert list(range_of(0.1, 0.3, 0.1)) == [0.1, 0.2, 0.3]


def test_a_grid_is_every_combination_and_the_last_range_varies_fastest():
    trials = all_of(spec({"fast": "5:7:1", "width": "1:2:0.5", "mode": "ema,sma"}))
    expected = list(itertools.product([5, 6, 7], [1.0, 1.5, 2.0], ["ema", "sma"]))
    rows = list(zip(*(column.tolist() for column in trials.columns.values()), strict=True))
    assert rows == expected
    assert trials.n == len(expected)
    assert trials.fixed == {"slow": 50, "stops": False, "big": 1}


def test_whole_steps_of_a_float_parameter_are_floats_and_fixed_values_are_parsed():
    trials = all_of(spec({"width": "1:3:1"}, params={"slow": "60"}))
    assert trials.columns["width"].dtype == np.float64
    assert trials.fixed["slow"] == 60


def test_a_constraint_filters_and_may_name_fixed_parameters():
    trials = all_of(spec({"fast": "1:60:1"}, params={"slow": 20}, constraint="fast < slow and not stops"))
    assert trials.columns["fast"].tolist() == list(range(1, 20))


@pytest.mark.parametrize(
    ("ranges", "more", "part"),
    [
        ({"fats": "5:8:1"}, {}, "did you mean fast"),
        ({"fast": "0:8:1"}, {}, "fast must be a whole number from 1 to 500"),
        ({"fast": "5:800:1"}, {}, "fast must be a whole number from 1 to 500"),
        ({"fast": "5:8:0.5"}, {}, "fast must be a whole number"),
        ({"fast": "a,b"}, {}, "fast must be a whole number"),
        ({"mode": "ema,wma"}, {}, "mode must be one of ema, sma"),
        ({"stops": "1:2:1"}, {}, "stops must be true or false"),
        (
            {"fast": "1:500:1", "slow": "2:1000:1", "width": "0.1:5:0.1"},
            {},
            r"24,975,000 combinations .*another sampler",
        ),
        ({"big": "1:1000000000:1"}, {}, "1,000,000,000 combinations"),
        ({"fast": "30:50:1", "slow": "2:20:1"}, {"constraint": "fast < slow"}, "none of 399"),
        ({"fast": "30:50:1"}, {"params": {"slwo": 3}}, "did you mean slow"),
        pytest.param(
            {"big": "1:900000000000:1"},
            {"sampler": "random", "trials": 50, "constraint": "big < 100"},
            "of 2,000,000 drawn",
            marks=pytest.mark.long,
        ),
        ({"big": "1:900000000000:1"}, {"sampler": "random", "trials": MAX_TRIALS + 1}, "1,000,001 trials"),
    ],
)
def test_what_cannot_be_swept_is_refused_with_what_to_do(ranges, more, part):
    with pytest.raises(InputError, match=part):
        plan_trials(spec(ranges, **more), PARAMS)


@pytest.mark.parametrize("size", ["1:40:1", "1:900000000000:1"], ids=["small", "huge"])
def test_random_trials_are_distinct_repeatable_and_inside_the_constraint(size):
    def drawn(seed):
        ranges = {"big": size, "fast": "1:50:1"}
        return all_of(
            spec(ranges, sampler="random", trials=200, seed=seed, constraint="big % 2 == 0")
        ).columns

    first, again, other = drawn(1), drawn(1), drawn(2)
    rows = set(zip(first["big"].tolist(), first["fast"].tolist(), strict=True))
    assert len(rows) == 200
    assert all(big % 2 == 0 for big, _ in rows)
    assert np.array_equal(first["big"], again["big"])
    assert not np.array_equal(first["big"], other["big"])


def test_asking_for_more_random_trials_than_there_are_gives_all():
    trials = all_of(spec({"fast": "1:9:1"}, sampler="random", trials=50))
    assert sorted(trials.columns["fast"].tolist()) == list(range(1, 10))


def test_a_spec_that_contradicts_itself_is_refused():
    for more, part in (
        ({"sampler": "random"}, "needs a number of trials"),
        ({"trials": 5}, "takes none"),
        ({"sampler": "best"}, "unknown sampler"),
        ({"sampler": "random", "trials": 0}, "at least 1"),
        ({"params": {"fast": 3}}, "either a range or a fixed value"),
    ):
        with pytest.raises(InputError, match=part):
            spec({"fast": "1:9:1"}, **more)
    with pytest.raises(InputError, match="nothing to sweep"):
        spec({})
