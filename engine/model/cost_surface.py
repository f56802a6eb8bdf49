"""A stored run under other costs: what is asked, and what each pair of commission and slippage leaves of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.errors import InputError
from engine.model.account import Costs

# the figures of a cell, names of DEFINITIONS
FIGURES: Final = ("return_pct", "sharpe", "max_drawdown_pct", "final_equity", "trades")
MOST_CELLS: Final = 2_500
BASIS_POINT: Final = 1e-4
_USUAL: Final = 20 * BASIS_POINT  # how far an axis goes
_STEPS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSurfaceSpec:
    """Which costs to try, fractions per side; empty: from 0 to 20 basis points, or to twice the run's own, in 8 steps.

    Raises InputError for what can be no cost, and for more than 2,500 pairs.
    """

    commissions: Sequence[float] = ()
    slippages: Sequence[float] = ()

    def __post_init__(self) -> None:
        for name in ("commission", "slippage"):
            for value in getattr(self, f"{name}s"):
                if isinstance(value, bool) or not isinstance(value, int | float):
                    raise InputError(f"{name} must be numbers, as 0:0.002:0.0005, not {value!r}")
                Costs.from_json({name: float(value)})  # which knows the bounds
        pairs = (len(self.commissions) or _STEPS + 1) * (len(self.slippages) or _STEPS + 1)
        if pairs > MOST_CELLS:
            raise InputError(
                f"{pairs:,} pairs of costs are too many; at most {MOST_CELLS:,}: use a larger step"
            )

    def axes(self, costs: Costs) -> tuple[Sequence[float], Sequence[float]]:
        """The commissions and slippages to try of a run with these costs, ascending: its own are always among them."""
        slippage = None if costs.slippage_model else costs.slippage
        return _axis(self.commissions, costs.commission), _axis(self.slippages, slippage)


def _axis(given: Sequence[float], own: float | None) -> Sequence[float]:
    high = max(_USUAL, 2 * (own or 0.0))
    wanted = [float(one) for one in given] or [round(high * at / _STEPS, 10) for at in range(_STEPS + 1)]
    if own is None:
        return sorted(set(wanted))
    return sorted({own, *(one for one in wanted if not math.isclose(one, own, rel_tol=1e-9))})


@dataclass(frozen=True, slots=True)
class CostCell:
    """The run at one pair of costs. `figures`: by FIGURES, None where one has no meaning; `same_trades`: whether it enters
    and leaves when the run at its own costs does, None where one of them failed or its own slippage is a model's; `error`:
    why it failed.
    """

    commission: float
    slippage: float
    figures: Mapping[str, float | int | None]
    same_trades: bool | None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """All fields, the figures by their names."""
        return {
            "commission": self.commission,
            "slippage": self.slippage,
            **self.figures,
            "same_trades": self.same_trades,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True, eq=False)
class CostSurface:
    """The run `run_id` at every pair of costs. `rows`: a row a commission, a cell a slippage, both ascending; `own`: the
    run's commission and slippage, None of a slippage model. `break_even`: of each commission the slippage at which the net
    profit is zero, None where it is nowhere between the slippages tried.
    """

    run_id: str
    commissions: Sequence[float]
    slippages: Sequence[float]
    own: tuple[float, float | None]
    rows: Sequence[Sequence[CostCell]]
    break_even: Sequence[float | None]
    notes: Sequence[str] = ()
    elapsed_s: float = 0.0

    @property
    def cells(self) -> Iterator[CostCell]:
        """All of them, row after row."""
        return (cell for row in self.rows for cell in row)

    @property
    def remarks(self) -> list[str]:
        """What has to be known of the cells: notes, where the trades differ, and how many failed."""
        cells = list(self.cells)
        differing = sum(cell.same_trades is False for cell in cells)
        errors = [cell.error for cell in cells if cell.error is not None]
        found = list(self.notes)
        if differing:
            found.append(
                f"at {differing:,} of {len(cells):,} pairs other trades are made than at the run's own costs"
            )
        if errors:
            found.append(f"{len(errors):,} of {len(cells):,} pairs failed; the first: {errors[0]}")
        return found

    def to_json(self) -> dict[str, Any]:
        """The contract's `surface`."""
        commission, slippage = self.own
        return {
            "run": self.run_id,
            "commissions": list(self.commissions),
            "slippages": list(self.slippages),
            "own": {"commission": commission, "slippage": slippage},
            "cells": [cell.to_json() for cell in self.cells],
            "break_even": [
                {"commission": one, "slippage": zero}
                for one, zero in zip(self.commissions, self.break_even, strict=True)
            ],
            "notes": self.remarks,
            "elapsed_s": self.elapsed_s,
        }


def basis_points(fraction: float) -> str:
    """A cost per side for people: 12.5 of 0.00125."""
    return f"{round(fraction / BASIS_POINT, 4):g}"
