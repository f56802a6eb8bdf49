"""The JSON document of a run's trades beside those of another program."""

from __future__ import annotations

from engine.api.document import Document, Number, Span


class TheirTrade(Document):
    """A round trip as the file tells it; null: it does not say, or it is still open. `row`: where it stands in the file."""

    side: str
    size: float
    entry_time: str
    entry_price: float
    exit_time: str | None
    exit_price: Number
    pnl: Number
    fee: Number
    funding: Number
    exit_reason: str
    row: int


class TradeListDifference(Document):
    """One thing that differs. Trades are places from 0; `candles`: how many theirs is later, earlier negative; `money`: what
    it makes of our profit less theirs.
    """

    kind: str
    our_trade: int | None
    their_trade: int | None
    candles: int | None
    ours: float | str | None
    theirs: float | str | None
    money: float


class KindTotal(Document):
    """How often something differs, and the money that it makes in all."""

    kind: str
    title: str
    count: int
    money: float


class TradeCounts(Document):
    """How many were compared, how many are pairs, and in how many pairs nothing differs."""

    ours: int
    theirs: int
    paired: int
    equal: int


class Profits(Document):
    """Net profits of what was compared; `difference`: ours less theirs, the sum of the money of all kinds."""

    ours: float
    theirs: float
    difference: float


class Overlap(Span):
    """The part of the run's period that theirs covers, and its share of it."""

    share: float


class TradesLeftOut(Document):
    """How many trades were not compared, by why."""

    other_symbols: int
    theirs_outside: int
    ours_outside: int


class TradeListComparison(Document):
    """A run's trades beside another program's. `format`: which program's; `stamps`: what its times are, in words."""

    run: str
    file: str
    format: str
    stamps: str
    zone: str
    tolerance: float
    within: int
    all_equal: bool
    trades: TradeCounts
    pnl: Profits
    kinds: list[KindTotal]
    differences: list[TradeListDifference]
    their_trades: list[TheirTrade]
    overlap: Overlap
    left_out: TradesLeftOut
    notes: list[str]
