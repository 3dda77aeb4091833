"""Work that a process needs for as long as it runs: what ends unasked is reported and started again."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, TypeAlias

import structlog

Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

RESTART_S: Final = 1.0
"""Pause before work that ended is started again."""
STEADY_S: Final = 1.0
"""How long it must go on before it counts as well again."""

_log = structlog.get_logger(__name__)


class Background:
    """Named works, each a task of its own; timers start them again, because a supervising task could end as well."""

    def __init__(
        self,
        on_end: Callable[[str], None] = lambda _: None,
        *,
        restart_s: float = RESTART_S,
        steady_s: float = STEADY_S,
    ) -> None:
        """`on_end` hears the name of every work that has ended unasked."""
        self._on_end = on_end
        self._restart_s = restart_s
        self._steady_s = steady_s
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._listeners: list[Callable[[], None]] = []

    @property
    def is_well(self) -> bool:
        """Whether all works go on, and have done so for a while since they last ended."""
        return not self._timers

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call the listener whenever `is_well` may have changed."""
        self._listeners.append(listener)

    def run(self, name: str, work: Work) -> None:
        """Run a work until it is told to end; however it ends before that, it is started again."""
        task = self._tasks[name] = asyncio.get_running_loop().create_task(work(), name=name)
        task.add_done_callback(partial(self._after, name, work))

    def end(self, name: str) -> None:
        """Tell a work to end, if it is there; it may take a moment."""
        task = self._tasks.pop(name, None)
        if task is not None:
            self._set_timer(name, None)
            task.cancel()

    async def stop(self) -> None:
        """End all works."""
        tasks = list(self._tasks.values())
        for name in list(self._tasks):
            self.end(name)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _after(self, name: str, work: Work, task: asyncio.Task[None]) -> None:
        if self._tasks.get(name) is not task:
            return  # it was told to end
        error = None if task.cancelled() else task.exception()
        how = "cancelled" if task.cancelled() else "returned" if error is None else "failed"
        _log.critical("task_died", task=name, how=how, exc_info=error)
        self._on_end(name)
        self._set_timer(name, asyncio.get_running_loop().call_later(self._restart_s, self._again, name, work))

    def _again(self, name: str, work: Work) -> None:
        self._set_timer(name, asyncio.get_running_loop().call_later(self._steady_s, self._set_timer, name, None))
        self.run(name, work)

    def _set_timer(self, name: str, timer: asyncio.TimerHandle | None) -> None:
        former = self._timers.pop(name, None)
        if former is not None:
            former.cancel()
        if timer is not None:
            self._timers[name] = timer
        for listener in self._listeners:
            listener()
