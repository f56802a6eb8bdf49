"""The documents about walk-forwards."""

from __future__ import annotations

from engine.api.document import Document, Number, Value
from engine.api.documents import Run
from engine.api.portfolio_documents import Portfolio
from engine.api.sweep_documents import Tried


class WalkWindow(Document):
    """A window: what was chosen from its training, how that went there, and in the stitched run's part of its test.

    `kept`: none could be chosen in training; `oos_rank`: where the chosen stood in the test, 1 the best.
    """

    train_start: str
    train_end: str
    test_start: str
    test_end: str
    partial: bool
    trial: int
    params: dict[str, Value]
    kept: bool
    train: dict[str, Number]
    test: dict[str, Number]
    oos_rank: float | None
    is_oos_rho: float | None


class WalkForward(Tried):
    """A walk-forward as far as it came: its windows, the measures over them, and the stitched run.

    `stitched`: in place of the run the portfolio, where the legs of one were walked.
    """

    status: str
    train: str
    test: str
    mode: str
    gap: str
    windows: list[WalkWindow]
    wfe: float | None
    oos_rank: float | None
    is_oos_rho: float | None
    param_step: dict[str, float | None] | None
    param_mode_share: dict[str, float] | None
    profitable_windows: float | None
    largest_window_share: float | None
    run: Run | None
    stitched: Portfolio | None = None


class WalkForwards(Document):
    """Several walk-forwards, without their stitched runs."""

    walk_forwards: list[WalkForward]
