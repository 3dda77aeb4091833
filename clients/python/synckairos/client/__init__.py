"""The client of SyncKairos."""

from synckairos.client.channel import channel_options, service_config

__all__ = ["channel_options", "service_config"]
