"""Two runs side by side: what went in, the figures, the trades and the source that differ."""

from dataclasses import replace
from typing import Any

from engine.model.account import Costs
from engine.model.comparison import MetricDifference, SourceFile
from engine.runs.compare import compare, side_by_side
from tests.desktop.builders import run_on
from tests.support.builders import random_candles

CANDLES = random_candles(400)
INPUTS: dict[str, Any] = {
    "candles": {"sha256": "aa", "months": {"2024-01": "744 aa"}}, "period": {"start": "a", "end": "b"}, "timeframe": "1h",
    "warmup": 50, "source": {"ema_cross.py": "11"}, "params": {"fast": 9}, "costs": {"cash": 1.0}, "engine": "compiled",
    "versions": {"numpy": "2"}, "seed": 0,
}  # fmt: skip


def test_a_run_beside_itself_differs_in_nothing():
    run = run_on(CANDLES, inputs=INPUTS)
    found = side_by_side(run, run, [])
    assert (found.inputs, found.trades, found.equal_trades) == ((), [], len(run.trades))
    assert {row.difference for row in found.metrics} == {0, None}


def test_trades_that_begin_at_once_are_compared_in_their_order():
    """A strategy of the library adds to a position and closes it in parts."""
    run = run_on(CANDLES, inputs=INPUTS)
    first, *_ = run.trades
    parts = tuple(replace(first, size=size) for size in (1.0, 2.0, 3.0))
    run = replace(run, trades=parts)
    assert side_by_side(run, run, []).equal_trades == 3
    found = side_by_side(run, replace(run, trades=(parts[0], replace(parts[1], pnl=0.5))), [])
    assert [(row.columns, row.right is None) for row in found.trades] == [(("pnl",), False), ((), True)]


def test_what_differs_is_named():
    left = run_on(CANDLES, inputs=INPUTS)
    first, second, third, *_ = left.trades
    nan = replace(second, mae_pct=float("nan"))
    left = replace(left, trades=(first, nan, third))
    turned = replace(third, side="short")
    right = replace(
        left, strategy="other", metrics={"return_pct": 20.0, "trades": 3, "sqn": None}, costs=Costs(cash=5_000),
        trades=(replace(first, pnl=1.0, exit_reason="stop_loss"), nan, turned),
        inputs=INPUTS | {"params": {"fast": 12}, "source": {"ema_cross.py": "22"}},
    )  # fmt: skip
    found = side_by_side(left, right, [])
    assert found.inputs == (
        "strategy ema_cross -> other", "strategy source changed (ema_cross.py)", "parameter fast 9 -> 12",
    )  # fmt: skip
    assert found.metrics[0] == MetricDifference("return_pct", 12.5, 20.0)
    assert found.metrics[0].difference == 7.5
    assert found.metrics[-1].difference is None
    assert found.equal_trades == 1
    changed, *sides = found.trades
    assert changed.columns == ("pnl", "exit_reason")
    assert [(row.left is None, row.right is None) for row in sides] == [(False, True), (True, False)]


def test_of_runs_of_older_versions_nobody_knows_what_differs():
    assert side_by_side(run_on(CANDLES), run_on(CANDLES, inputs=INPUTS), []).inputs is None


def test_lines_of_a_file_then_and_now():
    then, now = "a\nb\nc\n", "a\nB\nc\nd\n"
    file = SourceFile("x.py", then, now)
    assert list(file.lines()) == [(" ", "a"), ("-", "b"), ("+", "B"), (" ", "c"), ("+", "d")]
    assert not file.is_same
    assert "\n".join(line for sign, line in file.lines() if sign != "+") + "\n" == then
    assert "\n".join(line for sign, line in file.lines() if sign != "-") + "\n" == now
    assert [sign for sign, _ in SourceFile("x.py", None, now).lines()] == [" "] * 4
    assert not SourceFile("x.py", None, None).is_same


def test_a_run_made_again_is_not_told_to_differ_in_what_older_versions_did_not_keep():
    now = run_on(CANDLES, inputs=INPUTS)
    told = tuple(replace(trade, slippage=1.0, price_pnl=2.0, ambiguous=False) for trade in now.trades)
    now = replace(now, trades=told)
    old = tuple(replace(trade, slippage=None, price_pnl=None, ambiguous=None) for trade in now.trades)
    metrics = {name: value for name, value in now.metrics.items() if name != "return_pct"}
    then = replace(now, trades=old, metrics=metrics)
    assert compare(then, now).equal
    first = replace(now.trades[0], slippage=99.0)
    assert [
        row["name"] for row in compare(now, replace(now, trades=(first, *now.trades[1:]))).differences
    ] == ["trades[0].slippage"]
    assert [row["name"] for row in compare(now, then).differences] == [
        "metrics.return_pct", "trades[0].slippage", "trades[0].price_pnl", "trades[0].ambiguous",
    ]  # fmt: skip
