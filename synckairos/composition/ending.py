"""The last resort against a process that outlives its own end."""

import asyncio
import faulthandler
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

import structlog

LOOK_S: Final = 1.0
"""Pause between two looks at whether the supervisor is there."""
SAME_S: Final = 1.0
"""Signals that follow within this time are one request: a service manager signals every process of a group, Dramatiq's
supervisor passes on what it gets, and a terminal that closes hangs up once itself and once through its shell."""

_log = structlog.get_logger(__name__)


async def end_without(supervisor: int) -> None:
    """End this process, as on SIGTERM, once the one that supervises it (its id) is gone: nobody else would."""
    while os.getppid() == supervisor:  # noqa: ASYNC110 - nobody tells a process that its parent has ended
        await asyncio.sleep(LOOK_S)
    _log.warning("supervisor_gone", pid=os.getpid())
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.Event().wait()


def end_within(seconds: float) -> None:
    """End the process after this time whatever keeps it, and say on standard error where each of its threads stood."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)


def ended_in_time() -> None:
    """Let the process live on: what had to end has ended."""
    faulthandler.cancel_dump_traceback_later()


def bound_end_after(signals: tuple[signal.Signals, ...], seconds: float) -> None:
    """Let the first of the signals bound the time until the process ends, beside what they do already."""
    first: float | None = None
    handlers = {number: signal.getsignal(number) for number in signals}

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal first
        now = time.monotonic()
        if first is None:
            first = now
            end_within(seconds)
        elif now - first < SAME_S:
            return
        former = handlers[signal.Signals(number)]
        if callable(former):
            former(number, frame)

    for number in signals:
        signal.signal(number, handle)


def stop_requested(bound_s: float, on_hangup: Callable[[], bool] | None = None) -> asyncio.Event:
    """Return an event that the first SIGINT, SIGTERM or SIGHUP sets; one after SAME_S more ends the process at once.

    A SIGHUP that `on_hangup` takes for itself (it returns True) asks for no end.
    The process ends within `bound_s` of the first one, unless `ended_in_time` is called.
    """
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    first = 0.0

    def on_signal(number: int) -> None:
        nonlocal first
        if number == signal.SIGHUP and on_hangup is not None and on_hangup():
            return
        if not event.is_set():
            first = loop.time()
            end_within(bound_s)
            event.set()
        elif loop.time() - first >= SAME_S:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has SIGHUP
            loop.add_signal_handler(number, on_signal, number)
    return event
