"""The twin of `synckairos.client` for programs without an event loop."""

from synckairos.client.server_clock import SyncServerClock as ServerClock
from synckairos.client.session_clock import SessionClock
from synckairos.client.sync.client import Commands, SyncKairos, Watch

__all__ = ["Commands", "ServerClock", "SessionClock", "SyncKairos", "Watch"]
