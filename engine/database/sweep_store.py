"""SQL of sweeps: stored as they grow, a part in a transaction, and every trial counted for good."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, RowMapping, delete, insert, select, text, update

from engine.database.codec import FLOAT8_ARRAY_OID, Float8ArrayLoader, to_ms, to_time
from engine.database.connection import Database
from engine.database.locks import check_unused, true_status, worked_on_alone
from engine.database.removal import removed_ids, set_removed
from engine.database.run_store import find_id, storable
from engine.database.schema.results import sweep_returns, sweeps
from engine.database.schema.series import symbols
from engine.database.series_rows import add_symbol, driver
from engine.database.source_store import add_sources
from engine.database.trial_copy import copy_trials
from engine.database.trial_rows import add_legs, candles_id, trial_count
from engine.errors import InputError
from engine.model.account import Costs
from engine.model.across import across
from engine.model.market import Float64Array, Int64Array, Market, Period, Timeframe
from engine.model.parameters import ParamValue
from engine.model.portfolio_document import document_of
from engine.model.portfolio_document import spec_of as portfolio_of
from engine.model.ranges import Steps, parse_range
from engine.model.reads import longer_warmup
from engine.model.run import FINISHED, RUNNING, json_ready
from engine.model.sweep import BegunSweep, Column, SweepPart, SweepResult, TrialReturns, unmade_checks
from engine.model.sweep_spec import ASKED, SweepSpec

KIND: Final = "sweep"

_TRIALS: Final = "SELECT number, params, metrics, error FROM trials WHERE sweep_id = %s ORDER BY number"
_BEST: Final = """
    SELECT sweeps.id, number, trials.params, metrics, trials.error FROM sweeps
    JOIN trials ON trials.sweep_id = sweeps.id AND trials.number = sweeps.best WHERE sweeps.id = ANY(%s)
"""
_FORGET_FAILED: Final = text("DELETE FROM trials WHERE sweep_id = :id AND identity IS NULL")
_FORGET: Final = text("""
    UPDATE trials SET sweep_id = NULL, number = NULL, params = NULL, metrics = NULL, error = NULL WHERE sweep_id = :id
""")


class SweepStore:
    """The user's sweeps."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- while it is made

    def working_on(self, sweep_id: str) -> AbstractContextManager[None]:
        """Work on it alone; raises InUse where another program, or another job of this one, does."""
        return worked_on_alone(self._database, KIND, uuid.UUID(sweep_id))

    def save(
        self,
        result: SweepResult,
        part: SweepPart,
        inputs: Mapping[str, Any] | None = None,
        sources: Collection[bytes] = (),
        part_of: tuple[str, int] | None = None,
    ) -> SweepResult:
        """Store a sweep as far as it came, with those of its trials that are new, or nothing.

        `inputs`: what the trials depend on besides the parameters; `sources`: the strategy's files; `part_of`: of which
        sweep over several markets it is one, and which. Returns the sweep as it is stored: one that ended with the count of
        all trials of its strategy. InputError where it was deleted, or another program went on with it.
        """
        columns = _columns(result) | {"inputs": storable(json_ready(inputs))}
        if part_of is not None:
            columns |= {"part_of": uuid.UUID(part_of[0]), "place": part_of[1]}

        tried = False

        def write(connection: Connection) -> int | None:
            nonlocal tried
            held = _held(connection, columns["id"])
            if tried and held is not None and (held.done, held.status) == (result.done, result.status):
                count: int | None = held.trials_of_strategy
                return count  # the answer to the first try was lost, the try was not
            tried = True
            _check_held(held, columns.get("part_of", columns["id"]), part.stored)
            symbol_id, candles = _series_of(connection, result)
            if result.spec.symbols:  # keeps the best trial so far alone
                connection.execute(_FORGET_FAILED, {"id": columns["id"]})
            copy_trials(connection, result, part, candles)
            add_legs(connection, part.legs)
            ended = result.status != RUNNING
            count = trial_count(connection, columns["strategy_name"]) if ended else None
            row = columns | {"symbol_id": symbol_id, "trials_of_strategy": count}
            changed = update(sweeps).where(sweeps.c.id == columns["id"]) if held else insert(sweeps)
            connection.execute(changed.values(row))
            add_sources(connection, sources)
            if part.returns is not None:
                connection.execute(insert(sweep_returns).values(_packed(result.id, part.returns)))
            return count

        return replace(result, trials_of_strategy=self._database.write(write))

    # -- afterwards

    def trial_count(self, strategy: str) -> int:
        """How many distinct trials of a strategy were ever made, in sweeps and single runs, deleted ones included.

        A trial that failed told nobody anything and does not count.
        """
        with self._database.transaction() as connection:
            return trial_count(connection, storable(strategy))

    def get(self, sweep_id: str) -> SweepResult:
        """A sweep with its trials by its id or a unique beginning of it; raises InputError otherwise."""
        result, _, markets = self._read(sweep_id)
        return _across(result, [one.sweep for one in markets]) if result.spec.symbols else result

    def begun(self, sweep_id: str) -> BegunSweep:
        """One that has not come to its end, with what was made of it; raises InputError for one that has."""
        result, inputs, markets = self._read(sweep_id)
        if result.status == FINISHED:
            raise InputError(f"sweep {result.id[:8]} is finished: there is nothing to go on with")
        kept = [replace(one, returns=self.returns(one.sweep.id)) for one in markets]
        return BegunSweep(result, inputs, self.returns(result.id), kept)

    def id_of(self, sweep_id: str) -> str:
        """The whole id of a sweep, named as in `get`."""
        with self._database.transaction() as connection:
            return str(_find(connection, sweep_id))

    def _read(self, sweep_id: str) -> tuple[SweepResult, Mapping[str, Any] | None, list[BegunSweep]]:
        """A sweep as its row has it, what it depends on, and those on each of its markets."""
        with self._database.snapshot() as connection:
            query = _whole().where(sweeps.c.id == _find(connection, sweep_id))
            held = connection.execute(query).mappings().one()
            parts = _whole().where(sweeps.c.part_of == held["id"]).order_by(sweeps.c.place)
            rows = [held, *connection.execute(parts).mappings().all()]
            whole, *markets = (
                BegunSweep(
                    _result(connection, row, _rows(connection, _TRIALS, row["id"])), row["inputs"], None
                )
                for row in rows
            )
            return whole.sweep, whole.inputs, markets

    def returns(self, sweep_id: str) -> TrialReturns | None:
        """Daily returns of a stored sweep's trials; None where it kept none. `sweep_id`: whole."""
        query = select(sweep_returns).where(sweep_returns.c.sweep_id == uuid.UUID(sweep_id))
        with self._database.transaction() as connection:
            parts = [_unpacked(row) for row in connection.execute(query).mappings()]
        if not parts:
            return None
        numbers, returns = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        order = np.argsort(numbers)
        return TrialReturns(numbers[order], returns[order])

    def newest(self, limit: int = 100) -> list[SweepResult]:
        """The newest sweeps first, each with its best trial only."""
        query = _whole().where(sweeps.c.removed_at.is_(None), sweeps.c.part_of.is_(None))
        query = query.order_by(sweeps.c.created_at.desc(), sweeps.c.id).limit(limit)
        with self._database.snapshot() as connection:
            found = connection.execute(query).mappings().all()
            best = {row[0]: row[1:] for row in _rows(connection, _BEST, [held["id"] for held in found])}
            return [
                _result(connection, held, [best[held["id"]]] if held["id"] in best else []) for held in found
            ]

    def delete(self, sweep_id: str) -> None:
        """Delete a sweep, named as in `get`; its trials stay counted. InUse where somebody works on it."""

        def remove(connection: Connection) -> None:
            found = _find(connection, sweep_id)
            check_unused(connection, KIND, found)
            _delete(connection, found)

        self._database.write(remove)

    def remove(self, ids: Collection[str]) -> int:
        """Hide sweeps from everything but `restore`; how many there were. InUse where somebody works on one."""
        return set_removed(self._database, sweeps, ids, removed=True, made=KIND)

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


def _series_of(connection: Connection, result: SweepResult) -> tuple[int | None, int | None]:
    """The numbers of its symbol and of the candles that it was tried on; none of a portfolio, which is on several."""
    if result.spec.portfolio is not None:
        return None, None
    market = Market(result.spec.exchange, result.spec.symbol, result.unified)
    symbol_id = add_symbol(connection, market)
    return symbol_id, candles_id(connection, symbol_id, result.spec.timeframe.name, result.period)


def _find(connection: Connection, sweep_id: str) -> uuid.UUID:
    return find_id(connection, sweeps, sweep_id, KIND, sweeps.c.part_of.is_(None))


def _across(stored: SweepResult, markets: Sequence[SweepResult]) -> SweepResult:
    """The whole of what is stored of each market; without any where the program was killed before all were begun."""
    if len(markets) < len(stored.spec.symbols):
        metrics, params = (
            {name: column[:0] for name, column in columns.items()}
            for columns in (stored.metrics, stored.params)
        )
        return replace(
            stored, numbers=stored.numbers[:0], metrics=metrics, params=params, errors={}, done=0, failed=0
        )
    return across(
        stored.spec,
        markets,
        id=stored.id,
        status=stored.status,
        error=stored.error,
        elapsed_s=stored.elapsed_s,
        created_ms=stored.created_ms,
    )


def _delete(connection: Connection, sweep_id: uuid.UUID) -> None:
    _held(connection, sweep_id)
    for part in connection.scalars(select(sweeps.c.id).where(sweeps.c.part_of == sweep_id)).all():
        _delete(connection, part)
    connection.execute(_FORGET_FAILED, {"id": sweep_id})
    connection.execute(_FORGET, {"id": sweep_id})
    connection.execute(delete(sweep_returns).where(sweep_returns.c.sweep_id == sweep_id))
    connection.execute(delete(sweeps).where(sweeps.c.id == sweep_id))


def _held(connection: Connection, sweep_id: uuid.UUID) -> Any:
    """What is stored of a sweep, None where nothing is; whoever else would change or delete it waits."""
    columns = sweeps.c.done, sweeps.c.status, sweeps.c.trials_of_strategy
    return connection.execute(select(*columns).where(sweeps.c.id == sweep_id).with_for_update()).one_or_none()


def _check_held(held: Any, sweep_id: uuid.UUID, stored: int | None) -> None:
    """Raise InputError unless so many trials are held as this program stored: then nobody else added any."""
    if (None if held is None else held.done) != stored:
        raise InputError(
            f"sweep {str(sweep_id)[:8]} was deleted, or gone on with elsewhere, while it was made; "
            "nothing more was stored of it here"
        )


def _packed(sweep_id: str, returns: TrialReturns) -> dict[str, Any]:
    return {
        "sweep_id": uuid.UUID(sweep_id),
        "numbers": returns.numbers.astype("<i8").tobytes(),
        "returns": returns.returns.astype("<f8").tobytes(),
    }


def _unpacked(row: RowMapping) -> tuple[Int64Array, Float64Array]:
    numbers = np.frombuffer(row["numbers"], dtype="<i8").astype(np.int64)
    returns = np.frombuffer(row["returns"], dtype="<f8").astype(np.float64)
    return numbers, returns.reshape(len(numbers), -1)


def _whole() -> Any:
    owner = sweeps.outerjoin(symbols, sweeps.c.symbol_id == symbols.c.id)
    return select(*sweeps.c, symbols.c.name, symbols.c.exchange, symbols.c.unified).select_from(owner)


def _rows(connection: Connection, query: str, argument: Any) -> list[Any]:
    with driver(connection).cursor(binary=True) as cursor:
        cursor.adapters.register_loader(FLOAT8_ARRAY_OID, Float8ArrayLoader)
        found: list[Any] = cursor.execute(query, (argument,)).fetchall()
    return found


def _columns(result: SweepResult) -> dict[str, Any]:
    """All columns but symbol_id, inputs and the count of trials."""
    spec, best = result.spec, result.best
    return {
        "id": uuid.UUID(result.id),
        "strategy_name": storable(spec.strategy),
        "timeframe": spec.timeframe.name,
        "start_time": to_time(result.period.start),
        "end_time": to_time(result.period.end),
        "status": result.status,
        "error": storable(result.error),
        "engine": result.engine,
        "asked": asked_of(spec),
        "costs": spec.costs.to_json(),
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
        "portfolio": spec.portfolio and storable(json_ready(document_of(spec.portfolio))),
    }


def asked_of(spec: SweepSpec) -> dict[str, Any]:
    """What of a spec has no column of its own."""
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
        "second_objective": spec.second_objective,
        **({"symbols": list(spec.symbols), "across": spec.across} if spec.symbols else {}),
    }
    found: dict[str, Any] = storable(json_ready(asked))
    return found


def _values(stored: str | list[ParamValue]) -> Sequence[ParamValue]:
    return parse_range(stored) if isinstance(stored, str) else tuple(stored)


def spec_of(held: Mapping[str, Any] | RowMapping) -> SweepSpec:
    """The spec of a row that has what `asked_of` gave beside its columns."""
    asked = held["asked"]
    ranges = {name: _values(stored) for name, stored in asked["ranges"]}
    if held.get("portfolio"):
        told = {name: asked[name] for name in ASKED if name != "ranges"}
        return SweepSpec.of_portfolio(portfolio_of(held["portfolio"]), ranges=ranges, **told)
    return SweepSpec(
        strategy=held["strategy_name"],
        symbol=held["name"],
        exchange=held["exchange"],
        timeframe=Timeframe(held["timeframe"]),
        period=Period(*asked["period"]),
        ranges=ranges,
        params=asked["params"],
        costs=Costs.from_json(held["costs"]),
        constraint=asked["constraint"],
        objective=asked["objective"],
        sampler=asked["sampler"],
        trials=asked["trials"],
        seed=asked["seed"],
        second_objective=asked.get("second_objective", ""),
        symbols=tuple(asked.get("symbols", ())),
        across=asked.get("across", ""),
    )


def _result(connection: Connection, held: RowMapping, rows: Sequence[Any]) -> SweepResult:
    names, kinds, spec = held["metric_names"], held["kinds"], spec_of(held)
    numbers, params, metrics, errors = zip(*rows, strict=True) if rows else ((), (), (), ())
    table = np.array(metrics, dtype=np.float64).reshape(len(rows), len(names))
    return SweepResult(
        id=str(held["id"]),
        spec=spec,
        status=true_status(connection, held["status"], held["id"]),
        unified=held["unified"] or "",
        period=Period(to_ms(held["start_time"]), to_ms(held["end_time"])),
        warmup=held["warmup"],
        longer_warmup=longer_warmup((held["inputs"] or {}).get("candles", {})),
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
