"""Keeps what was made: in the database, or where that refuses, in files, so that no result is lost."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.errors import BacktestError, DatabaseError
from engine.model.run import RunResult, json_ready
from engine.model.sweep import SweepResult

if TYPE_CHECKING:
    from engine.database.store import Store
    from engine.research.ledger import Ledger

log = logging.getLogger(__name__)
UNSAVED_TOP: Final = 1_000


def keep_run(store: Store, unsaved: Path, result: RunResult, sources: Sequence[bytes]) -> None:
    """Store a run with the source files that it executed; raises DatabaseError, which says where it was written instead."""
    try:
        store.runs.save(result, sources)
    except DatabaseError as error:
        from engine.reports.files import export_run

        log.exception("run %s could not be stored", result.id)
        try:
            export_run(result, unsaved)
            kept = f"the run was written to {unsaved} instead"
        except (BacktestError, OSError) as second:
            kept = f"and the run could not be kept elsewhere either: {second}"
        raise DatabaseError(f"{error}; {kept}") from error


def keep_sweep(store: Store, unsaved: Path, result: SweepResult, ledger: Ledger) -> SweepResult:
    """Store a sweep with all its trials and return it as stored; raises DatabaseError, as `keep_run`."""
    try:
        return store.sweeps.save(result, ledger.identities(), ledger.inputs, ledger.sources.values())
    except DatabaseError as error:
        from engine.reports.files import write_text

        log.exception("sweep %s could not be stored", result.id)
        path = unsaved / f"sweep-{result.id}.json"
        try:
            write_text(path, json.dumps(json_ready(result.to_json(UNSAVED_TOP))))
            kept = f"the best trials were written to {path} instead"
        except BacktestError as second:
            kept = f"and they could not be kept elsewhere either: {second}"
        raise DatabaseError(f"{error}; {kept}") from error
