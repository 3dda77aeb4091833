"""The twin of `synckairos.client` for programs without an event loop."""

from synckairos.client.sync.client import Commands, SyncKairos, Watch

__all__ = ["Commands", "SyncKairos", "Watch"]
