"""The stored form of a portfolio: what workers returned of its legs and of the whole, with what it depends on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from engine.model.market import Period, format_time
from engine.model.portfolio import LegSpec, PortfolioSpec
from engine.model.portfolio_result import Contention, LegResult, PortfolioResult, Request, checks_of_a_leg
from engine.model.run import FAILED, FINISHED, Series
from engine.model.simulators import COMPILED
from engine.model.trade import Trade
from engine.parallel.portfolio_tasks import LegAnswer, PortfolioAnswer
from engine.reproduction.inputs import fingerprint, hashes
from engine.runs.crosscheck import CrossCheck, Difference, compare_trades, equity_rows
from engine.runs.record import beside_warmup, data_check, funding_coverage, inputs_of

if TYPE_CHECKING:
    from engine.runs.load import LoadedSeries
    from engine.runs.plan import PlannedRun
    from engine.runs.portfolio_plan import PlannedPortfolio

_SCALED: Final = "scaled"
_DROPPED: Final = "dropped:"
_MOST_NAMED: Final = 6
_WORST_FIRST: Final = ("failed", "pending", "skipped", "passed")


def failed_portfolio(
    planned: PlannedPortfolio, error: str, traceback: str | None
) -> tuple[PortfolioResult, Mapping[str, bytes]]:
    """One that did not get through: its legs as they were asked for, and no figures."""
    spec = planned.spec
    legs = tuple(
        LegResult(leg, run.market, run.period, run.params, weight, run.spec.windows)
        for leg, run, weight in zip(spec.legs, planned.runs, planned.weights, strict=True)
    )
    result = PortfolioResult(
        planned.id, FAILED, spec, spec.period, legs, error, created_ms=_now(), traceback=traceback
    )
    return result, {}


def _now() -> int:
    return time.time_ns() // 1_000_000


def sources_of_legs(answers: Iterable[LegAnswer]) -> tuple[dict[str, bytes], list[dict[str, str]]]:
    """(what was executed, by hash; of each leg the hashes by file name)."""
    held: dict[str, bytes] = {}
    named = []
    for answer in answers:
        sources = {name: source.tobytes() for name, source in answer.sources.items()}
        own = hashes(sources)
        held |= {own[name]: source for name, source in sources.items()}
        named.append(own)
    return held, named


def finished_portfolio(
    planned: PlannedPortfolio,
    loaded: Sequence[LoadedSeries],
    answers: Sequence[LegAnswer],
    answer: PortfolioAnswer,
    sources: Sequence[Mapping[str, str]],
    crosscheck: Mapping[str, Any],
) -> PortfolioResult:
    """The stored form of what workers returned; `sources`: of each leg the hashes of what was executed."""
    spec = planned.spec
    requests = [*_requests(answer.requests, spec.legs)]
    by_leg: dict[str, list[Request]] = {leg.name: [] for leg in spec.legs}
    for request in requests:
        by_leg[request.leg].append(request)
    legs = tuple(
        _leg(number, planned, run, series, said, answer, by_leg[spec.legs[number].name])
        for number, (run, series, said) in enumerate(zip(planned.runs, loaded, answers, strict=True))
    )
    executed = [
        ExecutedInputs(said.params, said.versions, source)
        for said, source in zip(answers, sources, strict=True)
    ]
    inputs = portfolio_inputs(planned, loaded, executed, answer.source)
    elapsed = answer.elapsed_s + sum(said.elapsed_s for said in answers)
    found = PortfolioResult(
        planned.id,
        FINISHED,
        spec,
        Period(min(series.period.start for series in loaded), max(series.period.end for series in loaded)),
        legs,
        metrics={
            **answer.metrics,
            "funding_coverage_pct": _coverage(legs),
            "walk_trials": planned.walk_trials,
        },
        series=Series(answer.time, dict(answer.series)),
        pnl=Series(answer.time, {leg.name: answer.pnl[:, number] for number, leg in enumerate(spec.legs)}),
        correlation=answer.figures["correlation"],
        marginal=answer.figures["marginal"],
        use=answer.figures["use"],
        contended=tuple(request for request in requests if request.why),
        inputs=inputs,
        fingerprint=fingerprint(inputs),
        elapsed_s=elapsed,
        created_ms=_now(),
    )
    return _with_checks(found, crosscheck)


def _windows_of(planned: PlannedPortfolio) -> dict[str, Any]:
    """Which weights rule from when on, where they change with time."""
    if not any(planned.ruling_weights):
        return {}
    return {
        "windows": [
            {"start": format_time(start), "weights": list(stage.weights)}
            for start, stage in planned.spec.stages
        ]
    }


@dataclass(frozen=True, slots=True)
class ExecutedInputs:
    """What a leg depends on that its worker tells: parameters, versions, hashes of what was executed by name."""

    params: Mapping[str, Any]
    versions: Mapping[str, str]
    source: Mapping[str, str]


def portfolio_inputs(
    planned: PlannedPortfolio,
    loaded: Sequence[LoadedSeries],
    executed: Sequence[ExecutedInputs],
    portfolio_source: str,
) -> dict[str, Any]:
    """All that a portfolio depends on, `{portfolio, legs}`; the rest leg by leg, in the order of the portfolio's."""
    spec = planned.spec
    return {
        "portfolio": asdict(spec.rules)
        | {"weights": list(planned.weights), "portfolio source": portfolio_source}
        | _windows_of(planned),
        "legs": {
            leg.name: inputs_of(run, series, told.params, COMPILED, told.versions, told.source)
            | {"rank": leg.rank}
            for leg, run, series, told in zip(spec.legs, planned.runs, loaded, executed, strict=True)
        },
    }


def _leg(
    number: int,
    planned: PlannedPortfolio,
    run: PlannedRun,
    series: LoadedSeries,
    said: LegAnswer,
    answer: PortfolioAnswer,
    requests: Sequence[Request],
) -> LegResult:
    leg, told = planned.spec.legs[number], answer.legs[number]
    trades = Trade.from_columns(answer.trades[number])
    checks = {
        **checks_of_a_leg(),
        **said.checks,
        **series.terms.checks,
        **told["checks"],
        "data": data_check(series, trades),
        "warmup": beside_warmup(series, said.checks["warmup"]),
    }
    return LegResult(
        leg,
        run.market,
        series.period,
        said.params,
        planned.weights[number],
        run.spec.windows,
        said.signals,
        {**told["metrics"], "funding_coverage_pct": funding_coverage(series, trades)},
        trades,
        checks,
        told["pnl"],
        told["profit_share_pct"],
        told["risk_share_pct"],
        contention_of(requests),
    )


def _requests(columns: Mapping[str, Any], legs: Sequence[LegSpec]) -> Iterable[Request]:
    plain = (columns[name].tolist() for name in ("time", "leg", "requested", "filled"))
    for when, leg, requested, filled, why in zip(*plain, columns["why"], strict=True):
        yield Request(when, legs[leg].name, requested, filled, why)


def contention_of(told: Sequence[Request]) -> Contention:
    """The requests of one leg, summed up."""
    reasons = Counter(one.why.removeprefix(_DROPPED) for one in told if one.why.startswith(_DROPPED))
    return Contention(
        len(told),
        float(np.sum([one.requested for one in told])),
        float(np.sum([one.filled for one in told])),
        sum(one.why == _SCALED for one in told),
        sum(reasons.values()),
        dict(sorted(reasons.items())),
    )


def _coverage(legs: Sequence[LegResult]) -> float | None:
    """The least of any leg's share of known settlements; None where none is charged."""
    known = [leg.metrics["funding_coverage_pct"] for leg in legs]
    return min((share for share in known if share is not None), default=None)


# -- checks of the whole


def _with_checks(result: PortfolioResult, crosscheck: Mapping[str, Any]) -> PortfolioResult:
    names = dict.fromkeys(name for leg in result.legs for name in leg.checks)
    checks = {name: _worst(name, result.legs) for name in names}
    places = {id(trade): number for number, (_, trade) in enumerate(result.trades)}
    checks["data"] |= {
        "missing_candles": sum(leg.checks["data"]["missing_candles"] for leg in result.legs),
        "trades_beside_holes": sorted(
            places[id(leg.trades[number])]
            for leg in result.legs
            for number in leg.checks["data"]["trades_beside_holes"]
        ),
    }
    for name in ("lookahead", "warmup"):
        checks[name]["columns"] = [
            f"{leg.name}.{column}" for leg in result.legs for column in leg.checks[name]["columns"]
        ]
    return replace(result, checks={**checks, "crosscheck": dict(crosscheck)})


def _worst(name: str, legs: Sequence[LegResult]) -> dict[str, Any]:
    """The worst status of any leg's check, with the legs that have it and what is told of the first."""
    told = [(leg.name, leg.checks[name]) for leg in legs if name in leg.checks]
    status = min((str(check["status"]) for _, check in told), key=_WORST_FIRST.index)
    those = [(leg, check) for leg, check in told if check["status"] == status]
    first = str(those[0][1].get("note", ""))
    if len(those) == len(told) and len({str(check.get("note", "")) for _, check in told}) == 1:
        return {"status": status, "note": first}
    if len(those) == 1:
        return {"status": status, "note": f"{those[0][0]}: {first}"}
    more = f" and {len(those) - _MOST_NAMED} more" if len(those) > _MOST_NAMED else ""
    names = "all legs" if len(those) == len(told) else ", ".join(leg for leg, _ in those[:_MOST_NAMED]) + more
    return {"status": status, "note": f"{names}; the first: {first}"}


def crosscheck_of(spec: PortfolioSpec, ours: PortfolioAnswer, theirs: PortfolioAnswer) -> dict[str, Any]:
    """The compiled simulator beside the plain one: the trades of each leg, and the wallet's equity."""
    equal = total = 0
    rows: list[Difference] = []
    mine, its = ([Trade.from_columns(one) for one in answer.trades] for answer in (ours, theirs))
    numbers = zip(_numbers(mine), _numbers(its), strict=True)
    for leg, one, other, (own, plain) in zip(spec.legs, mine, its, numbers, strict=True):
        same, count, found = compare_trades(one, other)
        equal, total = equal + same, total + count
        for row in found:
            lacks = row.column == "trade" and row.compiled is None
            number = None if row.trade is None else (plain if lacks else own)[row.trade]
            rows.append(replace(row, trade=number, column=f"{leg.name}: {row.column}"))
    equity, plain_equity = (Series(one.time, {"equity": one.series["equity"]}) for one in (ours, theirs))
    rows += equity_rows(equity, plain_equity, spec.cash)
    return CrossCheck(equal, total, tuple(rows)).to_check() | {"referee": "plain"}


def _numbers(legs: Sequence[Sequence[Trade]]) -> list[list[int]]:
    """Of each leg's trades their numbers among those of all, as `PortfolioResult.trades` has them."""
    entries = np.array([trade.entry_time for trades in legs for trade in trades], dtype=np.int64)
    numbers = np.argsort(np.argsort(entries, kind="stable"))
    ends = np.cumsum([len(trades) for trades in legs])
    return [own.tolist() for own in np.split(numbers, ends[:-1])]
