"""The documents about walk-forwards."""

from __future__ import annotations

from engine.api.document import Document, Number, Value
from engine.api.documents import CostsDocument, Run, Series


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


class WalkForward(Series):
    """A walk-forward as far as it came: its windows, the measures over them, and the stitched run."""

    id: str
    status: str
    error: str | None
    strategy: str
    ranges: dict[str, str | list[Value]]
    params: dict[str, Value]
    constraint: str
    objective: str
    second_objective: str
    sampler: str
    seed: int
    costs: CostsDocument
    train: str
    test: str
    mode: str
    gap: str
    warmup: int
    longer_warmup: dict[str, int]
    fixed: dict[str, Value]
    trials: int
    planned: int
    failed: int
    trials_of_strategy: int | None
    elapsed_s: float
    created: str
    windows: list[WalkWindow]
    wfe: float | None
    oos_rank: float | None
    is_oos_rho: float | None
    param_step: dict[str, float | None] | None
    param_mode_share: dict[str, float] | None
    profitable_windows: float | None
    largest_window_share: float | None
    run: Run | None
    notes: list[str]


class WalkForwards(Document):
    """Several walk-forwards, without their stitched runs."""

    walk_forwards: list[WalkForward]
