"""What one call of the engine needs of its markets: that the costs are possible there, and what loads candles and terms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.data.brackets import check_leverage
from engine.data.exchanges.silence import Silence
from engine.data.filters import check_filters
from engine.events import CancelToken, OnEvent
from engine.model.account import Costs
from engine.model.market import Market
from engine.model.run import RunResult
from engine.runs.load import SeriesLoader
from engine.runs.plan import check_detail, check_funding
from engine.service.resources import Resources

if TYPE_CHECKING:
    from engine.runs.detail import DetailLoader
    from engine.runs.stored_inputs import StoredInputs
    from engine.runs.terms import TermsLoader


def check_costs(resources: Resources, costs: Costs, market: Market) -> None:
    """Raise InputError where these costs and rules of trading cannot be had on the market."""
    check_leverage(costs, market, resources.settings.home)
    check_funding(costs, market)
    check_filters(costs, market, resources.fetcher.markets)
    check_detail(costs, market)


@dataclass(frozen=True, slots=True)
class Loaders:
    """Candles; funding, mark prices, brackets; finer candles. They share what is known of exchanges that do not answer."""

    series: SeriesLoader
    terms: TermsLoader
    detail: DetailLoader

    @classmethod
    def of(cls, resources: Resources, scratch: Path, on_event: OnEvent, cancel: CancelToken) -> Loaders:
        """Those of one call; their files live in `scratch` as long as that does."""
        from engine.runs.detail import DetailLoader
        from engine.runs.terms import TermsLoader

        fetcher, store, cache, silence = resources.fetcher, resources.store, resources.cache, Silence()
        return cls(
            SeriesLoader(fetcher, cache, scratch, on_event=on_event, cancel=cancel, silence=silence),
            TermsLoader(
                fetcher, store, cache, resources.settings.home, scratch,
                on_event=on_event, cancel=cancel, silence=silence,
            ),
            DetailLoader(fetcher, cache, scratch, on_event=on_event, cancel=cancel, silence=silence),
        )  # fmt: skip


def inputs_of(run: RunResult, resources: Resources, loaders: Loaders, scratch: Path) -> StoredInputs:
    """What a stored run was computed from, as it is now; raises InputError where that is not the same any more."""
    from engine.runs.stored_inputs import stored_inputs

    store, cache, folders = resources.store, resources.cache, resources.strategy_folders
    return stored_inputs(run, store, cache, loaders.terms, folders, scratch)
