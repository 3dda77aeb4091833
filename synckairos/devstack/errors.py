"""Why an embedded server could not be had. Every text tells the reader what to do next."""


class DevstackError(Exception):
    """An embedded server could not be had."""


class ServerNotFoundError(DevstackError):
    """No usable server program is on this machine; the text lists every place that was looked at."""


class PortInUseError(DevstackError):
    """Somebody else listens on the port that was asked for."""


class DirectoryInUseError(DevstackError):
    """Another process runs a server in this directory."""


class ServerFailedError(DevstackError):
    """The server died or never answered; the text ends with the tail of its log."""
