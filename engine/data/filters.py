"""What exchanges take of orders: whether a run can be held to it."""

from collections.abc import Callable, Iterable

from engine.errors import InputError
from engine.model.account import Costs
from engine.model.filters import CURRENT, Filters
from engine.model.market import Market
from engine.model.slippage import HALF_SPREAD


def needs_filters(costs: Costs) -> bool:
    """Whether a run looks at an exchange's filters: to hold orders to them, or for what half a tick is."""
    return costs.filters == CURRENT or costs.slips.kind == HALF_SPREAD


def check_filters(costs: Costs, market: Market, listed: Callable[[str], Iterable[Market]]) -> None:
    """Raise InputError where a run needs what a market's exchange does not tell. `listed`: the markets of an exchange, asked
    anew where its list is old.
    """
    if not needs_filters(costs):
        return
    found = market.filters
    if found is None:
        found = next((one.filters for one in listed(market.exchange) if one == market), None)
    if costs.filters == CURRENT and found is None:
        raise InputError(
            f"{market}: what the exchange takes of orders is not known; --filters off runs without it; nothing was run"
        )
    if costs.slips.kind == HALF_SPREAD and costs.slips.value == 0 and not (found or Filters()).tick:
        raise InputError(
            f"{market}: the size of its tick is not known; say what half its spread is, as half-spread:0.0001; "
            "nothing was run"
        )
