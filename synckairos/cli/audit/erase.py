"""`synckairos audit erase`: one person's data taken out of the trail, with a record that it was done."""

import sys
from typing import Annotated
from uuid import UUID, uuid4

import typer

from synckairos.adapters.postgres.schema.book import connected
from synckairos.adapters.postgres.trail.erasure import Erasure, erase_participant
from synckairos.application.trail.audit import OperatorAction
from synckairos.cli.audit.access import Reason, operator, tenant_option
from synckairos.cli.migration import options_of, target
from synckairos.cli.running import fail, run
from synckairos.domain.tenancy import DEFAULT_TENANT
from synckairos.settings import Settings

erase_app = typer.Typer(no_args_is_help=True, help="Taking one person's data out of the trail.")


@erase_app.callback()
def erase() -> None:
    """Take one person's data out of the trail."""


@erase_app.command()
def participant(
    participant_id: Annotated[UUID, typer.Argument(help="The participant's UUID.")],
    reason: Reason,
    actor: Annotated[
        list[str] | None, typer.Option(help="The person's name as x-actor, erased too; may be given more than once.")
    ] = None,
    tenant: Annotated[str, tenant_option("Whose participant it is; other tenants' rows stay.")] = DEFAULT_TENANT,
    yes: Annotated[bool, typer.Option("--yes", help="Erase without asking.")] = False,
) -> None:
    """Erase a participant's metadata everywhere, and actor, peer, reason and request ids of the events about it."""
    settings, url = target()
    if not yes and not (sys.stdin.isatty() and typer.confirm("This cannot be undone. Erase?")):
        fail("nothing was erased: this cannot be undone; repeat with --yes")
    details = {"participant_id": str(participant_id), "actors": len(actor or [])}
    action = OperatorAction(str(uuid4()), "erase", operator(), reason, details, tenant)
    done = run(_erase(settings, url, str(participant_id), actor or [], action))
    if done.unfinished:
        fail("nothing was erased: these sessions of the participant have not ended: " + ", ".join(done.unfinished))
    typer.echo(f"erased from {done.snapshots} snapshots and {done.events} events")


async def _erase(
    settings: Settings, url: str, participant_id: str, actors: list[str], action: OperatorAction
) -> Erasure:
    async with connected(url, options_of(settings)) as connection:
        return await erase_participant(connection, participant_id, actors, action)
