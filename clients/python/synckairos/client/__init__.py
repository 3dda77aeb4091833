"""The client of SyncKairos: `SyncKairos` for asyncio; `synckairos.client.sync` has its twin for programs without."""

from synckairos.client.channel import channel_options, service_config
from synckairos.client.client import SyncKairos
from synckairos.client.commands import Commands
from synckairos.client.credentials import tls
from synckairos.client.errors import SyncKairosError
from synckairos.client.server_clock import ServerClock
from synckairos.client.session_clock import SessionClock
from synckairos.client.watching import Watch

__all__ = [
    "Commands",
    "ServerClock",
    "SessionClock",
    "SyncKairos",
    "SyncKairosError",
    "Watch",
    "channel_options",
    "service_config",
    "tls",
]
