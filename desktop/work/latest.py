"""A question that is asked again and again while what it is about changes: one at a time, the newest counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from desktop.work.bridge import Bridge

T = TypeVar("T")


class Latest(Generic[T]):
    """`question()` gives what is to be computed in a thread now, None for nothing; `show` hears each answer on the window's
    thread and drops the one that it has no use for any more; `failed` hears why there is none.
    """

    def __init__(
        self,
        bridge: Bridge,
        question: Callable[[], Callable[[], T] | None],
        show: Callable[[T], object],
        failed: Callable[[Exception], object] | None = None,
    ) -> None:
        self._bridge, self._question, self._show, self._failed = bridge, question, show, failed
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
        self._bridge.ask(question, self._answered, self._unanswered)

    def _answered(self, answer: T) -> None:
        self._is_asked = False
        self._show(answer)
        self._next()

    def _unanswered(self, error: Exception) -> None:
        if self._failed is not None:
            self._failed(error)
        self._next()

    def _next(self) -> None:
        """That one is over, however it ended: ask what is wanted since."""
        self._is_asked = False
        if self._is_wanted:
            self._is_wanted = False
            self.want()
