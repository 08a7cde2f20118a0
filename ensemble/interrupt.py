"""Ctrl-C while a command of ours is being loaded.

A module that is cut off by ``KeyboardInterrupt`` fails with whatever its imports make of it, so there is nothing to
catch. Nothing is open yet either, so the process just ends. Hardly anything is imported here, since it goes before all.
"""

import os
import signal
from types import FrameType

STATUS = 130
"""Exit status of a command that Ctrl-C ended, as shells have it: 128 and the number of the signal."""


def end_at_once() -> None:
    """Have Ctrl-C end the process quietly from now on, unless whoever started it had it ignore that."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def raise_again() -> None:
    """Have Ctrl-C be an exception again, if it is not: a command that is loaded closes what it opened."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(STATUS)
