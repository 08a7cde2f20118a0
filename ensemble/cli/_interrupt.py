"""Ctrl-C, for commands that open a service and for those that compute."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ensemble.config import Settings


def undelayed(settings: Settings) -> Settings:
    """``settings`` whose service cancels what is under way when it is closed; whoever interrupts it wants it to end."""
    return replace(settings, server=settings.server.model_copy(update={"drain_s": 0.0}))


@contextmanager
def ended_at_once() -> Iterator[None]:
    """Ctrl-C ends the process then and there, which is for what leaves nothing half done.

    Otherwise asyncio waits until the thread that computes has come to its end, and nothing can end that before.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # whoever has the main thread has the signals
        return
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
