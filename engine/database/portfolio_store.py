"""SQL of portfolios: saved whole with every leg, shown again exactly as they were."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.postgresql import insert as upsert

from engine.database.codec import pack_series, to_ms, to_time, unpack_series
from engine.database.connection import Database
from engine.database.removal import removed_ids, set_removed
from engine.database.run_store import find_id, ids_from, storable, trade_of
from engine.database.schema.results import backtest_runs, portfolios
from engine.database.series_rows import add_symbol
from engine.database.source_store import add_sources
from engine.database.trial_rows import add_trial, candles_id
from engine.errors import InputError
from engine.model.market import Market, Period
from engine.model.portfolio import LegSpec
from engine.model.portfolio_document import document_of, spec_of
from engine.model.portfolio_result import KIND, Contention, LegResult, PortfolioResult, Request
from engine.model.run import json_ready
from engine.model.trial import identity_of
from engine.model.window_params import WindowParams, windows_json

_KEPT: Final = portfolios.c.removed_at.is_(None)
_HEAVY: Final = ("series", "pnl", "contended")


class PortfolioStore:
    """The user's portfolios. Their ids and those of runs are one kind of name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, result: PortfolioResult, sources: Collection[bytes] = ()) -> None:
        """Insert or replace one by its id, count what each of its legs tried, and keep the `sources` that its inputs name by
        hash. NaN and infinities in JSON columns become null.
        """
        row = _columns(result)

        def write(connection: Connection) -> None:
            statement = upsert(portfolios).values(row)
            connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=row))
            add_sources(connection, sources)
            for leg in result.legs if result.inputs is not None else ():
                inputs = (result.inputs or {})["legs"][leg.name]
                symbol_id = add_symbol(connection, leg.market)
                candles = candles_id(connection, symbol_id, leg.spec.timeframe.name, leg.period)
                add_trial(connection, str(storable(leg.spec.strategy)), identity_of(inputs), candles)

        self._database.write(write)

    def find(self, given: str) -> str | None:
        """The id of the portfolio that begins so; None where a run does, or nothing. Raises InputError where several do."""
        with self._database.transaction() as connection:
            found = ids_from(connection, portfolios, given)
            if not found:
                return None
            if len(found) > 1 or ids_from(connection, backtest_runs, given):
                raise InputError(f"several runs and portfolios begin with {given!r}; give more digits")
            return str(found[0])

    def get(self, portfolio_id: str) -> PortfolioResult:
        """One by its id or a unique beginning of it, 4 hex digits or more; raises InputError otherwise."""
        with self._database.transaction() as connection:
            found = find_id(connection, portfolios, portfolio_id, KIND)
            held = connection.execute(select(portfolios).where(portfolios.c.id == found)).mappings().one()
            return _result(dict(held))

    def newest(self, limit: int = 100) -> list[PortfolioResult]:
        """The newest first, without series and contended requests."""
        light = [column for column in portfolios.c if column.name not in _HEAVY]
        query = (
            select(*light).where(_KEPT).order_by(portfolios.c.created_at.desc(), portfolios.c.id).limit(limit)
        )
        with self._database.transaction() as connection:
            return [_result(dict(held)) for held in connection.execute(query).mappings()]

    def delete(self, portfolio_id: str) -> None:
        """Delete one, named as in `get`; its legs stay counted as trials of their strategies."""

        def remove(connection: Connection) -> None:
            found = find_id(connection, portfolios, portfolio_id, KIND)
            connection.execute(delete(portfolios).where(portfolios.c.id == found))

        self._database.write(remove)

    def remove(self, ids: Collection[str]) -> int:
        """Hide some from everything but `restore`; how many there were."""
        return set_removed(self._database, portfolios, ids, removed=True)

    def restore(self, ids: Collection[str]) -> int:
        """Bring hidden ones back, as they were; how many were still there."""
        return set_removed(self._database, portfolios, ids, removed=False)

    def purge(self, older_than_s: float) -> int:
        """Delete for good what was hidden so long ago. Returns how many."""

        def purge(connection: Connection) -> int:
            old = removed_ids(connection, portfolios, older_than_s)
            return connection.execute(delete(portfolios).where(portfolios.c.id.in_(old))).rowcount

        return self._database.write(purge)


def _columns(result: PortfolioResult) -> dict[str, Any]:
    figures = {"correlation": result.correlation, "marginal": result.marginal, "use": dict(result.use)}
    documents = {
        "spec": document_of(result.spec),
        "legs": [_leg_row(leg) for leg in result.legs],
        "metrics": dict(result.metrics),
        "checks": {name: dict(check) for name, check in result.checks.items()},
        "figures": figures,
        "contended": [asdict(request) for request in result.contended],
        "inputs": result.inputs,
    }
    texts = {name: getattr(result, name) for name in ("status", "error", "traceback", "fingerprint")}
    return {
        "id": uuid.UUID(result.id),
        "name": storable(result.spec.name),
        "start_time": to_time(result.period.start),
        "end_time": to_time(result.period.end),
        "series": pack_series(result.series),
        "pnl": pack_series(result.pnl),
        "elapsed_s": float(result.elapsed_s),
        "created_at": to_time(result.created_ms),
        **{name: storable(value) for name, value in texts.items()},
        **{name: storable(json_ready(value)) for name, value in documents.items()},
    }


def _leg_row(leg: LegResult) -> dict[str, Any]:
    """All of a leg but its spec, which stands in the portfolio's."""
    market = {"exchange": leg.market.exchange, "name": leg.market.name, "unified": leg.market.unified}
    shares = {name: getattr(leg, name) for name in ("weight", "pnl", "profit_share_pct", "risk_share_pct")}
    plain = {name: dict(getattr(leg, name)) for name in ("params", "signals", "metrics")}
    return {
        "market": market,
        **({"windows": windows_json(leg.windows)} if leg.windows else {}),
        "period": [leg.period.start, leg.period.end],
        **shares,
        **plain,
        "trades": [asdict(trade) for trade in leg.trades],
        "checks": {name: dict(check) for name, check in leg.checks.items()},
        "contention": asdict(leg.contention),
    }


def _leg(spec: LegSpec, row: Mapping[str, Any]) -> LegResult:
    shares = {
        name: None if row[name] is None else float(row[name])
        for name in ("pnl", "profit_share_pct", "risk_share_pct")
    }
    return LegResult(
        spec,
        Market(**row["market"]),
        Period(*row["period"]),
        row["params"],
        float(row["weight"]),
        tuple(map(WindowParams.from_json, row.get("windows", ()))),
        row["signals"],
        row["metrics"],
        tuple(trade_of(stored) for stored in row["trades"]),
        row["checks"],
        **shares,
        contention=Contention(**row["contention"]),
    )


def _result(held: Mapping[str, Any]) -> PortfolioResult:
    spec, figures = spec_of(held["spec"]), held["figures"]
    return PortfolioResult(
        id=str(held["id"]),
        status=held["status"],
        spec=spec,
        period=Period(to_ms(held["start_time"]), to_ms(held["end_time"])),
        legs=tuple(_leg(leg, row) for leg, row in zip(spec.legs, held["legs"], strict=True)),
        error=held["error"],
        metrics=held["metrics"],
        checks=held["checks"],
        series=unpack_series(held.get("series")),
        pnl=unpack_series(held.get("pnl")),
        correlation=figures["correlation"],
        marginal=figures["marginal"],
        use=figures["use"],
        contended=tuple(Request(**row) for row in held.get("contended", ())),
        inputs=held["inputs"],
        fingerprint=held["fingerprint"],
        elapsed_s=held["elapsed_s"],
        created_ms=to_ms(held["created_at"]),
        traceback=held["traceback"],
    )
