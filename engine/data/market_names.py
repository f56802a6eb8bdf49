"""Which market a text names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from engine.errors import InputError
from engine.model.market import Market


def find_market(text: str, markets: Iterable[Market], exchange: str) -> Market:
    """The market that `text` names ("SOLUSDT", "sol/usdt", "SOL/USDT:USDT").

    Raises InputError with the nearest names when the exchange has none. Nothing but a comparison is ever done with `text`.
    """
    wanted = text.strip().upper()
    names: dict[str, Market] = {}
    for market in markets:
        for name in (market.name, market.unified, market.unified.split(":")[0]):
            names.setdefault(name.upper(), market)
    if wanted in names:
        return names[wanted]
    shown = text if len(text) <= 40 else text[:37] + "..."
    close = difflib.get_close_matches(wanted[:40], names, n=6, cutoff=0.6)
    near = list(dict.fromkeys(names[name].name for name in close))[:3]
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    raise InputError(f"{exchange} has no market {shown!r}{hint}")
