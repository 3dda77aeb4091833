"""`synckairos recover`: brings sessions that Redis has lost back from the audit trail."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from enum import StrEnum
from typing import Annotated, Final, NamedTuple
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from synckairos.adapters.ids import new_change_id
from synckairos.adapters.postgres.database import Database
from synckairos.adapters.postgres.options import DatabaseOptions, database_options
from synckairos.adapters.postgres.trail.reader import PostgresAuditReader
from synckairos.adapters.redis.cluster.recovery_identity import ClusterRecoveryGuard
from synckairos.adapters.redis.keys import PARTITIONS
from synckairos.adapters.redis.recovery_identity import RecoveryGuard
from synckairos.adapters.redis.store import RedisSessionStore
from synckairos.adapters.redis.unwritten import RedisUnwritten
from synckairos.application.errors import TransientError
from synckairos.application.mass_recovery import AT_ONCE, MassRecovery, Tally
from synckairos.application.ports import Request
from synckairos.application.recovery import Recovery, soon
from synckairos.cli.audit.access import Tenant
from synckairos.cli.inspection import InspectionError
from synckairos.cli.plain_text import visible
from synckairos.cli.running import fail, run, settings_or_fail
from synckairos.composition.redis import opened_redis, recovery_guard, session_store, store_clock
from synckairos.domain.events import Author
from synckairos.domain.recovery import RecoveryPolicy
from synckairos.domain.tenancy import DEFAULT_TENANT, qualify
from synckairos.settings import Settings
from synckairos.telemetry import Metrics

ACTOR: Final = "operator"
EXCHANGE_S: Final = 5.0
"""A Redis that is being filled again may take longer to answer than calls allow."""
SHOWN_FAILURES: Final = 100


class Policy(StrEnum):
    """How clocks that were running go on."""

    CONTINUE = "continue"
    PAUSED = "paused"


class _Order(NamedTuple):
    policy: RecoveryPolicy
    author: Author
    is_dry: bool


class _Tools(NamedTuple):
    guard: RecoveryGuard | ClusterRecoveryGuard
    store: RedisSessionStore
    recovery: Recovery
    reader: PostgresAuditReader
    unwritten: RedisUnwritten


def recover(
    session_id: Annotated[str | None, typer.Argument(help="The one session to bring back, by its UUID.")] = None,
    tenant: Tenant = DEFAULT_TENANT,
    everything: Annotated[
        bool, typer.Option("--all", help="Every session, of all tenants, that the store has lost.")
    ] = False,
    policy: Annotated[
        Policy, typer.Option(help="Running clocks ran on meanwhile, or stand as they stood at the last event.")
    ] = Policy.CONTINUE,
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "synckairos recover",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Name the sessions that would come back, and change nothing.")
    ] = False,
) -> None:
    """Bring lost sessions back from the audit trail; the others, and those that have ended, stay as they are."""
    if (session_id is None) != everything:
        fail("name one session, or say --all")
    settings = settings_or_fail(of_dev=True)
    order = _Order(RecoveryPolicy[policy.name], Author(ACTOR, reason), dry_run)
    try:
        session_id = session_id and qualify(tenant, str(UUID(session_id)))
    except ValueError:
        fail(f"{session_id} is not a UUID")
    database = database_options(settings, "synckairos-recover")
    if session_id is None:
        _report(run(_recover_all(settings, database, order)), order)
    else:
        typer.echo(run(_recover_one(settings, database, session_id, order)))


@contextlib.asynccontextmanager
async def _opened(settings: Settings, database: DatabaseOptions) -> AsyncIterator[_Tools]:
    async with contextlib.AsyncExitStack() as stack:
        redis = await stack.enter_async_context(
            opened_redis(settings, "synckairos-recover", limit=AT_ONCE + 8, patience_s=EXCHANGE_S)
        )
        guard = recovery_guard(redis)
        store = session_store(settings, redis, guard, store_clock(redis), Metrics())
        trail = Database(database)
        stack.push_async_callback(trail.close)
        reader = PostgresAuditReader(trail)
        unwritten = RedisUnwritten(*redis)
        recovery = Recovery(store, reader, unwritten, settings.lifetimes, new_change_id)
        yield _Tools(guard, store, recovery, reader, unwritten)


async def _recover_one(settings: Settings, database: DatabaseOptions, session_id: str, order: _Order) -> str:
    """Bring one session back into a store that has its name; return a line about it; raises Refusal."""
    async with _opened(settings, database) as tools:
        await tools.guard.open(may_init=False)
        if order.is_dry:
            last = await tools.recovery.find(session_id)
            return f"would come back: {last.status.name}, from version {last.version}"
        view = await tools.recovery.recover(session_id, order.policy, order.author, Request(), soon())
        return f"recovered: {view.session.status.name}, version {view.session.version}"


async def _recover_all(settings: Settings, database: DatabaseOptions, order: _Order) -> Tally:
    """Bring everything back, and give a lost store its name once everything is there."""
    with _bar() as show:
        async with _opened(settings, database) as tools:
            guard = tools.guard
            is_lost = await guard.begin(is_dry=order.is_dry)
            typer.echo(_finding(guard, is_lost=is_lost))
            run_ = MassRecovery(
                tools.recovery,
                tools.reader,
                tools.unwritten,
                order.policy,
                order.author,
                is_store_lost=is_lost,
                is_dry=order.is_dry,
                on_progress=show,
            )
            probing = asyncio.create_task(guard.watch(tools.store.now_us, may_init=False))
            try:
                tally = await run_.run()
                if not order.is_dry and not tally.failures:
                    await guard.finish()
            except TransientError as error:
                back = f"{run_.tally.recovered} sessions are back, and stay"
                raise InspectionError(f"broken off: {error}; {back}: run it again") from error
            finally:
                probing.cancel()
                await asyncio.gather(probing, return_exceptions=True)
            show(tally)
            return tally


def _finding(guard: RecoveryGuard | ClusterRecoveryGuard, *, is_lost: bool) -> str:
    if is_lost:
        return "the store has lost its data"
    if isinstance(guard, ClusterRecoveryGuard) and guard.lost:
        return f"{len(guard.lost)} of {PARTITIONS} partitions have lost their data: what is missing is added"
    return "the store has its name: what is missing is added"


def _report(tally: Tally, order: _Order) -> None:
    back = "would be recovered" if order.is_dry else "recovered"
    typer.echo(
        f"{tally.recovered} {back}, {tally.present} were there, {tally.refused} may not come back, "
        f"{len(tally.failures)} failed"
    )
    if not tally.failures:
        return
    for failure in tally.failures[:SHOWN_FAILURES]:
        typer.echo(f"  {visible(failure.session_id)}: {visible(failure.problem)}", err=True)
    fail("not all are back: run it again, or accept the store without them by `synckairos store init`")


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[Tally], None]]:
    """Show a progress bar on standard error; its end is known once the last page of the trail has been read."""
    with Progress(
        TextColumn("recovering"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[failed]} failed"),
        console=Console(stderr=True),
    ) as progress:
        task = progress.add_task("recovering", total=None, failed=0)

        def show(tally: Tally) -> None:
            total = tally.found if tally.is_all_found else None
            progress.update(task, completed=tally.done, total=total, failed=len(tally.failures))

        yield show
