"""NSGA-II and TPE of optuna: a population that breeds, and a model of what was good."""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, TPESampler
from optuna.trial import Trial, TrialState

from engine.model.market import Float64Array
from engine.model.sweep_spec import NSGA2
from engine.research.grid import Grid, Numbers

BATCH: Final = {True: 64, False: 32}  # NSGA-II: a generation


class OptunaSampler:
    """A study over places on the grid's axes, with a sampler of its own for each batch (optuna's issues 3056 and 4412 say
    what becomes of one that is shared or kept).
    """

    def __init__(self, grid: Grid, sampler: str, seed: int, objectives: int) -> None:
        self._grid, self._seed, self._batch = grid, seed, 0
        self._breeds = sampler == NSGA2
        with _quiet():
            self._study = optuna.create_study(
                storage=optuna.storages.InMemoryStorage(),
                study_name="sweep",
                directions=["minimize"] * objectives,
            )
        self._axes: dict[str, BaseDistribution] = {
            name: IntDistribution(0, len(axis.values) - 1)
            if axis.ordered
            else CategoricalDistribution(range(len(axis.values)))
            for name, axis in grid.axes.items()
        }
        self._asked: list[Trial] = []

    def propose(self) -> Numbers:
        """Of `Sampler`."""
        with _quiet():
            self._study.sampler = self._sampler()
            self._asked = [self._study.ask(self._axes) for _ in range(BATCH[self._breeds])]
        self._batch += 1
        return self._grid.numbers(
            np.array([[trial.params[name] for name in self._axes] for trial in self._asked])
        )

    def learn(self, losses: Float64Array) -> None:
        """Of `Sampler`."""
        for trial, values in zip(self._asked, losses.tolist(), strict=True):
            if np.isfinite(values).all():
                self._study.tell(trial, values)
            else:
                self._study.tell(trial, state=TrialState.FAIL)

    def _sampler(self) -> BaseSampler:
        seed = int(np.random.SeedSequence([self._seed, self._batch]).generate_state(1)[0])
        if self._breeds:
            return NSGAIISampler(population_size=BATCH[True], seed=seed)
        return TPESampler(seed=seed, n_startup_trials=BATCH[False], multivariate=True, constant_liar=True)


class _quiet(warnings.catch_warnings):  # noqa: N801 - a context
    """Optuna's remarks about itself are not for the user."""

    def __enter__(self) -> None:
        super().__enter__()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
