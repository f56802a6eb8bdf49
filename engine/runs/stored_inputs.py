"""What a stored run was made of, found again: the very candles, the very source, the very terms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from engine.data.candle_cache import CandleCache, LoadedCandles
from engine.errors import InputError
from engine.loader.modules import sources_of
from engine.model.market import CandleFile, Candles, Market, Period, SideFile, Timeframe
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
    beside = _beside(run, cache, scratch)
    series = terms.of_run(run, loaded.candles)
    if series.inputs != run.inputs.get("perpetual", {}):
        raise InputError(_REVISED_TERMS)
    return StoredInputs(
        strategy=strategy,
        sources=sources_of(strategy),
        params=dict(run.params),
        candles=loaded.candles,
        file=replace(
            file_for_workers(loaded, run.period.start, scratch),
            timeframe=run.timeframe.name if beside else "",
            beside=beside,
        ),
        warmup=run.inputs["warmup"],
        terms=series,
    )


def _beside(run: RunResult, cache: CandleCache, scratch: Path) -> tuple[SideFile, ...]:
    """What the run read beside its candles, as it was."""
    files = []
    for read, held in held_beside(run, cache):
        if held is not None and held.candles.sha256() != read["sha256"]:
            raise InputError(_REVISED)
        # what precedes the period is not told apart: what is known when follows from the times
        file = None if held is None else file_for_workers(held, run.period.start, scratch)
        files.append(SideFile(read["symbol"], read["timeframe"], read["warmup"], file))
    return tuple(files)


def held_beside(
    run: RunResult, cache: CandleCache
) -> Iterator[tuple[Mapping[str, Any], LoadedCandles | None]]:
    """What a run read beside its candles, as it noted it, with what is held of it now; None of what was built of them."""
    reads: Mapping[str, Mapping[str, Any]] = (run.inputs or {}).get("candles", {}).get("reads", {})
    for read in reads.values():
        held = None
        if not read["built"]:
            market = (
                run.market if not read["symbol"] else Market(run.exchange, read["market"], read["market"])
            )
            period = Period.parse(read["start"], read["end"])
            held = cache.load(market, Timeframe(read["candle"]), period)
        yield read, held


def _strategy_file(run: RunResult, store: Store, folders: Sequence[Path], scratch: Path) -> Path:
    file = current_file(run, folders)
    if file is not None and is_unchanged(run, file):
        return file
    return write_stored(run, store, scratch / "strategy")
