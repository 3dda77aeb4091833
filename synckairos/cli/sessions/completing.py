"""Completing session ids in a shell: those of the server that the command would ask, newest first."""

import asyncio
from typing import Final

import typer

from synckairos.cli.sessions.connection import connected, server
from synckairos.cli.views.words import mode_word, status_word, title_of
from synckairos.client import SyncKairosError

MOST: Final = 100
PATIENCE_S: Final = 1.0
"""A shell hangs while it completes: no answer in this time is none."""


def session_ids(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return ids that begin so, each with what the session is; none if no server answers soon."""
    try:
        return asyncio.run(_found(context.params.get("address"), incomplete))
    except (SyncKairosError, TimeoutError, typer.Exit):
        return []


async def _found(address: str | None, incomplete: str) -> list[tuple[str, str]]:
    async with asyncio.timeout(PATIENCE_S), connected(server(address)) as client:
        page = await client.list_sessions(page_size=MOST)
    return [
        (one.session_id, f"{status_word(one.status)} {title_of(one) or mode_word(one.mode)}")
        for one in page.sessions
        if one.session_id.startswith(incomplete.lower())
    ]
