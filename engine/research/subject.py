"""What a sweep tries its combinations on: the border between the machinery of sweeps and what plays a trial.

The machinery knows a `Subject` as it is planned and its `Ground` once the candles are there; there are two of each, one
strategy on one market (`run_subject`) and the legs of a portfolio (`portfolio_subject`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from engine.events import CancelToken
from engine.model.combinations import Combinations
from engine.model.market import Float64Array, Int64Array, Period
from engine.model.parameters import ParamValue
from engine.model.trial import TriedLeg
from engine.parallel.tasks import Task
from engine.research.resuming import Depends

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.runs.load import SeriesLoader
    from engine.runs.terms import TermsLoader


class Tried(Protocol):
    """A batch as a worker tried it, as in TrialsAnswer; what it executed only the ground reads."""

    @property
    def metrics(self) -> Float64Array:
        """(m, len(SUMMARY))."""

    @property
    def returns(self) -> Float64Array:
        """(kept, days)."""

    @property
    def errors(self) -> Sequence[tuple[int, str]]:
        """`[index, line]` of the trials that failed."""

    @property
    def elapsed_s(self) -> float:
        """What the trials alone took."""


class Ground(Protocol):
    """What the trials are made on, its candles loaded."""

    @property
    def period(self) -> Period:
        """The effective one."""

    @property
    def unified(self) -> str:
        """The market's name as the exchange's library has it; "" of several."""

    @property
    def warmup(self) -> int:
        """The longest of all combinations, in candles."""

    @property
    def longer_warmup(self) -> tuple[tuple[str, int], ...]:
        """The same of longer timeframes that are read."""

    @property
    def engine(self) -> str:
        """What plays the trials."""

    @property
    def checks(self) -> Mapping[str, Mapping[str, Any]]:
        """Those that all trials share."""

    @property
    def depends(self) -> Depends[Any]:
        """What the trials depend on besides the parameters."""

    def task(self, sweep: str, combinations: Combinations, kept: Int64Array, memory_bytes: int) -> Task[Any]:
        """A batch for a worker, whose answer is a `Tried`."""

    def identities(
        self, source: Mapping[str, str], combinations: Iterable[Mapping[str, ParamValue]]
    ) -> Iterator[bytes]:
        """What each trial tries (`engine.model.trial`); `source`: hashes of what was executed."""

    def tried_legs(
        self, source: Mapping[str, str], combinations: Iterable[Mapping[str, ParamValue]]
    ) -> Collection[TriedLeg]:
        """What such trials try of strategies by themselves, where they are of several."""


class Subject(Protocol):
    """A subject as it is planned: strategies, parameters and markets are known to exist, nothing is loaded."""

    @property
    def id(self) -> str:
        """The sweep's."""

    @property
    def title(self) -> str:
        """One short line for people."""

    def load(self, loader: SeriesLoader, terms: TermsLoader, cancel: CancelToken, *, fetch: bool) -> Ground:
        """Fetch what lacks, load the candles and what the trials are charged. Raises what keeps it from that."""
