"""Specs written as JSON are read back as the same specs, whatever is in them."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError
from engine.model.market import Period, Timeframe
from engine.model.ranges import parse_range
from engine.model.run import RunSpec, values_of_spec
from engine.model.sweep_spec import SweepSpec

HOUR, MARCH = Timeframe("1h"), Period.parse("2023-03-01", "2023-03-31")
RUN = RunSpec("ema_cross", "SOLUSDT", "binanceusdm", HOUR, MARCH)
SWEEP = SweepSpec("ema_cross", "SOLUSDT", "binanceusdm", HOUR, MARCH, {"fast": parse_range("5:50:1")})
VALUES = st.one_of(
    st.integers(-(2**60), 2**60), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)
)  # fmt: skip


def test_what_has_a_default_may_be_left_out_and_a_bare_date_as_the_end_includes_that_day():
    short = {
        "strategy": "ema_cross", "symbol": "SOLUSDT", "exchange": "binanceusdm", "timeframe": "1h",
        "start": "2023-03-01", "end": "2023-03-31",
    }  # fmt: skip
    assert RunSpec(**values_of_spec(short)) == RUN
    assert SweepSpec.from_json(short | {"ranges": {"fast": "5:50:1"}}) == SWEEP
    with pytest.raises(InputError, match="cash"):
        values_of_spec(short | {"costs": {"cash": -1}})


@given(
    st.dictionaries(
        st.sampled_from(["a", "b"]), st.lists(VALUES, min_size=1, max_size=60, unique=True), min_size=1
    )
)
def test_a_sweep_comes_back_from_json_with_the_same_values_of_the_same_types(ranges):
    spec = replace(
        SWEEP,
        ranges={name: tuple(values) for name, values in ranges.items()},
        params={"z": 1},
        trials=3,
        sampler="random",
    )
    again = SweepSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again == spec
    for name, values in spec.ranges.items():
        assert [type(one) for one in again.ranges[name]] == [type(one) for one in values]


@pytest.mark.parametrize("text", ["5:50:1", "0.1:0.5:0.1", "a,b", "true,false", "1,2.5"])
def test_ranges_stay_the_text_that_was_written_where_it_says_all(text):
    document = replace(SWEEP, ranges={"fast": parse_range(text)}).to_json()
    assert document["ranges"] == {"fast": text}
    assert SweepSpec.from_json(document).ranges["fast"] == parse_range(text)
