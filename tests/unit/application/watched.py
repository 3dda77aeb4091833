"""One session on ports in memory, changed and watched."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from synckairos.application.ports import Head, Request
from synckairos.application.subscriptions import Subscription
from synckairos.domain.commands import Caller, Command, Create
from synckairos.domain.events import Author
from synckairos.domain.model import Session
from testing.harness.plays import KINDS, SID
from tests.unit.rpc.world import World

CALLER: Final = Caller(Author("umpire"))
FAR: Final = 2.0**62


async def create(world: World, **rules: Any) -> Session:
    """Create the session, some of its rules changed."""
    spec = KINDS["participant"]._replace(**rules)
    answer = await world.sessions.create(SID, Create(spec), CALLER, Request(), FAR)
    assert answer.session is not None
    return answer.session


def head_of(session: Session) -> Head:
    """Return the position a reader has who has seen the session so."""
    return Head(session.epoch, session.version, session.change_id)


async def do(world: World, *commands: Command) -> Session:
    """Change the session, a ms later each time."""
    for command in commands:
        world.clock.advance(1)
        await world.sessions.change(SID, command, CALLER, Request(), FAR)
    session = world.stored(SID)
    assert session is not None
    return session


def told(subscription: Subscription) -> list[tuple[str, int]]:
    """Return the kind and version of what was queued since."""
    return [(frame.kind.name, frame.session.version if frame.session else 0) for frame in subscription._take()]


def during(target: Any, name: str, action: Callable[[], Any]) -> None:
    """Let something happen once, just after `target.name` has read and before its caller goes on."""
    real = getattr(target, name)

    async def with_interruption(*arguments: Any) -> Any:
        result = await real(*arguments)
        setattr(target, name, real)
        outcome = action()
        if asyncio.iscoroutine(outcome):
            await outcome
        return result

    setattr(target, name, with_interruption)


async def turns(count: int = 10) -> None:
    """Let what is ready run."""
    for _ in range(count):
        await asyncio.sleep(0)
