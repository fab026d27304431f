"""Ctrl-C around compiled code, which must not be left by an exception."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Deferred:
    """Notes Ctrl-C while compiled code runs; `check` then acts on it, between two calls.

    An exception raised by a signal handler while compiled code hands over its results would leave
    them half made. Outside the main thread, or where Ctrl-C is ignored, nothing is changed.
    """

    def __init__(self) -> None:
        self.seen = False
        self.before: Any = None

    def __enter__(self) -> Deferred:
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if callable(before):
                self.before = before
                signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)
            if kind is None:
                self.check()

    def check(self) -> None:
        """Do what Ctrl-C does, if it came: KeyboardInterrupt, as a rule."""
        if self.seen:
            self.seen = False
            self.before(signal.SIGINT, None)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.seen = True
