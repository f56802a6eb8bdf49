"""A question that is asked again and again while what it is about changes: one at a time, the newest counts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from desktop.work.bridge import Bridge

T = TypeVar("T")


class Latest(Generic[T]):
    """`question()` gives what is to be computed in a thread now, None for nothing; `show` hears each answer on the window's
    thread and drops the one that it has no use for any more.
    """

    def __init__(
        self, bridge: Bridge, question: Callable[[], Callable[[], T] | None], show: Callable[[T], object]
    ) -> None:
        self._bridge, self._question, self._show = bridge, question, show
        self._is_asked = self._is_wanted = False

    def want(self) -> None:
        """Ask now, or when the one under way is answered."""
        if self._is_asked:
            self._is_wanted = True
            return
        question = self._question()
        if question is None or not self._bridge.is_open:
            return
        self._is_asked = True
        self._bridge.ask(partial(_tried, question), self._answered)

    def _answered(self, answer: T | Exception) -> None:
        """A question that fails is told as any other, and does not keep the next ones from being asked."""
        self._is_asked = False
        try:
            if isinstance(answer, Exception):
                raise answer
            self._show(answer)
        finally:
            if self._is_wanted:
                self._is_wanted = False
                self.want()


def _tried(question: Callable[[], T]) -> T | Exception:
    try:
        return question()
    except Exception as error:  # noqa: BLE001 - raised again where it can be told
        return error
