"""Every task has one function, which takes it and gives its answer; both cross the process border whole."""

import io
import pickle
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

from engine.jobs.registry import FUNCTIONS, perform
from engine.model.account import Costs
from engine.model.combinations import Combinations
from engine.model.market import CandleFile
from engine.parallel import portfolio_tasks, tasks
from engine.parallel.job import Died, Done
from engine.parallel.plain import decode, encode
from engine.parallel.pool import WorkerPool
from engine.parallel.tasks import ProbeTask, RunTask, Task, submit
from tests.support.tasks import ignore

KINDS = [
    one
    for one in (*vars(tasks).values(), *vars(portfolio_tasks).values())
    if isinstance(one, type) and issubclass(one, Task) and one is not Task and "answer" in vars(one)
]
SAMPLES: dict[Any, Any] = {
    str: "compiled", int: 7, float: 0.25, bool: True, Path: Path("mine.py"), Costs: Costs(commission=0.002),
    CandleFile: CandleFile(Path("candles.npy"), 5, 2, 90),
    Combinations: Combinations({"fast": np.arange(3), "mode": np.array(["a", "b", "ä"])}, {"slow": 9.5}),
}  # fmt: skip


def sample(kind: type) -> Any:
    """One with a value in every field."""
    hints = get_type_hints(kind)
    assert is_dataclass(kind)
    return kind(**{field.name: SAMPLES.get(hints[field.name], {"fast": 9}) for field in fields(kind)})


def test_every_task_is_registered_and_nothing_else():
    assert set(FUNCTIONS) == set(KINDS)
    assert len(KINDS) >= 8


@pytest.mark.parametrize("kind", KINDS)
def test_its_function_takes_the_task_and_gives_its_answer(kind: type):
    hints = get_type_hints(FUNCTIONS[kind])
    (base,) = [one for one in getattr(kind, "__orig_bases__", ()) if get_args(one)]
    assert kind in hints.values()
    assert hints["return"] is kind.answer is get_args(base)[0]  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_arrives_as_it_was_sent_and_cannot_be_changed(kind: type):
    task = sample(kind)
    arrived = pickle.loads(pickle.dumps(task))
    assert type(arrived) is kind
    assert repr(arrived) == repr(task)
    for field in fields(kind):
        with pytest.raises((AttributeError, TypeError)):
            setattr(task, field.name, None)


@pytest.mark.parametrize("kind", sorted({kind.answer for kind in KINDS}, key=str))
def test_an_answer_arrives_as_plain_data(kind: Any):
    values = {field.name: [1, "ä", None] for field in fields(kind)}
    stream = io.BytesIO()
    encode(values).write(stream)
    stream.seek(0)
    assert kind(**decode(stream)) == kind(**values)


def test_combinations_are_told_one_by_one():
    assert list(SAMPLES[Combinations]) == [
        {"slow": 9.5, "fast": fast, "mode": mode} for fast, mode in ((0, "a"), (1, "b"), (2, "ä"))
    ]


def test_a_real_worker_answers_in_the_class_of_the_task(tmp_path: Path):
    with WorkerPool(1, tmp_path, memory_mb=2048) as pool:
        assert submit(pool, ProbeTask(), timeout_s=60).result(60) == Done(perform(ProbeTask(), ignore))
        other = pool.submit(
            "tests.engine.parallel.jobs:echo", {}, timeout_s=60, read=lambda value: RunTask(**value)
        )
        ended = other.result(60)
    assert isinstance(ended, Died)
    assert "answer cannot be read" in ended.message
