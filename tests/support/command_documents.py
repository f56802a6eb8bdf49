"""The JSON documents that only the command line prints."""

from __future__ import annotations

from pydantic import JsonValue

from engine.api.check_documents import Change, CheckStatus, WarmupCheck
from engine.api.document import Document, Span, Value
from engine.api.documents import Fetch, KindSeries, Run, Runs, Symbol
from engine.api.portfolio_documents import Portfolio, Portfolios


class FilledSymbol(Symbol):
    """A symbol that was made active, with the timeframes to be kept."""

    timeframes: list[str]


class RemovedSymbol(Symbol):
    """A symbol that is kept no more, and how many candles and settlements of funding were deleted."""

    deleted: int
    settlements: int


class Revised(Document):
    """A candle that the exchange has revised: [open, high, low, close, volume]; a settlement: [rate, mark price]."""

    time: str
    old: list[float | None]
    new: list[float | None]


class Verified(KindSeries):
    """How held candles compare with the exchange's."""

    checked: int
    revised: list[Revised]
    added: int
    still_missing: list[Span]
    only_here: list[Span]
    repaired_ranges: int
    requests: int
    dry_run: bool
    notices: list[str]


class Synced(Document):
    """A series that is kept up to date."""

    symbol: str
    unified: str
    exchange: str
    timeframe: str
    kind: str
    last: str | None
    fetched: int
    error: str | None


class SyncRound(Document):
    """What a round did."""

    series: list[Synced]


class WrittenCandles(Document):
    """A file of candles."""

    path: str
    candles: int


class FileDifference(Document):
    """A candle that is held with other values than a file has."""

    time: str
    held: dict[str, float]
    file: dict[str, float]


class Imported(KindSeries):
    """What an import did or would do."""

    file: str
    unit: str
    rows: int
    stored: int
    equal: int
    differing: int
    differences: list[FileDifference]
    refused: int
    gaps: list[Span]
    dry_run: bool
    notices: list[str]


class PreviewedCandle(Document):
    """A row as it is understood."""

    time: str
    open: float
    high: float
    low: float
    close: float
    volume: float


class Preview(Document):
    """How a file is understood."""

    file: str
    header: list[str]
    columns: dict[str, str]
    unit: str
    rows: list[list[str]]
    candles: list[PreviewedCandle]
    report: Imported | None
    error: str | None


class RerunDifference(Document):
    """A value that came out otherwise."""

    name: str
    before: JsonValue
    after: JsonValue


class Rerun(Run):
    """A run made again, and how it compares."""

    rerun_of: str
    equal: bool
    changed: list[str]
    differences: list[RerunDifference]


class Lookahead(Span):
    """What a search for look-ahead found."""

    strategy: str
    symbol: str
    exchange: str
    timeframe: str
    params: dict[str, Value]
    status: CheckStatus
    columns: list[str]
    cuts: int
    note: str
    first: list[Change]
    candles: int
    warmup: WarmupCheck


class NewStrategy(Document):
    """A template that was written."""

    name: str
    path: str


class Files(Document):
    """Files that were written."""

    files: list[str]


class Finding(Document):
    """One thing that `doctor` looked at."""

    name: str
    ok: bool
    text: str
    advice: str


class Findings(Document):
    """All that `doctor` looked at."""

    ok: bool
    findings: list[Finding]


class Demo(Document):
    """What `demo` did."""

    fetch: Fetch
    again: Fetch
    runs: list[Run]
    files: list[str]
    picture: str | None


class Bracket(Document):
    """A leverage bracket: of positions of a value from `floor` to below `cap` (null: no end)."""

    floor: float
    cap: float | None
    rate: float
    cum: float
    leverage: float


class SymbolBrackets(Document):
    """The brackets of one symbol."""

    symbol: str
    max_leverage: float
    brackets: list[Bracket]


class BracketsShown(Document):
    """Leverage brackets, and of which day and source they are."""

    exchange: str
    source: str
    day: str
    symbols: list[SymbolBrackets]


class ListedRuns(Runs, Portfolios):
    """Stored runs and stored portfolios."""


class PortfolioRerun(Portfolio):
    """A portfolio made again, and how it compares."""

    rerun_of: str
    equal: bool
    changed: list[str]
    differences: list[dict[str, JsonValue]]
