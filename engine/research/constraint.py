"""Constraints that people type, such as "fast < slow and slow % 5 == 0": read as an expression, never executed.

Only comparisons, and/or/not, + - * / // %, small powers, numbers, quoted text and parameter names mean anything; whatever
else Python knows is refused. Numbers are computed in float64 over whole columns; what has no value (x / 0) is not fulfilled.
"""

from __future__ import annotations

import ast
import difflib
import operator
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.errors import InputError
from engine.model.numerals import is_number
from engine.syntax import expression_tree

MAX_LENGTH: Final = 500
MAX_DEPTH: Final = 40
MAX_POWER: Final = 8
LARGEST: Final = sys.float_info.max

Values = Any  # a column or a scalar
NUMBER: Final = "a number"
TRUTH: Final = "a condition"
TEXT: Final = "text"

_ARITHMETIC: Final[Mapping[type[ast.operator], Callable[[Values, Values], Values]]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
}
_COMPARISONS: Final[Mapping[type[ast.cmpop], Callable[[Values, Values], Values]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def parsed(text: str) -> ast.expr | None:
    """The expression, None for an empty text; raises InputError for what is none."""
    if len(text) > MAX_LENGTH:
        raise InputError(f"the constraint is longer than {MAX_LENGTH} characters")
    if not text.strip():
        return None
    try:
        return expression_tree(text.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "it cannot be read"
        raise InputError(f"constraint {text!r}: {reason}; write one such as fast < slow") from None


def fulfilled(text: str, columns: Mapping[str, Any], n: int) -> npt.NDArray[np.bool_]:
    """Which of n combinations fulfil the constraint, bool (n,); `columns`: arrays (n,) or single values, by parameter.

    Raises InputError naming the part that is not understood. An empty text is fulfilled by all.
    """
    expression = parsed(text)
    if expression is None:
        return np.ones(n, dtype=np.bool_)
    found = _Reader(text, columns).whole(expression)
    return np.array(np.broadcast_to(found, (n,)), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class _Part:
    """What a part of the expression is, and its value(s)."""

    kind: str
    value: Values


class _Reader:
    """Reads one expression over one set of columns."""

    def __init__(self, text: str, columns: Mapping[str, Any]) -> None:
        self._text, self._columns = text, columns

    def whole(self, expression: ast.expr) -> Values:
        """The truth values of the whole expression."""
        with np.errstate(all="ignore"):
            part = self._part(expression, 0)
        return self._of(part, expression, TRUTH)

    def _part(self, node: ast.expr, depth: int) -> _Part:
        if depth > MAX_DEPTH:
            raise InputError(f"the constraint is nested more than {MAX_DEPTH} deep")
        said = ast.get_source_segment(self._text.strip(), node) or ""
        if "." in said and said in self._columns:  # LEG.fast, whatever the leg's name would mean by itself
            return self._column(said)
        match node:
            case ast.Constant(value=value):
                return self._constant(node, value)
            case ast.Name(id=name):
                return self._column(name)
            case ast.BinOp():
                return self._arithmetic(node, depth + 1)
            case ast.UnaryOp(op=ast.Not()):
                return _Part(TRUTH, np.logical_not(self._operand(node.operand, depth, TRUTH)))
            case ast.UnaryOp(op=ast.USub()):
                return _Part(NUMBER, np.negative(self._operand(node.operand, depth, NUMBER)))
            case ast.BoolOp():
                join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
                parts = [self._operand(value, depth, TRUTH) for value in node.values]
                found = parts[0]
                for part in parts[1:]:
                    found = join(found, part)
                return _Part(TRUTH, found)
            case ast.Compare():
                return self._comparison(node, depth + 1)
        raise self._refused(
            node, "only comparisons, and/or/not, arithmetic and parameter names are understood"
        )

    def _constant(self, node: ast.expr, value: Any) -> _Part:
        if isinstance(value, bool):
            return _Part(TRUTH, value)
        if isinstance(value, int | float):
            if not is_number(ast.get_source_segment(self._text.strip(), node) or ""):
                raise self._refused(node, "it is not a number as one is written: 1000, 0.5, 1e3")
            if not abs(value) <= LARGEST:
                raise self._refused(node, "the number is too large")
            return _Part(NUMBER, float(value))
        if isinstance(value, str):
            return _Part(TEXT, value)
        raise self._refused(node, "it is neither a number nor text")

    def _column(self, name: str) -> _Part:
        if name not in self._columns:
            near = difflib.get_close_matches(name, self._columns, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(self._columns) or 'none'}"
            raise InputError(f"constraint {self._text!r}: there is no parameter {name!r}; {hint}")
        values = np.asarray(self._columns[name])
        if values.dtype == np.bool_:
            return _Part(TRUTH, values)
        if values.dtype.kind == "U":
            return _Part(TEXT, values)
        return _Part(NUMBER, values.astype(np.float64))

    def _arithmetic(self, node: ast.BinOp, depth: int) -> _Part:
        left, right = (self._operand(side, depth, NUMBER) for side in (node.left, node.right))
        if isinstance(node.op, ast.Pow):
            if not (isinstance(right, float) and right.is_integer() and 0 <= right <= MAX_POWER):
                raise self._refused(node, f"a power must be a whole number from 0 to {MAX_POWER}")
            return _Part(NUMBER, np.power(left, right))
        if type(node.op) not in _ARITHMETIC:
            raise self._refused(node, "the operator is not one of + - * / // % **")
        return _Part(NUMBER, _ARITHMETIC[type(node.op)](left, right))

    def _comparison(self, node: ast.Compare, depth: int) -> _Part:
        nodes = [node.left, *node.comparators]
        parts = [self._part(one, depth) for one in nodes]
        found: Values = True
        for op, left, right, right_node in zip(node.ops, parts, parts[1:], nodes[1:], strict=False):
            if type(op) not in _COMPARISONS:
                raise self._refused(node, "the comparison is not one of < <= > >= == !=")
            if left.kind != right.kind:
                raise self._refused(right_node, f"it is {right.kind} and is compared with {left.kind}")
            if left.kind != NUMBER and not isinstance(op, ast.Eq | ast.NotEq):
                raise self._refused(node, f"{left.kind} has no order; only == and != compare it")
            found = np.logical_and(found, _COMPARISONS[type(op)](left.value, right.value))
        for part in parts:
            if part.kind == NUMBER:  # x / 0 is no value, although float64 calls it infinite
                found = np.logical_and(found, np.isfinite(part.value))
        return _Part(TRUTH, found)

    def _operand(self, node: ast.expr, depth: int, kind: str) -> Values:
        return self._of(self._part(node, depth + 1), node, kind)

    def _of(self, part: _Part, node: ast.expr, kind: str) -> Values:
        if part.kind != kind:
            raise self._refused(node, f"it is {part.kind} where {kind} is needed")
        return part.value

    def _refused(self, node: ast.expr, why: str) -> InputError:
        shown = ast.get_source_segment(self._text.strip(), node) or self._text
        return InputError(f"constraint {self._text!r}: {shown!r} cannot be used, {why}")
