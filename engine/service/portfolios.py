"""Portfolios: made, kept, made again and compared, written as files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import RunError
from engine.events import CancelToken, Failed, Finished, OnEvent, Started, ending, ignore_event
from engine.model.parameters import Assignment, StrategyInfo
from engine.model.portfolio import PortfolioSpec, assigned
from engine.model.portfolio_result import PortfolioRerun, PortfolioResult
from engine.model.run import FAILED
from engine.reports.files import write_text
from engine.runs.plan import check_strategies
from engine.service.keeping import keep_portfolio
from engine.service.legs import check_legs, leg_infos
from engine.service.resources import Resources
from engine.service.series import Loaders
from engine.service.strategies import Strategies

if TYPE_CHECKING:
    from engine.runs.plan import PlannedRun
    from engine.runs.portfolio_plan import PlannedPortfolio


class Portfolios:
    """`Engine.portfolios`. Ids of portfolios and of runs are one kind of name: `find` tells which it is."""

    def __init__(self, resources: Resources, strategies: Strategies) -> None:
        self._resources, self._strategies = resources, strategies

    def make(
        self,
        spec: PortfolioSpec,
        assignments: Sequence[Assignment] = (),
        *,
        fetch: bool = True,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> PortfolioResult:
        """Fill the gaps of all legs, ask their strategies, play them on one wallet, store and return the result.
        `assignments`: parameters beside the spec's, as a user types them, `LEG.name=value`.

        Events: one job of kind "portfolio" whose Progress counts legs, fetches beside it. Raises PortfolioFault before
        anything runs for whatever is wrong with the spec, and StrategyError where a strategy does not load. Where a leg
        fails the portfolio is a result with that status, which names the leg. Raises as `run` where candles cannot be had.
        """
        cancel = cancel or CancelToken()
        infos = leg_infos(self._strategies, spec, on_event, cancel)
        planned = self._planned(assigned(spec, infos, assignments), infos, on_event, cancel)
        return self._made(planned, fetch=fetch, on_event=on_event, cancel=cancel)

    def _planned(
        self, spec: PortfolioSpec, infos: Mapping[str, StrategyInfo], on_event: OnEvent, cancel: CancelToken
    ) -> PlannedPortfolio:
        from engine.runs.portfolio_plan import plan_portfolio

        check_legs(self._resources, spec, cancel)
        self._resources.warm_up(on_event, cancel, len(spec.legs))
        find_market = partial(self._resources.market, cancel=cancel)
        return plan_portfolio(spec, infos, find_market, self._resources.workers(cancel).ask)

    def _made(
        self, planned: PlannedPortfolio, *, fetch: bool, on_event: OnEvent, cancel: CancelToken
    ) -> PortfolioResult:
        from engine.runs.portfolio import PortfolioWork

        settings = self._resources.settings
        on_event(Started(planned.id, "portfolio", planned.title, (planned.id,)))
        try:
            with self._resources.scratch() as scratch:
                loaders = Loaders.of(self._resources, scratch, on_event, cancel)
                work = PortfolioWork(
                    planned,
                    loaders.series,
                    loaders.terms,
                    self._resources.workers(cancel, on_event).ask,
                    timeout_s=settings.run_timeout_s,
                    most_checked=settings.crosscheck,
                    on_event=on_event,
                    cancel=cancel,
                )
                result, sources = work.run(fetch=fetch)
            keep_portfolio(self._resources.store, self._resources.unsaved, result, list(sources.values()))
        except BaseException as error:
            on_event(ending(planned.id, error))
            raise
        failed = result.status == FAILED
        on_event(Failed(result.id, result.error or FAILED, result) if failed else Finished(result.id, result))
        return result

    def stitched(
        self,
        spec: PortfolioSpec,
        begun: Sequence[PlannedRun],
        chosen_from: int,
        *,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> PortfolioResult:
        """What a walk-forward chose for its windows, played and stored, as `make`; `begun`: each leg as it was planned when
        that began, `chosen_from`: from how many trials it chose. Raises RunError where a strategy's file has changed since.
        """
        cancel = cancel or CancelToken()
        planned = self._planned(spec, leg_infos(self._strategies, spec, on_event, cancel), on_event, cancel)
        for leg, now, then in zip(spec.legs, planned.runs, begun, strict=True):
            if now.sources != then.sources:
                raise RunError(
                    f"leg {leg.name!r}: its strategy's file was changed while the walk-forward ran; run it again"
                )
        planned = replace(planned, walk_trials=chosen_from)
        return self._made(planned, fetch=False, on_event=on_event, cancel=cancel)

    def save_file(self, text: str, path: Path) -> None:
        """Write a portfolio's file, whole or not at all; one that is there is replaced."""
        write_text(path, text)

    # -- kept

    def find(self, given: str) -> str | None:
        """The id of the stored portfolio that begins so; None where a run does, or nothing."""
        return self._resources.store.portfolios.find(given)

    def get(self, portfolio_id: str) -> PortfolioResult:
        """A stored one, exactly as it was. A unique beginning of its id is enough."""
        return self._resources.store.portfolios.get(portfolio_id)

    def stored(self, limit: int = 100) -> list[PortfolioResult]:
        """The newest stored ones, without series and contended requests."""
        return self._resources.store.portfolios.newest(limit)

    def delete(self, portfolio_id: str) -> None:
        """Delete a stored one at once and for good; what its legs tried stays counted."""
        self._resources.store.portfolios.delete(portfolio_id)

    def remove(self, ids: Collection[str]) -> int:
        """Hide some; `restore` brings them back until `Engine.purge`. Returns how many."""
        return self._resources.store.portfolios.remove(ids)

    def restore(self, ids: Collection[str]) -> int:
        """Bring removed ones back. Returns how many were still there."""
        return self._resources.store.portfolios.restore(ids)

    def export(self, portfolio_id: str, folder: Path) -> list[Path]:
        """Write trades, equity of wallet and legs, contention and the whole as files into `folder`."""
        from engine.reports.portfolio_files import export_portfolio

        return export_portfolio(self.get(portfolio_id), folder)

    def report(self, portfolio_id: str) -> str:
        """A stored one as an HTML page that needs nothing else."""
        from engine.reports.portfolio_html import portfolio_report
        from engine.runs.stored_strategy import texts_of_portfolio

        result = self.get(portfolio_id)
        return portfolio_report(result, texts_of_portfolio(result, self._resources.store))

    def write_report(self, portfolio_id: str, path: Path) -> None:
        """Write `report` as a file, whole or not at all; one that is there is replaced."""
        write_text(path, self.report(portfolio_id))

    def rerun(
        self,
        portfolio_id: str,
        *,
        stored_source: bool = False,
        fetch: bool = True,
        on_event: OnEvent = ignore_event,
        cancel: CancelToken | None = None,
    ) -> PortfolioRerun:
        """Make a stored one again, store it as a portfolio of its own, and compare: equal, or which inputs of which leg
        changed. The strategies are those of these names now, or with `stored_source` the sources that it executed.
        """
        from engine.loader import StrategyFile, strategy_infos
        from engine.runs.compare_portfolios import compare_portfolios
        from engine.runs.stored_strategy import write_sources_of

        before, cancel = self.get(portfolio_id), cancel or CancelToken()
        if not stored_source:
            infos = leg_infos(self._strategies, before.spec, on_event, cancel)
            planned = replace(
                self._planned(before.spec, infos, on_event, cancel), walk_trials=before.walk_trials
            )
            after = self._made(planned, fetch=fetch, on_event=on_event, cancel=cancel)
            return compare_portfolios(before, after)
        with self._resources.scratch() as scratch:
            paths = write_sources_of(before, self._resources.store, scratch)
            files = [StrategyFile(name, path) for name, path in paths.items()]
            described = strategy_infos(files, self._resources.workers(cancel, on_event).ask, scratch)
            infos = check_strategies(list(paths), list(paths), described)
            planned = replace(
                self._planned(before.spec, infos, on_event, cancel), walk_trials=before.walk_trials
            )
            after = self._made(planned, fetch=fetch, on_event=on_event, cancel=cancel)
        return compare_portfolios(before, after, "made from the stored source (as asked)")
