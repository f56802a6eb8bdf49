"""What must be right of a portfolio's legs before anything is planned for them: strategies that load, markets, costs."""

from __future__ import annotations

from engine.errors import InputError
from engine.events import CancelToken, OnEvent
from engine.model.parameters import StrategyInfo
from engine.model.portfolio import PortfolioFault, PortfolioSpec, faults_of
from engine.service.resources import Resources
from engine.service.series import check_costs
from engine.service.strategies import Strategies


def leg_infos(
    strategies: Strategies, spec: PortfolioSpec, on_event: OnEvent, cancel: CancelToken
) -> dict[str, StrategyInfo]:
    """The strategies of all legs by their names; raises PortfolioFault for one that is unknown or native, StrategyError for
    one that does not load.
    """
    names = list(dict.fromkeys(leg.strategy for leg in spec.legs))
    try:
        infos = strategies.chosen(names, on_event=on_event, cancel=cancel)
    except InputError:
        for number, leg in enumerate(spec.legs):
            with faults_of("strategy", number):
                strategies.chosen([leg.strategy], on_event=on_event, cancel=cancel)
        raise
    for number, leg in enumerate(spec.legs):
        if infos[leg.strategy].kind == "native":
            text = f"{leg.strategy} is a backtesting.Strategy, which trades an account of its own and cannot be a leg"
            raise PortfolioFault(f"leg {leg.name!r}: {text}", "strategy", number)
    return infos


def check_legs(resources: Resources, spec: PortfolioSpec, cancel: CancelToken) -> None:
    """Raise PortfolioFault where a leg's market is unknown or its costs cannot be had there."""
    for number, leg in enumerate(spec.legs):
        with faults_of("symbol", number):
            market = resources.market(leg.symbol, leg.exchange, cancel=cancel)
            check_costs(resources, leg.costs, market)
