"""One definition of a number for files, options and parameters: what is plainly written, and nothing that Python adds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.numerals import counted, is_number, read_number, read_numbers, read_whole, read_wholes
from engine.model.ranges import parse_range

NUMBERS = {
    "0": 0.0,
    "-1.5": -1.5,
    "+2": 2.0,
    ".5": 0.5,
    "5.": 5.0,
    "1e5": 1e5,
    "1.2E-05": 1.2e-5,
    " 7\t": 7.0,
    "007": 7.0,
}
NONE = (
    "", " ", ".", "-", "e5", "1e", "1_00.0", "1_0", "_1", "nan", "NaN", "inf", "-inf", "infinity", "0x10", "1,5", "1 5",
    "1.5.2", "--1", "5K", "5%", "$5", "\u0663", "\uff11", "\u00bd", "\u00a05", "5\n", "5\r", "1\x00", "1d5", "1e5.0",
)  # fmt: skip


@pytest.mark.parametrize(("text", "value"), NUMBERS.items())
def test_what_is_plainly_written_is_a_number(text: str, value: float) -> None:
    assert is_number(text)
    assert read_number(text) == value
    assert read_numbers([text, "1"]) == [value, 1.0]


@pytest.mark.parametrize("text", NONE)
def test_everything_else_is_none_alone_and_among_others(text: str) -> None:
    assert not is_number(text)
    for read in (lambda: read_number(text), lambda: read_numbers(["1", text, "2"])):
        with pytest.raises(ValueError):
            read()


@pytest.mark.parametrize("text", [*NONE, "1.0", "1e3"])
def test_a_whole_number_has_digits_only(text: str) -> None:
    for read in (lambda: read_whole(text), lambda: read_wholes(["1", text])):
        with pytest.raises(ValueError):
            read()
    assert (read_whole(" -12"), read_wholes(["3", "+4"])) == (-12, [3, 4])


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_comes_back_from_its_own_text(value: float) -> None:
    assert read_number(repr(value)) == value
    assert read_numbers([repr(value).replace(".", ",")], ",") == [value]


@given(st.text("0123456789+-.eE_ \t\u0663naif,", max_size=12))
def test_one_by_one_and_many_at_once_agree(text: str) -> None:
    try:
        many = read_numbers([text])
    except ValueError:
        assert not is_number(text)
    else:
        assert is_number(text)
        assert many == [read_number(text)]


def test_too_many_digits_are_no_silent_number() -> None:
    assert math.isinf(read_number("1e999"))


@pytest.mark.parametrize("text", ["1_0", "nan", "\u0663", "0x10"])
def test_the_values_of_a_sweep_are_numbers_by_the_same_rule(text: str) -> None:
    assert parse_range(f"{text},5") == (text, 5), "a word: no parameter of numbers takes it"


def test_one_of_something_is_not_many():
    assert [counted(n, "trial") for n in (0, 1, 2, 1_000)] == [
        "0 trials",
        "1 trial",
        "2 trials",
        "1,000 trials",
    ]
