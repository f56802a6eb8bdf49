"""Loads what is to be seen of a run: equity, trades and indicators, its candles, and whether those are still the same."""

from __future__ import annotations

import asyncio
from functools import partial

from desktop.work.bridge import Bridge
from desktop.workspace import SetKey, Workspace, set_key
from engine.errors import InputError
from engine.model.market import Candles
from engine.model.run import FINISHED, RunResult


class Details:
    """Follows what the workspace wants."""

    def __init__(self, bridge: Bridge, workspace: Workspace) -> None:
        self._bridge, self._engine, self._workspace = bridge, bridge.engine, workspace
        self._loading: set[str] = set()
        self._reading: dict[SetKey, asyncio.Task[Candles]] = {}
        workspace.details_wanted.connect(self._want)

    def judge(self, run: RunResult) -> None:
        """Ask whether the candles held now are still those that a run saw."""
        self._bridge.spawn(self._judge(run))

    def _want(self, run_id: str) -> None:
        run = self._workspace.runs[run_id]
        if run_id not in self._loading and run.status == FINISHED:
            self._loading.add(run_id)
            self._bridge.spawn(self._load(run))

    async def _load(self, run: RunResult) -> None:
        try:
            if run.equity is None:
                run = await self._bridge.answer(partial(self._engine.runs.get, run.id))
                if run.id not in self._workspace.runs:
                    return  # deleted meanwhile
                self._workspace.put([run])
            if self._workspace.candles(run.id) is None:
                self._workspace.put_candles(run.id, await self._read(run))
            await self._judge(run)
        except InputError:
            if run.id in self._workspace.runs:
                raise
        finally:
            self._loading.discard(run.id)

    async def _read(self, run: RunResult) -> Candles:
        """The candles of a run's period; runs on the same ones wait for one reading of them."""
        key = set_key(run)
        if key not in self._reading:
            self._reading[key] = asyncio.get_running_loop().create_task(self._ask(run))
        try:
            return await self._reading[key]
        finally:  # not before: who asks between the answer and its being kept would read again
            self._reading.pop(key, None)

    async def _ask(self, run: RunResult) -> Candles:
        return await self._bridge.answer(
            lambda: self._engine.candles.load(run.symbol, run.timeframe, run.period, exchange=run.exchange)
        )

    async def _judge(self, run: RunResult) -> None:
        changed = await self._bridge.answer(partial(self._engine.runs.data_changed, run))
        self._workspace.put_judgement(run.id, changed)
