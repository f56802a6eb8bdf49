"""SQL of walk-forwards: stored as they grow, so that a killed one goes on where it was; every trial counted for good."""

import json
import struct
import uuid
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from engine.database.codec import copy_stream, to_ms, to_time
from engine.database.connection import Database
from engine.database.locks import check_unused, is_held, key_of, true_status, worked_on_alone
from engine.database.removal import removed_ids, set_removed
from engine.database.run_store import find_id, storable
from engine.database.schema.results import walk_forward_parts, walk_forwards
from engine.database.schema.series import symbols
from engine.database.series_rows import add_symbol, copy_into
from engine.database.source_store import add_sources
from engine.database.sweep_store import asked_of, spec_of
from engine.database.trial_rows import add_legs, candles_id, trial_count
from engine.errors import DatabaseError, InputError
from engine.model.market import Float64Array, Market, Period, parse_time
from engine.model.portfolio_document import document_of
from engine.model.reads import longer_warmup
from engine.model.run import FINISHED, json_ready
from engine.model.sweep import Column
from engine.model.sweep_spec import SweepSpec
from engine.model.walk_forward import (
    FIGURES,
    IN_SAMPLE,
    BegunWalk,
    TriedPart,
    WalkForward,
    WalkForwardSpec,
    Window,
    WindowResult,
)

KIND: Final = "walk-forward"
_COPY_TRIALS: Final = "COPY trials (strategy_name, identity, candles_id) FROM STDIN (FORMAT BINARY)"
_SHAPE: Final = (2, len(FIGURES))  # of a combination in a window


class WalkStore:
    """The user's walk-forwards. The stitched run of each is a run like any other, and not among what is read here."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- while it is made

    def working_on(self, walk_id: str) -> AbstractContextManager[None]:
        """Work on it alone; raises InUse where another program, or another job of this one, does."""
        return worked_on_alone(self._database, KIND, uuid.UUID(walk_id))

    def begin(self, walk: WalkForward, market: Market) -> None:
        """Store one before anything was tried."""

        def write(connection: Connection) -> None:
            more = {"symbol_id": add_symbol(connection, market), "inputs": None, "run_id": None}
            connection.execute(insert(walk_forwards).values(_columns(walk) | more))

        self._database.write(write)

    def add(
        self, walk: WalkForward, part: TriedPart, inputs: Mapping[str, Any], sources: Sequence[bytes]
    ) -> None:
        """Store what was tried since the last part, and count it: each combination in each training is a trial."""
        own = walk_forwards.c.id == uuid.UUID(walk.id)
        changed = {
            "status": walk.status,
            "error": None,
            "done": walk.done,
            "elapsed_s": float(walk.elapsed_s),
        }
        row = {
            "walk_forward_id": uuid.UUID(walk.id),
            "numbers": part.numbers.astype("<i4").tobytes(),
            "figures": zlib.compress(part.figures.astype("<f8").tobytes(), level=1),
            "errors": {str(number): storable(line) for number, line in part.errors.items()},
        }

        def write(connection: Connection) -> None:
            _check_alone(connection, walk)
            values = changed | {"inputs": storable(json_ready(inputs))}
            owner = walk_forwards.c.symbol_id
            symbol = connection.scalar(update(walk_forwards).where(own).values(values).returning(owner))
            if symbol is None:
                raise InputError(_deleted(walk))
            connection.execute(insert(walk_forward_parts).values(row))
            tried = [
                candles_id(connection, symbol, walk.spec.sweep.timeframe.name, window.train)
                for window in walk.windows
            ]
            name = str(storable(walk.spec.sweep.strategy))
            copy_into(connection, _COPY_TRIALS, copy_stream(_trial_rows(name, part, tried)))
            add_legs(connection, part.legs)
            add_sources(connection, sources)

        self._database.write(write)

    def end(self, walk: WalkForward) -> WalkForward:
        """Store how it ended; gives it with the count of all trials of its strategy. InputError where it was deleted."""
        own = walk_forwards.c.id == uuid.UUID(walk.id)

        def write(connection: Connection) -> int:
            _check_alone(connection, walk)
            values = _columns(walk)
            count = trial_count(connection, values["strategy_name"])
            run_id = uuid.UUID(walk.stitched.id) if walk.stitched is not None else None
            more = {"trials_of_strategy": count, "run_id": run_id}
            if not connection.execute(update(walk_forwards).where(own).values(values | more)).rowcount:
                raise InputError(_deleted(walk))
            return count

        return replace(walk, trials_of_strategy=self._database.write(write))

    # -- afterwards

    def get(self, walk_id: str) -> tuple[WalkForward, str | None]:
        """One with all figures, and the id of its stitched run, by its id or a unique beginning of it; raises InputError."""
        begun, run_id = self._read(walk_id)
        return begun.walk, run_id

    def begun(self, walk_id: str) -> BegunWalk:
        """One that has not come to its end, with what was tried of it; raises InputError for one that has."""
        found, _ = self._read(walk_id)
        if found.walk.status == FINISHED:
            raise InputError(f"walk-forward {found.walk.id[:8]} is finished: there is nothing to go on with")
        return found

    def _read(self, walk_id: str) -> tuple[BegunWalk, str | None]:
        with self._database.snapshot() as connection:
            found = find_id(connection, walk_forwards, walk_id, KIND)
            held = connection.execute(_whole().where(walk_forwards.c.id == found)).mappings().one()
            query = select(walk_forward_parts).where(walk_forward_parts.c.walk_forward_id == found)
            parts = [_part(row) for row in connection.execute(query).mappings()]
            walk = _walk(connection, held)
        figures = np.full((held["planned"], len(walk.windows), *_SHAPE), np.nan)
        errors: dict[int, str] = {}
        shaped = [replace(part, figures=part.figures.reshape(-1, *figures.shape[1:])) for part in parts]
        for part in shaped:
            figures[part.numbers] = part.figures
            errors |= part.errors
        whole = replace(walk, figures=figures, errors=dict(sorted(errors.items())))
        return BegunWalk(whole, held["inputs"], shaped), held["run_id"] and str(held["run_id"])

    def newest(self, limit: int = 100) -> list[WalkForward]:
        """The newest first, without figures and errors of their trials."""
        query = _whole().where(walk_forwards.c.removed_at.is_(None))
        query = query.order_by(walk_forwards.c.created_at.desc(), walk_forwards.c.id).limit(limit)
        with self._database.snapshot() as connection:
            return [_walk(connection, held) for held in connection.execute(query).mappings().all()]

    def delete(self, walk_id: str) -> None:
        """Delete one, named as in `get`; its stitched run stays, and its trials stay counted. InUse where somebody works
        on it.
        """

        def remove(connection: Connection) -> None:
            found = find_id(connection, walk_forwards, walk_id, KIND)
            check_unused(connection, KIND, found)
            _delete(connection, found)

        self._database.write(remove)

    def remove(self, ids: Collection[str]) -> int:
        """Hide some from everything but `restore`; how many there were. InUse where somebody works on one."""
        return set_removed(self._database, walk_forwards, ids, removed=True, made=KIND)

    def restore(self, ids: Collection[str]) -> int:
        """Bring hidden ones back; how many were still there."""
        return set_removed(self._database, walk_forwards, ids, removed=False)

    def purge(self, older_than_s: float) -> int:
        """Delete for good what was hidden so long ago, as `delete` does. Returns how many."""

        def purge(connection: Connection) -> int:
            old = removed_ids(connection, walk_forwards, older_than_s)
            for found in old:
                _delete(connection, found)
            return len(old)

        return self._database.write(purge)


def _delete(connection: Connection, walk_id: uuid.UUID) -> None:
    connection.execute(delete(walk_forward_parts).where(walk_forward_parts.c.walk_forward_id == walk_id))
    connection.execute(delete(walk_forwards).where(walk_forwards.c.id == walk_id))


def _check_alone(connection: Connection, walk: WalkForward) -> None:
    """Raise DatabaseError where others are not kept from it any more: the server was restarted while it was made."""
    if not is_held(connection, key_of(uuid.UUID(walk.id))):
        raise DatabaseError(
            f"the connection that kept others from walk-forward {walk.id[:8]} broke; what was tried is kept, "
            f"go on with: backtest walk-forwards resume {walk.id[:8]}"
        )


def _deleted(walk: WalkForward) -> str:
    made, kind = walk.stitched, "run" if walk.portfolio is None else "portfolio"
    kept = "nothing is kept of it" if made is None else f"its stitched {kind} {made.id[:8]} is kept"
    return f"walk-forward {walk.id[:8]} was deleted while it was made; {kept}"


def _whole() -> Any:
    owner = walk_forwards.join(symbols, walk_forwards.c.symbol_id == symbols.c.id)
    return select(*walk_forwards.c, symbols.c.name, symbols.c.exchange, symbols.c.unified).select_from(owner)


def _columns(walk: WalkForward) -> dict[str, Any]:
    """All columns but symbol_id, inputs and run_id."""
    spec = walk.spec
    lengths = {"train_ms": spec.train_ms, "test_ms": spec.test_ms, "gap_ms": spec.gap_ms, "mode": spec.mode}
    return {
        "id": uuid.UUID(walk.id),
        "strategy_name": storable(spec.sweep.strategy),
        "timeframe": spec.sweep.timeframe.name,
        "start_time": to_time(walk.period.start),
        "end_time": to_time(walk.period.end),
        "status": walk.status,
        "error": storable(walk.error),
        "asked": asked_of(spec.sweep) | lengths | _portfolio_of(spec.sweep),
        "costs": spec.sweep.costs.to_json(),
        "fixed": storable(dict(walk.fixed)),
        "columns": _packed(walk.columns),
        "warmup": walk.warmup,
        "planned": walk.planned,
        "done": walk.done,
        "windows": storable(json_ready([one.to_json() for one in walk.results])),
        "measures": storable(json_ready(dict(walk.measures))),
        "elapsed_s": float(walk.elapsed_s),
        "created_at": to_time(walk.created_ms),
    }


def _sweep_of(held: RowMapping) -> SweepSpec:
    return spec_of({**held, "portfolio": held["asked"].get("portfolio")})


def _portfolio_of(sweep: SweepSpec) -> dict[str, Any]:
    """The portfolio that is walked, as its file says it."""
    if sweep.portfolio is None:
        return {}
    return {"portfolio": storable(json_ready(document_of(sweep.portfolio)))}


def _packed(columns: Mapping[str, Column]) -> bytes:
    """Columns of parameters with their kind: JSON would make 1e22 an int."""
    plain = [[name, column.dtype.kind, column.tolist()] for name, column in columns.items()]
    return zlib.compress(json.dumps(plain).encode(), level=1)


def _unpacked(data: bytes) -> dict[str, Column]:
    kinds = {"f": np.float64, "i": np.int64, "b": np.bool_}
    return {
        name: np.array(values, dtype=kinds.get(kind, np.str_))
        for name, kind, values in json.loads(zlib.decompress(data))
    }


def _trial_rows(name: str, part: TriedPart, candles: Sequence[int]) -> Iterator[bytes]:
    """A row for each combination and training in which it has a figure."""
    head = struct.pack(">hi", 3, len(name.encode())) + name.encode()
    tails = [struct.pack(">ii", 4, found) for found in candles]
    told: Any = ~np.isnan(part.figures[:, :, IN_SAMPLE]).all(axis=2)
    for identity, windows in zip(part.identities, told, strict=True):
        if identity is not None:
            start = head + struct.pack(">i", len(identity)) + identity
            yield b"".join(start + tail for tail, tells in zip(tails, windows, strict=True) if tells)


def _part(row: RowMapping) -> TriedPart:
    """With flat figures: how many windows there are stands elsewhere."""
    figures: Float64Array = np.frombuffer(zlib.decompress(row["figures"]), dtype="<f8").astype(np.float64)
    numbers = np.frombuffer(row["numbers"], dtype="<i4").astype(np.int64)
    return TriedPart(numbers, figures, {int(number): line for number, line in row["errors"].items()})


def _walk(connection: Connection, held: RowMapping) -> WalkForward:
    asked = held["asked"]
    return WalkForward(
        id=str(held["id"]),
        spec=WalkForwardSpec(
            spec_of({**held, "portfolio": asked.get("portfolio")}),
            asked["train_ms"],
            asked["test_ms"],
            asked["mode"],
            asked["gap_ms"],
        ),
        status=true_status(connection, held["status"], held["id"]),
        unified="" if "portfolio" in asked else held["unified"],
        period=Period(to_ms(held["start_time"]), to_ms(held["end_time"])),
        warmup=held["warmup"],
        longer_warmup=longer_warmup((held["inputs"] or {}).get("candles", {})),
        columns=_unpacked(held["columns"]),
        fixed=held["fixed"],
        figures=np.empty((held["planned"], 0, *_SHAPE)),
        done=held["done"],
        results=[_result(stored) for stored in held["windows"]],
        measures=held["measures"],
        trials_of_strategy=held["trials_of_strategy"],
        elapsed_s=held["elapsed_s"],
        created_ms=to_ms(held["created_at"]),
        error=held["error"],
    )


def _result(stored: Mapping[str, Any]) -> WindowResult:
    train, test = (
        Period(parse_time(stored[f"{side}_start"]), parse_time(stored[f"{side}_end"]))
        for side in ("train", "test")
    )
    return WindowResult(
        window=Window(train, test, stored["partial"]),
        number=stored["trial"],
        params=stored["params"],
        kept=stored["kept"],
        train=stored["train"],
        test=stored["test"],
        rank=stored["oos_rank"],
        rho=stored["is_oos_rho"],
    )
