"""What a stored run was made of, found again: the very candles, the very source, the very terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from engine.data.candle_cache import CandleCache
from engine.errors import InputError
from engine.loader.modules import sources_of
from engine.model.market import CandleFile, Candles, Period
from engine.model.run import RunResult
from engine.parallel.tasks import Begun
from engine.runs.load import LoadedTerms, file_for_workers
from engine.runs.stored_strategy import current_file, is_unchanged, write_stored

if TYPE_CHECKING:
    from engine.database.store import Store
    from engine.runs.terms import TermsLoader

_TOO_OLD: Final = "the run is too old: it did not record what it saw"
_REVISED_TERMS: Final = (
    "funding, mark prices or brackets have changed since this run; `backtest rerun` makes it again"
)
_REVISED: Final = "the candles have changed since this run; `backtest rerun` makes it again on those held now"


@dataclass(frozen=True, slots=True)
class StoredInputs:
    """`candles` with the warm-up in front, of which the run wanted `warmup`; what the files of `strategy` hold; the files in
    which workers find the rest; `terms`: those of its period.
    """

    strategy: Path
    sources: Begun
    params: dict[str, Any]
    candles: Candles
    file: CandleFile
    warmup: int
    terms: LoadedTerms


def stored_inputs(
    run: RunResult,
    store: Store,
    cache: CandleCache,
    terms: TermsLoader,
    folders: Sequence[Path],
    scratch: Path,
) -> StoredInputs:
    """What a run was made of; nothing is fetched. The strategy is its file where that is as it was, else what was stored.

    Raises InputError, which says what has changed since, where it is not what it was.
    """
    if run.seen is None or run.inputs is None:
        raise InputError(_TOO_OLD)
    loaded = cache.load(run.market, run.timeframe, Period(run.seen.start_ms, run.period.end))
    if loaded.candles.sha256() != run.seen.sha256:
        raise InputError(_REVISED)
    strategy = _strategy_file(run, store, folders, scratch)
    series = terms.of_run(run, loaded.candles)
    if series.inputs != run.inputs.get("perpetual", {}):
        raise InputError(_REVISED_TERMS)
    return StoredInputs(
        strategy=strategy,
        sources=sources_of(strategy),
        params=dict(run.params),
        candles=loaded.candles,
        file=file_for_workers(loaded, run.period.start, scratch),
        warmup=run.inputs["warmup"],
        terms=series,
    )


def _strategy_file(run: RunResult, store: Store, folders: Sequence[Path], scratch: Path) -> Path:
    file = current_file(run, folders)
    if file is not None and is_unchanged(run, file):
        return file
    return write_stored(run, store, scratch / "strategy")
