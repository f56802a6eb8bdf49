"""SQL of sweeps: each stored with all its trials in one transaction, and every trial counted for good."""

import json
import struct
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import repeat
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, RowMapping, delete, insert, select, text

from engine.database.codec import FLOAT8_ARRAY_OID, Float8ArrayLoader, copy_stream, to_ms, to_time
from engine.database.connection import Database
from engine.database.removal import removed_ids, set_removed
from engine.database.run_store import find_id, storable
from engine.database.schema import sweeps, symbols
from engine.database.series_rows import add_symbol, copy_into, driver
from engine.database.source_store import add_sources
from engine.database.trial_rows import candles_id, trial_count
from engine.model.account import Costs
from engine.model.market import Period, Timeframe
from engine.model.parameters import ParamValue
from engine.model.ranges import Steps, parse_range
from engine.model.run import json_ready
from engine.model.sweep import Column, SweepResult, SweepSpec, unmade_checks

_COPY_TRIALS: Final = """
    COPY trials (sweep_id, number, strategy_name, identity, params, metrics, error, candles_id) FROM STDIN (FORMAT BINARY)
"""
_TRIALS: Final = "SELECT number, params, metrics, error FROM trials WHERE sweep_id = %s ORDER BY number"
_BEST: Final = """
    SELECT sweeps.id, number, trials.params, metrics, trials.error FROM sweeps
    JOIN trials ON trials.sweep_id = sweeps.id AND trials.number = sweeps.best WHERE sweeps.id = ANY(%s)
"""
_FORGET_FAILED: Final = text("DELETE FROM trials WHERE sweep_id = :id AND identity IS NULL")
_FORGET: Final = text("""
    UPDATE trials SET sweep_id = NULL, number = NULL, params = NULL, metrics = NULL, error = NULL WHERE sweep_id = :id
""")
_FLOAT8_OID: Final = 701
_NULL: Final = struct.pack(">i", -1)


class SweepStore:
    """The user's sweeps."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(
        self,
        result: SweepResult,
        identities: Sequence[bytes | None],
        inputs: Mapping[str, Any] | None = None,
        sources: Collection[bytes] = (),
    ) -> SweepResult:
        """Insert a sweep and its trials, each with its `model.trial.trial_identity` (None: it failed), or nothing.

        `inputs`: what the trials depend on besides the parameters; `sources`: the strategy's files. Returns the sweep as
        it is stored: with the count of all trials of its strategy.
        """
        columns = _columns(result) | {"inputs": storable(json_ready(inputs))}

        def write(connection: Connection) -> int:
            symbol_id = add_symbol(connection, result.spec.exchange, result.spec.symbol, result.unified)
            candles = candles_id(connection, symbol_id, result.spec.timeframe.name, result.period)
            copy_into(connection, _COPY_TRIALS, _trial_stream(result, identities, candles))
            count = trial_count(connection, columns["strategy_name"])
            more = {"symbol_id": symbol_id, "trials_of_strategy": count}
            connection.execute(insert(sweeps).values(columns | more))
            add_sources(connection, sources)
            return count

        return replace(result, trials_of_strategy=self._database.write(write))

    def trial_count(self, strategy: str) -> int:
        """How many distinct trials of a strategy were ever made, in sweeps and single runs, deleted ones included.

        A trial that failed told nobody anything and does not count.
        """
        with self._database.transaction() as connection:
            return trial_count(connection, storable(strategy))

    def get(self, sweep_id: str) -> SweepResult:
        """A sweep with its trials by its id or a unique beginning of it; raises InputError otherwise."""
        with self._database.snapshot() as connection:
            query = _whole().where(sweeps.c.id == find_id(connection, sweeps, sweep_id, "sweep"))
            held = connection.execute(query).mappings().one()
            return _result(held, _rows(connection, _TRIALS, held["id"]))

    def newest(self, limit: int = 100) -> list[SweepResult]:
        """The newest sweeps first, each with its best trial only."""
        query = _whole().where(sweeps.c.removed_at.is_(None))
        query = query.order_by(sweeps.c.created_at.desc(), sweeps.c.id).limit(limit)
        with self._database.snapshot() as connection:
            found = connection.execute(query).mappings().all()
            best = {row[0]: row[1:] for row in _rows(connection, _BEST, [held["id"] for held in found])}
        return [_result(held, [best[held["id"]]] if held["id"] in best else []) for held in found]

    def delete(self, sweep_id: str) -> None:
        """Delete a sweep, named as in `sweep`; its trials stay counted."""

        def remove(connection: Connection) -> None:
            _delete(connection, find_id(connection, sweeps, sweep_id, "sweep"))

        self._database.write(remove)

    def remove(self, ids: Collection[str]) -> int:
        """Hide sweeps from everything but `restore`; how many there were."""
        return set_removed(self._database, sweeps, ids, removed=True)

    def restore(self, ids: Collection[str]) -> int:
        """Bring hidden sweeps back with their trials; how many were still there."""
        return set_removed(self._database, sweeps, ids, removed=False)

    def purge(self, older_than_s: float) -> int:
        """Delete for good what was hidden so long ago, as `delete` does. Returns how many."""

        def purge(connection: Connection) -> int:
            old = removed_ids(connection, sweeps, older_than_s)
            for found in old:
                _delete(connection, found)
            return len(old)

        return self._database.write(purge)


def _delete(connection: Connection, sweep_id: uuid.UUID) -> None:
    connection.execute(_FORGET_FAILED, {"id": sweep_id})
    connection.execute(_FORGET, {"id": sweep_id})
    connection.execute(delete(sweeps).where(sweeps.c.id == sweep_id))


def _whole() -> Any:
    owner = sweeps.join(symbols, sweeps.c.symbol_id == symbols.c.id)
    return select(*sweeps.c, symbols.c.name, symbols.c.exchange, symbols.c.unified).select_from(owner)


def _rows(connection: Connection, query: str, argument: Any) -> list[Any]:
    with driver(connection).cursor(binary=True) as cursor:
        cursor.adapters.register_loader(FLOAT8_ARRAY_OID, Float8ArrayLoader)
        found: list[Any] = cursor.execute(query, (argument,)).fetchall()
    return found


def _columns(result: SweepResult) -> dict[str, Any]:
    """All columns but symbol_id and inputs."""
    spec, best = result.spec, result.best
    asked = {
        "period": [spec.period.start, spec.period.end],
        # pairs: JSONB does not keep the order of keys, and the ranges' order is that of the trials
        "ranges": [
            [name, str(values) if isinstance(values, Steps) else list(values)]
            for name, values in spec.ranges.items()
        ],
        "params": dict(spec.params),
        "constraint": spec.constraint,
        "objective": spec.objective,
        "sampler": spec.sampler,
        "trials": spec.trials,
        "seed": spec.seed,
    }
    return {
        "id": uuid.UUID(result.id),
        "strategy_name": storable(spec.strategy),
        "timeframe": spec.timeframe.name,
        "start_time": to_time(result.period.start),
        "end_time": to_time(result.period.end),
        "status": result.status,
        "error": storable(result.error),
        "engine": result.engine,
        "asked": storable(json_ready(asked)),
        "costs": asdict(spec.costs),
        "fixed": storable(dict(result.fixed)),
        "kinds": {name: column.dtype.kind for name, column in result.params.items()},
        "metric_names": list(result.metrics),
        "warmup": result.warmup,
        "planned": result.planned,
        "done": result.done,
        "failed": result.failed,
        "best": best["trial"] if best else None,
        "elapsed_s": float(result.elapsed_s),
        "created_at": to_time(result.created_ms),
        "checks": storable(json_ready(result.checks)),
    }


def _trial_stream(result: SweepResult, identities: Sequence[bytes | None], candles: int) -> list[bytes]:
    """The trials as one COPY BINARY stream, a row each."""
    name = str(storable(result.spec.strategy)).encode()
    head = struct.pack(">hi", 8, 16) + uuid.UUID(result.id).bytes + struct.pack(">i", 4)
    middle, tail = struct.pack(">i", len(name)) + name, struct.pack(">ii", 4, candles)
    numbers = result.numbers.astype(">i4").tobytes()
    arrays, size = _float8_arrays(result)
    lists = [storable(column.tolist()) for column in result.params.values()]
    rows: list[bytes] = []
    for at, values in enumerate(zip(*lists, strict=True) if lists else repeat((), len(result))):
        params = b"\x01" + json.dumps(dict(zip(result.params, values, strict=True))).encode()
        error = result.errors.get(at)
        rows += (
            head, numbers[4 * at : 4 * at + 4], middle, _sized(identities[at]), _sized(params),
            arrays[size * at : size * at + size], _sized(None if error is None else str(storable(error)).encode()),
            tail,
        )  # fmt: skip
    return list(copy_stream([b"".join(rows)]))


def _sized(value: bytes | None) -> bytes:
    return _NULL if value is None else struct.pack(">i", len(value)) + value


def _float8_arrays(result: SweepResult) -> tuple[bytes, int]:
    """Per trial a float8[] with its length in front: all of them, and how many bytes each takes."""
    k = len(result.metrics)
    element = [("size", ">i4"), ("value", ">f8")]
    table = np.empty(len(result), [("head", f"V{24}"), ("items", element, (k,))])
    header = struct.pack(">iiiiii", 20 + 12 * k, 1, 0, _FLOAT8_OID, k, 1)
    table["head"] = np.frombuffer(header, dtype="V24")[0]
    table["items"]["size"] = 8
    for at, column in enumerate(result.metrics.values()):
        table["items"]["value"][:, at] = column
    return table.tobytes(), table.dtype.itemsize


def _values(stored: str | list[ParamValue]) -> Sequence[ParamValue]:
    return parse_range(stored) if isinstance(stored, str) else tuple(stored)


def _result(held: RowMapping, rows: Sequence[Any]) -> SweepResult:
    asked, names, kinds = held["asked"], held["metric_names"], held["kinds"]
    numbers, params, metrics, errors = zip(*rows, strict=True) if rows else ((), (), (), ())
    table = np.array(metrics, dtype=np.float64).reshape(len(rows), len(names))
    spec = SweepSpec(
        strategy=held["strategy_name"],
        symbol=held["name"],
        exchange=held["exchange"],
        timeframe=Timeframe(held["timeframe"]),
        period=Period(*asked["period"]),
        ranges={name: _values(stored) for name, stored in asked["ranges"]},
        params=asked["params"],
        costs=Costs(**held["costs"]),
        constraint=asked["constraint"],
        objective=asked["objective"],
        sampler=asked["sampler"],
        trials=asked["trials"],
        seed=asked["seed"],
    )
    return SweepResult(
        id=str(held["id"]),
        spec=spec,
        status=held["status"],
        unified=held["unified"],
        period=Period(to_ms(held["start_time"]), to_ms(held["end_time"])),
        warmup=held["warmup"],
        numbers=np.array(numbers, dtype=np.int64),
        params={name: _param_column(params, name, kinds[name]) for name in spec.ranges if name in kinds},
        fixed=held["fixed"],
        metrics={name: np.ascontiguousarray(table[:, at]) for at, name in enumerate(names)},
        errors={at: error for at, error in enumerate(errors) if error is not None},
        planned=held["planned"],
        done=held["done"],
        failed=held["failed"],
        engine=held["engine"],
        trials_of_strategy=held["trials_of_strategy"],
        elapsed_s=held["elapsed_s"],
        created_ms=to_ms(held["created_at"]),
        error=held["error"],
        checks=held["checks"] or unmade_checks(),
    )


def _param_column(rows: Sequence[Mapping[str, ParamValue]], name: str, kind: str) -> Column:
    """JSONB keeps 1e22 as digits, which read back as an int: the column's kind says what it was."""
    dtype = {"f": np.float64, "i": np.int64, "b": np.bool_}.get(kind, np.str_)
    return np.array([row[name] for row in rows], dtype=dtype)
