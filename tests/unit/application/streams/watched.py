"""One session on ports in memory, changed and watched."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from synckairos.application.ports import Request
from synckairos.application.streams.subscriptions import Subscription
from synckairos.domain.commands import Caller, Command, Create, Start
from synckairos.domain.events import Author
from synckairos.domain.model import Head, Session
from testing.harness.playing.plays import KINDS, SID
from tests.unit.rpc.use_cases import UseCases

CALLER: Final = Caller(Author("umpire"))
FAR: Final = 2.0**62


async def create(cases: UseCases, **rules: Any) -> Session:
    """Create the session, some of its rules changed."""
    spec = KINDS["participant"]._replace(**rules)
    answer = await cases.sessions.create(SID, Create(spec), CALLER, Request(), FAR)
    assert answer.session is not None
    return answer.session


def head_of(session: Session) -> Head:
    """Return the position of a reader that has seen this version."""
    return Head(session.epoch, session.version, session.change_id)


async def do(cases: UseCases, *commands: Command) -> Session:
    """Change the session, a ms later each time."""
    for command in commands:
        cases.clock.advance(1)
        await cases.sessions.change(SID, command, CALLER, Request(), FAR)
    session = cases.stored(SID)
    assert session is not None
    return session


async def follow(cases: UseCases, position: Head | None = None) -> Subscription:
    """Return a subscription that has joined the session."""
    subscription = Subscription()
    await cases.watching.join(SID, position, subscription)
    return subscription


async def running(cases: UseCases) -> tuple[Session, Subscription]:
    """Create and start the session; return it with a subscription that has taken its snapshot."""
    await create(cases)
    session = await do(cases, Start())
    subscription = await follow(cases)
    assert told(subscription) == [("SNAPSHOT", 2)]
    return session, subscription


@contextmanager
def lost_afterwards(cases: UseCases) -> Iterator[None]:
    """Take back at the end what the store is changed to meanwhile, as a store does that loses its last moments."""
    sessions, events = dict(cases.data.sessions), dict(cases.data.events)
    yield
    cases.data.sessions, cases.data.events = sessions, events


def told(subscription: Subscription) -> list[tuple[str, int]]:
    """Return the kind and version of what was queued since."""
    return [(frame.kind.name, frame.session.version if frame.session else 0) for frame in subscription.take()]


def during(target: Any, name: str, action: Callable[[], Any]) -> None:
    """Call the action once, just after `target.name` has read and before its caller goes on."""
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
    """Let every ready task run."""
    for _ in range(count):
        await asyncio.sleep(0)
