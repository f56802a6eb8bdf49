"""Plain data leaves a worker exactly as it was; nothing else leaves."""

import io
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.parallel.plain import decode, encode


def there_and_back(value: Any) -> Any:
    file = io.BytesIO()
    encode(value).write(file)
    file.seek(0)
    return decode(file)


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(values)
def test_json_values_come_back_equal_and_of_the_same_type(value: Any) -> None:
    assert repr(there_and_back(value)) == repr(value)


@given(
    st.lists(
        hnp.arrays(st.sampled_from(["f8", "i8", "i2", "?", "f4", "M8[ms]"]), hnp.array_shapes(min_side=0))
    )
)
def test_arrays_come_back_bit_for_bit_wherever_they_stand(arrays: list[Any]) -> None:
    value = {"list": arrays, "deep": {f"number {n}": {"array": array} for n, array in enumerate(arrays)}}
    back = there_and_back(value)
    for before, after, deep in zip(arrays, back["list"], back["deep"].values(), strict=True):
        for one in (after, deep["array"]):
            assert (one.dtype, one.shape, one.tobytes()) == (before.dtype, before.shape, before.tobytes())
            assert one.flags.writeable


def test_numpy_scalars_tuples_and_not_a_number_become_plain() -> None:
    back = there_and_back(
        {"a": np.float64(1.5), "b": np.int64(3), "c": np.bool_(True), "d": (1, 2), "e": math.inf}
    )
    assert back == {"a": 1.5, "b": 3, "c": True, "d": [1, 2], "e": math.inf}
    assert math.isnan(there_and_back(math.nan))


@pytest.mark.parametrize(
    "value", [{1, 2}, object(), b"bytes", np.array([object()]), np.datetime64("2024", "s"), 1j]
)
def test_anything_else_is_refused_with_the_name_of_its_type(value: Any) -> None:
    with pytest.raises(TypeError, match=r"the result holds a value of type \w+"):
        encode({"inner": [value]})
