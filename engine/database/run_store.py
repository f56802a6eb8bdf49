"""SQL of finished runs: saved whole, shown again exactly as they were."""

import math
import re
import sys
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    cast,
    delete,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert

from engine.database.codec import pack_series, to_ms, to_time, unpack_series
from engine.database.connection import Database
from engine.database.removal import removed_ids, set_removed
from engine.database.schema.results import backtest_runs
from engine.database.schema.series import symbols
from engine.database.series_rows import add_symbol
from engine.database.source_store import add_sources
from engine.database.trial_rows import add_trial, candles_id
from engine.errors import InputError, NotStored
from engine.model.account import Costs
from engine.model.market import Market, Period, Timeframe
from engine.model.remark import Remark
from engine.model.run import RunResult, SeenCandles, json_ready
from engine.model.trade import Fill, Trade
from engine.model.trial import identity_of

_KEPT: Final = backtest_runs.c.removed_at.is_(None)
_HEAVY: Final = ("trades", "equity", "indicators")
_TRADE_FLOATS: Final = tuple(field.name for field in fields(Trade) if field.type == "float")
_PREFIX: Final = re.compile(r"[0-9a-f]{4,32}")


class RunStore:
    """The user's runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, result: RunResult, sources: Collection[bytes] = ()) -> None:
        """Insert or replace a run by its id, count what it tried, and keep the `sources` that its inputs name by hash.

        NaN and infinities in JSON columns become null.
        """
        values = _columns(result)

        def write(connection: Connection) -> None:
            symbol_id = add_symbol(connection, result.market)
            row = values | {"symbol_id": symbol_id}
            statement = upsert(backtest_runs).values(row)
            connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=row))
            add_sources(connection, sources)
            if result.inputs is not None and result.fingerprint is not None:
                identity = identity_of(result.inputs)
                candles = candles_id(connection, symbol_id, result.timeframe.name, result.period)
                add_trial(connection, row["strategy_name"], identity, candles)

        self._database.write(write)

    def get(self, run_id: str) -> RunResult:
        """A run by its id or a unique beginning of it, 4 hex digits or more; raises InputError otherwise."""
        with self._database.transaction() as connection:
            query = _whole().where(backtest_runs.c.id == find_id(connection, backtest_runs, run_id, "run"))
            return _result(dict(connection.execute(query).mappings().one()))

    def ids(self, beginnings: Iterable[str]) -> list[str]:
        """The ids (hex) of which these are unique beginnings, each once; raises InputError where one is none."""
        with self._database.transaction() as connection:
            found = [find_id(connection, backtest_runs, one, "run").hex for one in beginnings]
        return list(dict.fromkeys(found))

    def newest(
        self, limit: int = 100, *, with_trades: bool = False, before: RunResult | None = None
    ) -> list[RunResult]:
        """The newest runs first, or those that follow `before` in this order: without equity and indicators, and without
        trades unless asked for.
        """
        heavy = [name for name in _HEAVY if not (with_trades and name == "trades")]
        light = [column for column in backtest_runs.c if column.name not in heavy]
        query = _whole(light).where(_KEPT)
        query = query.order_by(backtest_runs.c.created_at.desc(), backtest_runs.c.id).limit(limit)
        if before is not None:
            query = query.where(_follows(before))
        with self._database.transaction() as connection:
            return [
                _result({name: _shared(value) for name, value in row.items()})
                for row in connection.execute(query).mappings()
            ]

    def save_check(self, run_id: str, name: str, check: Mapping[str, Any]) -> None:
        """Replace one check of a run and nothing else; raises InputError when the run was deleted meanwhile."""
        found = {name: storable(json_ready(dict(check)))}
        query = update(backtest_runs).where(backtest_runs.c.id == uuid.UUID(run_id))
        changed = query.values(checks=backtest_runs.c.checks.op("||")(cast(found, JSONB)))

        def save(connection: Connection) -> int:
            return connection.execute(changed).rowcount

        if not self._database.write(save):
            raise InputError(f"run {run_id[:8]} was deleted while it was checked")

    def pending_checks(self, limit: int = 1000) -> list[str]:
        """The ids of runs whose cross-check is pending, newest first."""
        pending = text("checks -> 'crosscheck' ->> 'status' = 'pending'")
        query = select(backtest_runs.c.id).where(pending, _KEPT)
        query = query.order_by(backtest_runs.c.created_at.desc()).limit(limit)
        with self._database.transaction() as connection:
            return [str(found) for found in connection.scalars(query)]

    def delete(self, run_id: str) -> None:
        """Delete one run, named as in `run`; it stays counted as a trial of its strategy."""

        def remove(connection: Connection) -> None:
            found = find_id(connection, backtest_runs, run_id, "run")
            connection.execute(delete(backtest_runs).where(backtest_runs.c.id == found))

        self._database.write(remove)

    def remove(self, ids: Collection[str]) -> int:
        """Hide runs from everything but `restore`; how many there were."""
        return set_removed(self._database, backtest_runs, ids, removed=True)

    def restore(self, ids: Collection[str]) -> int:
        """Bring hidden runs back, as they were; how many were still there."""
        return set_removed(self._database, backtest_runs, ids, removed=False)

    def purge(self, older_than_s: float) -> int:
        """Delete for good what was hidden so long ago; what those runs tried stays counted. Returns how many."""

        def purge(connection: Connection) -> int:
            old = removed_ids(connection, backtest_runs, older_than_s)
            return connection.execute(delete(backtest_runs).where(backtest_runs.c.id.in_(old))).rowcount

        return self._database.write(purge)

    def remarks(self) -> dict[str, Remark]:
        """What the user noted, pinned and named, by run; runs of which there is nothing to say are not in it."""
        held = backtest_runs.c
        said = (held.note != "") | held.pinned | (held.title != "")
        query = select(held.id, held.note, held.pinned, held.title).where(said, _KEPT)
        with self._database.transaction() as connection:
            return {str(found): Remark(*remark) for found, *remark in connection.execute(query)}

    def save_remark(self, run_id: str, remark: Remark) -> None:
        """Replace what is noted of a run; raises InputError when it was deleted meanwhile."""
        changed = update(backtest_runs).where(backtest_runs.c.id == uuid.UUID(run_id))
        changed = changed.values(
            note=storable(remark.note), pinned=remark.pinned, title=storable(remark.name)
        )

        def save(connection: Connection) -> int:
            return connection.execute(changed).rowcount

        if not self._database.write(save):
            raise InputError(f"run {run_id[:8]} was deleted; the note was not kept")


def find_id(
    connection: Connection, table: Table, given: str, kind: str, *which: ColumnElement[bool]
) -> uuid.UUID:
    """The id of the one row of `table` that begins with the hex digits `given`, of those that fulfil `which`; `kind` is
    "run", "sweep", "walk-forward" or "portfolio".
    """
    shown = given if len(given) <= 40 else given[:37] + "..."
    command = "runs" if kind == "portfolio" else f"{kind}s"  # which lists both
    lists = f"`backtest {command}` lists them"
    found = ids_from(connection, table, given, *which)
    if found is None:
        raise NotStored(f"{shown!r} is not a {kind} id; give 4 or more of its hex digits ({lists})")
    if not found:
        raise NotStored(f"no {kind} {shown!r} is stored ({lists})")
    if len(found) > 1:
        raise InputError(f"several {kind}s begin with {shown!r}; give more digits")
    return found[0]


def ids_from(
    connection: Connection, table: Table, given: str, *which: ColumnElement[bool]
) -> Sequence[uuid.UUID] | None:
    """The first two ids that begin with the hex digits `given`; None where these are no beginning of an id."""
    digits = given.strip().lower().replace("-", "")
    if not _PREFIX.fullmatch(digits):
        return None
    low, high = uuid.UUID(digits.ljust(32, "0")), uuid.UUID(digits.ljust(32, "f"))
    return connection.scalars(
        select(table.c.id).where(table.c.id.between(low, high), table.c.removed_at.is_(None), *which).limit(2)
    ).all()


def _whole(columns: Any = tuple(backtest_runs.c)) -> Select[Any]:
    owner = backtest_runs.join(symbols, backtest_runs.c.symbol_id == symbols.c.id)
    return select(*columns, symbols.c.name, symbols.c.exchange, symbols.c.unified).select_from(owner)


def _follows(before: RunResult) -> ColumnElement[bool]:
    """Of runs that stand behind `before`, newest first. Its time is asked again: other programs may store finer ones."""
    last_id = uuid.UUID(before.id)
    made, held = backtest_runs.c.created_at, backtest_runs.alias().c
    now = select(held.created_at).where(held.id == last_id).scalar_subquery()
    last = func.coalesce(now, to_time(before.created_ms))
    return (made < last) | ((made == last) & (backtest_runs.c.id > last_id))


def _columns(result: RunResult) -> dict[str, Any]:
    """All columns but symbol_id."""
    try:
        run_id = uuid.UUID(result.id)
    except ValueError:
        raise InputError(f"{result.id!r} is not a run id") from None
    json_columns = {
        "params": dict(result.params),
        "costs": result.costs.to_json(),
        "metrics": dict(result.metrics),
        "signals": dict(result.signals),
        "checks": {name: dict(check) for name, check in result.checks.items()},
        "trades": [asdict(trade) for trade in result.trades],
    }
    texts = {"error": result.error, "traceback": result.traceback, "fingerprint": result.fingerprint}
    return {
        "id": run_id,
        "strategy_name": storable(result.strategy),
        "timeframe": result.timeframe.name,
        "start_time": to_time(result.period.start),
        "end_time": to_time(result.period.end),
        "status": result.status,
        "engine": result.engine,
        "equity": pack_series(result.equity),
        "indicators": pack_series(result.indicators),
        "elapsed_s": float(result.elapsed_s),
        "created_at": to_time(result.created_ms),
        "candles_sha256": result.seen.sha256 if result.seen else None,
        "candles_start": to_time(result.seen.start_ms) if result.seen else None,
        "candles_version": result.seen.version if result.seen else None,
        "inputs": storable(json_ready(result.inputs)),
        **{name: storable(value) for name, value in texts.items()},
        **{name: storable(json_ready(value)) for name, value in json_columns.items()},
    }


def storable(value: Any) -> Any:
    """`value` without what PostgreSQL's text cannot hold: a strategy's error may say anything."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [storable(item) for item in value]
    return value


def trade_of(stored: dict[str, Any]) -> Trade:
    """A trade as it was stored, or as an older version stored it."""
    # JSONB keeps 1e22 as digits, which read back as an int; null stands for NaN, as does what older versions did not keep
    numbers = {name: stored.get(name) for name in _TRADE_FLOATS}
    fills = tuple(Fill(**fill) for fill in stored.get("fills", ()))
    told = {name: math.nan if one is None else float(one) for name, one in numbers.items()}
    return Trade(**stored | told | {"fills": fills})


def _shared(value: Any) -> Any:
    """The same with each text held once, however many runs hold it: names of metrics, versions, hashes of months are two
    thirds of what a thousand runs weigh.
    """
    if type(value) is str:
        return sys.intern(value)
    if type(value) is dict:
        return {sys.intern(name): _shared(item) for name, item in value.items()}
    return [_shared(item) for item in value] if type(value) is list else value


def _seen(held: Mapping[str, Any]) -> SeenCandles | None:
    if held["candles_sha256"] is None:
        return None
    return SeenCandles(held["candles_sha256"], to_ms(held["candles_start"]), held["candles_version"])


def _result(held: Mapping[str, Any]) -> RunResult:
    return RunResult(
        id=str(held["id"]),
        status=held["status"],
        strategy=held["strategy_name"],
        market=Market(held["exchange"], held["name"], held["unified"]),
        timeframe=Timeframe(held["timeframe"]),
        period=Period(to_ms(held["start_time"]), to_ms(held["end_time"])),
        params=held["params"],
        costs=Costs.from_json(held["costs"]),
        engine=held["engine"],
        error=held["error"],
        metrics=held["metrics"],
        signals=held["signals"],
        trades=tuple(trade_of(stored) for stored in held.get("trades", ())),
        checks=held["checks"],
        equity=unpack_series(held.get("equity")),
        indicators=unpack_series(held.get("indicators")),
        fingerprint=held["fingerprint"],
        inputs=held["inputs"],
        elapsed_s=held["elapsed_s"],
        created_ms=to_ms(held["created_at"]),
        traceback=held["traceback"],
        seen=_seen(held),
    )
