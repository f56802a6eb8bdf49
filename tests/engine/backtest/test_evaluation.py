"""Strategy code is called in one place: what it gives is checked, what it does to its candles hurts nobody."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.backtest.evaluation import Evaluation, ask_warmup, evaluate
from engine.backtest.frame import CandleFrame
from engine.errors import RunError
from engine.indicators import crossed_above, ema
from engine.model.market import HOUR_MS, Candles
from engine.strategy import Strategy
from tests.support.builders import random_candles

HERE = Path(__file__)
N = 50
CANDLES = random_candles(N, 3)
FRAME = CandleFrame(CANDLES)
INDEX = FRAME.table.index
Answer = Callable[[pd.DataFrame], Any]


def flags(candles: pd.DataFrame) -> "pd.Series[bool]":
    return candles["close"] > candles["open"]


def nothing(_: pd.DataFrame) -> Any:
    return {}


def always(candles: pd.DataFrame) -> Any:
    return {"signal_x_buy": flags(candles)}


def asked(
    indicators: Answer = nothing,
    signals: Any = always,
    frame: CandleFrame = FRAME,
    held: int = 0,
    wanted: int = 0,
) -> Evaluation:
    class Mine(Strategy):
        def indicators(self, candles: pd.DataFrame) -> Any:
            return indicators(candles)

        def signals(self, candles: pd.DataFrame, indicators: Any) -> Any:
            return signals(candles) if signals.__code__.co_argcount == 1 else signals(candles, indicators)

    return evaluate(Mine(), HERE, frame, held=held, wanted=wanted)


# -- the ways to answer


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda c, columns: pd.DataFrame(columns, index=c.index), id="DataFrame"),
        pytest.param(lambda c, columns: columns, id="dict of Series"),
        pytest.param(lambda c, columns: {k: v.to_numpy() for k, v in columns.items()}, id="dict of arrays"),
        pytest.param(lambda c, columns: {k: v.copy() for k, v in columns.items()}, id="dict of copies"),
        pytest.param(
            lambda c, columns: pd.DataFrame(columns).convert_dtypes(dtype_backend="numpy_nullable"),
            id="nullable",
        ),
    ],
)
def test_every_form_of_answer_says_the_same(form: Callable[[pd.DataFrame, dict[str, Any]], Any]) -> None:
    expected = asked(
        lambda c: {"mean": c["close"].rolling(3).mean()}, lambda c: {**always(c), "stop_loss": c["low"] / 2}
    )
    found = asked(
        lambda c: form(c, {"mean": c["close"].rolling(3).mean()}),
        lambda c: form(c, {**always(c), "stop_loss": c["low"] / 2}),
    )
    np.testing.assert_array_equal(found.indicators["mean"], expected.indicators["mean"])
    assert found.indicators["mean"].dtype == np.float64
    np.testing.assert_array_equal(found.signals.entry, expected.signals.entry)
    np.testing.assert_array_equal(found.signals.stop_loss, expected.signals.stop_loss)
    assert list(found.signals.raw) == ["signal_x_buy"]


def test_signals_gets_what_indicators_returned() -> None:
    asked(
        lambda c: pd.DataFrame({"a": c["close"]}),
        lambda c, i: always(c) if isinstance(i, pd.DataFrame) else None,
    )
    asked(
        lambda c: {"a": c["close"].to_numpy()},
        lambda c, i: always(c) if isinstance(i["a"], np.ndarray) else None,
    )


def test_numbers_of_any_kind_can_be_drawn() -> None:
    found = asked(
        lambda c: {
            "up": flags(c),
            "hour": pd.DatetimeIndex(c.index).hour.to_numpy(),
            "nullable": flags(c).astype("Int64"),
        }
    )
    assert {column.dtype for column in found.indicators.values()} == {np.dtype(np.float64)}


# -- answers that cannot be used


WRONG_SIGNALS: dict[str, tuple[Answer, str]] = {
    "NaN": (lambda c: {"signal_x_buy": c["close"] * np.nan}, "'signal_x_buy' must be boolean, not float64"),
    "infinite": (lambda c: {"signal_x_buy": c["close"] / 0}, "'signal_x_buy' must be boolean, not float64"),
    "NaN among flags": (
        lambda c: {"signal_x_buy": flags(c).astype(object).where(flags(c))},
        "'signal_x_buy' must be boolean, but .* of its values are empty",
    ),
    "unknown flags": (
        lambda c: {"signal_x_buy": flags(c).astype("boolean").where(flags(c))},
        "'signal_x_buy' must be boolean, but .* of its values are empty",
    ),
    "0 and 1": (lambda c: {"signal_x_buy": flags(c).astype(int)}, "must be boolean, not int64; a comparison gives one"),
    "text": (lambda c: {"signal_x_buy": np.full(N, "yes")}, "must be boolean, not <U3"),
    "too short": (lambda c: {"signal_x_buy": flags(c).to_numpy()[1:]}, "has 49 values, there are 50 candles"),
    "too long": (lambda c: {"signal_x_buy": np.ones(51, bool)}, "has 51 values, there are 50 candles"),
    "two-dimensional": (lambda c: {"signal_x_buy": np.ones((N, 2), bool)}, "not an array of shape"),
    "a number": (lambda c: {"signal_x_buy": True}, "must be a Series or a one-dimensional array, not bool"),
    "a list": (lambda c: {"signal_x_buy": [True] * N}, "must be a Series or a one-dimensional array, not list"),
    "another index": (lambda c: {"signal_x_buy": flags(c).reset_index(drop=True)}, "50 rows with another index"),
    "fewer rows": (lambda c: {"signal_x_buy": flags(c).iloc[:-1]}, "49 rows with another index than the 50"),
    "rows of another day": (lambda c: pd.DataFrame(always(c)).shift(1, freq="D"), "50 rows with another index"),
    "no dict": (lambda c: [flags(c)], r"signals\(\) must return a DataFrame or a mapping of columns, not list"),
    "nothing": (lambda c: None, "must return a DataFrame or a mapping of columns, not NoneType"),
    "no entry": (lambda c: {"exit_long": flags(c)}, "no column named signal_<name>_buy"),
    "no column": (lambda c: {}, "no column named signal_<name>_buy"),
    "unknown name": (lambda c: {**always(c), "stop": c["low"]}, "the column 'stop'; allowed are"),
    "infinite stop": (lambda c: {**always(c), "stop_loss": c["low"] / 0}, "'stop_loss' must hold prices above 0"),
    "stop of 0": (lambda c: {**always(c), "stop_loss": c["low"] * 0}, "'stop_loss' must hold prices above 0"),
    "stop of text": (lambda c: {**always(c), "stop_loss": np.full(N, "x")}, "'stop_loss' must hold numbers, not"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_SIGNALS)
def test_signals_that_cannot_be_used_are_refused_with_line_and_column(name: str) -> None:
    signals, words = WRONG_SIGNALS[name]
    with pytest.raises(RunError, match=words) as caught:
        asked(signals=signals)
    assert str(caught.value).startswith("test_evaluation.py:")


@pytest.mark.parametrize(
    ("indicators", "words"),
    [
        (lambda c: {"a": c["close"].to_numpy()[:-1]}, "'a' has 49 values, there are 50 candles"),
        (lambda c: {"a": np.full(N, "x")}, r"indicators\(\) column 'a' must hold numbers, not <U1"),
        (
            lambda c: {"a": 1.0},
            r"indicators\(\) column 'a' must be a Series or a one-dimensional array, not float",
        ),
        (
            lambda c: c["close"],
            r"indicators\(\) must return a DataFrame or a mapping of columns, not Series",
        ),
        (lambda c: {"a": c["close"].iloc[::-1]}, "50 rows with another index"),
    ],
)
def test_indicators_that_cannot_be_used_are_refused(indicators: Answer, words: str) -> None:
    with pytest.raises(RunError, match=words):
        asked(indicators)


@pytest.mark.parametrize("answer", [2.5, "10", None, -1, 2_000_000, True])
def test_a_warm_up_that_is_no_count_is_refused(answer: Any) -> None:
    class Mine(Strategy):
        def warmup(self) -> int:
            return answer  # type: ignore[no-any-return]

        def signals(self, candles: pd.DataFrame, indicators: Any) -> Any:
            return always(candles)

    with pytest.raises(
        RunError, match=r"warmup\(\) must return a whole number of candles from 0 to 1,000,000, not"
    ):
        ask_warmup(Mine(), HERE)


# -- what a strategy does to its candles


def spoil_rows(c: pd.DataFrame) -> None:
    c.iloc[:] = 0.0
    c.loc[c.index[0], "close"] = -1.0


def spoil_columns(c: pd.DataFrame) -> None:
    c["close"] = 1.0
    del c["open"]
    c["mine"] = 2.0


def spoil_a_column(c: pd.DataFrame) -> None:
    close = c["close"]
    close.iloc[0] = -5.0
    close += 1
    close.index = pd.RangeIndex(len(close))


def spoil_index(c: pd.DataFrame) -> None:
    c.index = pd.RangeIndex(len(c))
    c.columns = pd.Index(list("abcde"))


@pytest.mark.parametrize("spoil", [spoil_rows, spoil_columns, spoil_a_column, spoil_index])
def test_a_strategy_that_changes_its_candles_changes_only_its_own(
    spoil: Callable[[pd.DataFrame], None],
) -> None:
    def indicators(candles: pd.DataFrame) -> Any:
        spoil(candles)
        return {}

    def signals(candles: pd.DataFrame) -> Any:
        found = always(candles)
        spoil(candles)
        return found

    expected = asked()
    frame = CandleFrame(CANDLES)
    for _ in range(2):
        np.testing.assert_array_equal(asked(indicators, signals, frame).signals.entry, expected.signals.entry)
    pd.testing.assert_frame_equal(frame.table, CANDLES.frame())


@pytest.mark.parametrize("name", ["close", "volume"])
def test_who_writes_into_shared_memory_is_told_so_with_the_line(name: str) -> None:
    def indicators(candles: pd.DataFrame) -> Any:
        candles[name].to_numpy()[0] = 1.0
        raise AssertionError("written")

    words = r"^test_evaluation\.py:\d+: ValueError: assignment destination is read-only; candles and indicators are shared"
    with pytest.raises(RunError, match=words):
        asked(indicators)


def test_nobody_can_make_the_shared_memory_writable(tmp_path: Path) -> None:
    CANDLES.save(tmp_path / "candles.npy")
    for frame in (FRAME, CandleFrame(Candles.load(tmp_path / "candles.npy")), FRAME.part(3, 20)):
        with pytest.raises(ValueError, match="WRITEABLE"):
            frame.copy()["close"].to_numpy().flags.writeable = True


def test_candles_that_are_mapped_are_not_copied(tmp_path: Path) -> None:
    CANDLES.save(tmp_path / "candles.npy")
    mapped = Candles.load(tmp_path / "candles.npy")
    assert np.shares_memory(CandleFrame(mapped).copy()["close"].to_numpy(), mapped.close)
    assert np.shares_memory(CandleFrame(mapped).part(5, 9).copy()["low"].to_numpy(), mapped.low)


def test_what_signals_does_to_the_indicators_changes_nothing_that_is_kept() -> None:
    def spoil(candles: pd.DataFrame, indicators: Any) -> Any:
        for name in ("series", "array"):
            column = indicators[name]
            column[:] = 0.0
        return always(candles)

    kept = asked(lambda c: {"series": ema(c["close"], 3), "array": np.array(c["close"])}, spoil).indicators
    np.testing.assert_array_equal(kept["array"], CANDLES.close)
    assert (kept["series"][2:] > 0).all()
    frame = asked(lambda c: pd.DataFrame({"series": c["close"], "array": c["open"]}), spoil).indicators
    np.testing.assert_array_equal(frame["series"], CANDLES.close)


# -- few candles


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_candles_are_asked_about_like_many(n: int) -> None:
    found = asked(lambda c: {"mean": ema(c["close"], 3)}, frame=FRAME.part(0, n))
    assert found.signals.entry.shape == found.indicators["mean"].shape == (n,)


def test_a_strategy_that_could_see_nothing_is_refused_before_it_is_asked_for_signals() -> None:
    def crash(_: pd.DataFrame) -> Any:
        raise AssertionError("asked")

    with pytest.raises(
        RunError,
        match="usable values: mean would be empty; the strategy wants 80 candles before its period, 10",
    ):
        asked(lambda c: {"mean": ema(c["close"], 80)}, crash, held=10, wanted=80)


def test_chance_is_the_same_in_every_evaluation() -> None:
    def by_chance(candles: pd.DataFrame) -> Any:
        return {"signal_x_buy": np.random.random(len(candles)) > 0.5}  # noqa: NPY002

    np.testing.assert_array_equal(
        asked(signals=by_chance).signals.entry, asked(signals=by_chance).signals.entry
    )


# -- arrays in place of pandas


class OnArrays(Strategy):
    """Asks for arrays and answers in them."""

    arrays = True

    def indicators(self, candles: Any) -> Any:
        assert type(candles) is dict
        assert all(type(column) is np.ndarray for column in candles.values())
        return {"slow": ema(candles["close"], 5), "hour": candles["timestamp"] // HOUR_MS % 24}

    def signals(self, candles: Any, indicators: Any) -> Any:
        above = crossed_above(candles["close"], indicators["slow"]) & (indicators["hour"] != 7)
        del candles["close"]  # its own dict
        return {"signal_up_buy": above, "exit_long": candles["low"] < indicators["slow"]}


class OnSeries(OnArrays):
    """The same text over pandas."""

    arrays = False

    def indicators(self, candles: Any) -> Any:
        return {"slow": ema(candles["close"], 5), "hour": pd.Series(candles.index.hour, candles.index)}


@pytest.mark.parametrize("lasting", [True, False])
def test_a_strategy_on_arrays_says_what_it_says_on_series(lasting: bool) -> None:
    frame = CandleFrame(CANDLES)
    for part in (frame, frame.part(3, 30), frame):
        one, two = (evaluate(kind(), HERE, part, lasting=lasting) for kind in (OnArrays, OnSeries))
        for name in ("slow", "hour"):
            np.testing.assert_array_equal(one.indicators[name], two.indicators[name])
        np.testing.assert_array_equal(one.signals.entry, two.signals.entry)
        np.testing.assert_array_equal(one.signals.exit_long, two.signals.exit_long)
        assert np.any(one.signals.entry)


@pytest.mark.parametrize("method", ["indicators", "signals"])
def test_a_strategy_that_writes_into_its_arrays_is_told_so(method: str) -> None:
    def spoil(_self: Any, candles: Any, _indicators: Any = None) -> Any:
        candles["close"] += 1.0

    kind = type("Spoiler", (OnArrays,), {method: spoil})
    with pytest.raises(RunError, match=r"output array is read-only; candles and indicators are shared"):
        evaluate(kind(), HERE, FRAME)
