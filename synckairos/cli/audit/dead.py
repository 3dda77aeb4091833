"""`synckairos audit dead`: entries that could not be written to the audit trail; list, show, replay and discard
them.

A dead entry goes by its partition and its id there, as `7/1763713283123-0`.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final, NamedTuple
from uuid import UUID, uuid5

import typer
from rich.console import Console

from synckairos.adapters.redis.keys import PARTITIONS
from synckairos.adapters.redis.outbox import RedisDeadEntries
from synckairos.application.trail.audit import DeadEntry, OperatorAction
from synckairos.cli.audit.access import AsJson, Reason, opened_trail, operator
from synckairos.cli.audit.tables import instant
from synckairos.cli.inspection import plain
from synckairos.cli.plain_text import PlainTable, for_programs
from synckairos.cli.running import fail, run, settings_or_fail
from synckairos.composition.redis import CLIENT_NAME, opened_redis
from synckairos.domain.tenancy import DEFAULT_TENANT, name_of, qualify
from synckairos.settings import Settings

PAGE: Final = 100
DISCARDS: Final = UUID("6a1f6f0e-7c5e-4a52-9d6b-0d0a3c1e9f11")
"""The space of the ids of discards: an entry discarded twice has one record."""

dead_app = typer.Typer(no_args_is_help=True, help="Events that could not be written to the audit trail.")


class Place(NamedTuple):
    """Where a dead entry lies."""

    partition: int
    dead_id: str


def place_of(text: str) -> Place:
    """Return the partition and the id of a dead entry; raises typer.BadParameter."""
    partition, _, dead_id = text.partition("/")
    ms, _, number = dead_id.partition("-")
    if not (partition.isdecimal() and ms.isdecimal() and number.isdecimal() and int(partition) < PARTITIONS):
        raise typer.BadParameter("must be PARTITION/ID as `synckairos audit dead list` prints it")
    return Place(int(partition), dead_id)


DeadPlace = Annotated[Place, typer.Argument(parser=place_of, metavar="PARTITION/ID", help="As `list` prints it.")]


@dead_app.command("list")
def list_dead(as_json: AsJson = False) -> None:
    """List the dead entries, oldest first in each partition."""
    run(_list(settings_or_fail(of_dev=True), as_json=for_programs(asked=as_json)))


@dead_app.command()
def show(place: DeadPlace) -> None:
    """Print everything about a dead entry, including its bytes."""
    partition, dead_id = place
    found = run(_get(settings_or_fail(of_dev=True), partition, dead_id))
    if found is None:
        fail(f"there is no dead entry {partition}/{dead_id}")
    typer.echo(json.dumps(_everything(found), indent=2))


@dead_app.command()
def replay(
    place: Annotated[
        Place | None, typer.Argument(parser=place_of, metavar="[PARTITION/ID]", help="As `list` prints it.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Replay all entries that are there now.")] = False,
) -> None:
    """Put a dead entry back to be written, as it was; a worker takes it within seconds."""
    if (place is None) is not every:
        raise typer.BadParameter("name one entry, or say --all")
    count = run(_replay(settings_or_fail(of_dev=True), place))
    if place is not None and not count:
        fail(f"there is no dead entry {place[0]}/{place[1]}")
    typer.echo(f"{count} replayed")


@dead_app.command()
def discard(
    reason: Reason,
    place: Annotated[
        Place | None, typer.Argument(parser=place_of, metavar="[PARTITION/ID]", help="As `list` prints it.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Discard all entries that are there now.")] = False,
) -> None:
    """Give a dead entry up for good; all it was is kept in sync_operator_actions, with who did it and why."""
    if (place is None) is not every:
        raise typer.BadParameter("name one entry, or say --all")
    count = run(_discard(settings_or_fail(of_dev=True), place, reason))
    if place is not None and not count:
        fail(f"there is no dead entry {place[0]}/{place[1]}")
    typer.echo(f"{count} discarded")


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[RedisDeadEntries]:
    async with opened_redis(settings, CLIENT_NAME, limit=1) as redis:
        yield RedisDeadEntries(*redis)


async def _all(dead: RedisDeadEntries) -> AsyncIterator[DeadEntry]:
    for partition in range(PARTITIONS):
        after = ""
        while page := await dead.page(partition, after, PAGE):
            for one in page:
                yield one
            after = page[-1].dead_id


async def _list(settings: Settings, *, as_json: bool) -> None:
    table = PlainTable("entry", "buried at (UTC)", "event", "session", "reason")
    async with _opened(settings) as dead:
        async for one in _all(dead):
            if as_json:
                typer.echo(json.dumps(_summary(one)))
            else:
                told = _summary(one)
                event = f"{told['type']} {told['version']}" if told["type"] else "unreadable"
                session = qualify(told["tenant"], told["session_id"]) if told["session_id"] else "-"
                table.add_row(told["id"], instant(one.buried_at), event, session, one.reason)
    if not as_json:
        Console().print(table if table.row_count else "there are no dead entries")


async def _get(settings: Settings, partition: int, dead_id: str) -> DeadEntry | None:
    async with _opened(settings) as dead:
        return await dead.get(partition, dead_id)


async def _replay(settings: Settings, place: Place | None) -> int:
    async with _opened(settings) as dead:
        if place is not None:
            return int(await dead.replay(*place))
        # Listed first: an entry that is buried again meanwhile must not be replayed for ever.
        there = [(one.entry.partition, one.dead_id) async for one in _all(dead)]
        return sum([await dead.replay(*one) for one in there])


async def _discard(settings: Settings, place: Place | None, reason: str) -> int:
    async with _opened(settings) as dead, opened_trail(settings) as trail:
        if place is None:
            entries = [one async for one in _all(dead)]
        else:
            found = await dead.get(*place)
            entries = [] if found is None else [found]
        count = 0
        for one in entries:
            # Recorded first: what is interrupted in between is there twice, never gone without a record.
            await trail.actions.record(_discarded(settings.redis_prefix, one, reason))
            count += await dead.discard(one.entry.partition, one.dead_id)
        return count


def _discarded(prefix: str, dead: DeadEntry, reason: str) -> OperatorAction:
    details = {name: value for name, value in _everything(dead).items() if name != "record"}
    same = uuid5(DISCARDS, f"{prefix} {details['id']} {dead.entry.entry_id}")
    return OperatorAction(str(same), "discard", operator(), reason, {"prefix": prefix, **details}, details["tenant"])


def _summary(dead: DeadEntry) -> dict[str, Any]:
    event = dead.entry.record.event if dead.entry.record is not None else None
    tenant, session_id = name_of(event.session.session_id) if event else (DEFAULT_TENANT, None)
    return {
        "id": f"{dead.entry.partition}/{dead.dead_id}",
        "buried_at": dead.buried_at,
        "reason": dead.reason,
        "tenant": tenant,
        "session_id": session_id,
        "version": event.session.version if event else None,
        "type": event.type.name.lower() if event else None,
    }


def _everything(dead: DeadEntry) -> dict[str, Any]:
    return {
        **_summary(dead),
        "outbox_id": dead.entry.entry_id,
        "problem": dead.entry.problem,
        "record": plain(dead.entry.record),
        "fields": [{"name": name.hex(), "value": value.hex()} for name, value in dead.fields],
    }
