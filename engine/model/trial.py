"""What a trial tries, as one hash: by it each is counted once, whoever makes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.model.market import Market, Period, Timeframe


@dataclass(frozen=True, slots=True)
class Tried:
    """What was tried on the market and timeframe of a run, by whatever strategy, itself included.

    `counted`: distinct candidates (a strategy's source with parameters) on periods that share candles with the run's; for a
    stitched run, configurations of walk-forward;
    `ever`: on anything. On exactly the run's period: `measured` of them in grids or drawn evenly have a Sharpe ratio,
    whose annualised values have this `variance`; `sweeps` made them; `independent`: how many of them count as such.
    `of_walk`: how many trials a stitched run's own walk-forward chose from, which are none of these.
    """

    counted: int
    ever: int
    measured: int = 0
    variance: float | None = None
    sweeps: tuple[str, ...] = ()
    independent: float | None = None
    of_walk: int | None = None


@dataclass(frozen=True, slots=True)
class TriedLeg:
    """A strategy with parameters that a portfolio tried on a leg's candles; `identity`: of `trial_identity`."""

    strategy: str
    identity: bytes
    market: Market
    timeframe: Timeframe
    period: Period


def trial_identity(source: Mapping[str, str], params: Mapping[str, Any]) -> bytes:
    """What a trial tries, as 32 bytes: a strategy's source (sha256 by file name) with these parameters, whatever program,
    library, costs or candles it is tried with.
    """
    return next(trial_identities(source, [params]))


def identity_of(inputs: Mapping[str, Any]) -> bytes:
    """`trial_identity` of a run by what it depends on; of a stitched one by which parameters ruled when."""
    ruled = {"windows": inputs["windows"]} if inputs.get("windows") else inputs["params"]
    return trial_identity(inputs["source"], ruled)


def text_hash(document: Any) -> str:
    """sha256 of JSON values, whatever the order of their names."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def trial_identities(source: Mapping[str, str], params: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """`trial_identity` of many parameter sets of one source, at a fraction of the cost."""
    head, tail = b'{"params": ', f', "source": {json.dumps(dict(source), sort_keys=True)}}}'.encode()
    for one in params:
        yield hashlib.sha256(head + json.dumps(one, sort_keys=True).encode() + tail).digest()
