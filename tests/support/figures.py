"""Figures of runs that are compared."""

from collections.abc import Mapping
from typing import Any

from engine.model.metric_definitions import OF_TRIALS


def own_figures(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Without those that change with whatever else was tried until the run was made."""
    return {name: value for name, value in metrics.items() if name not in OF_TRIALS}
