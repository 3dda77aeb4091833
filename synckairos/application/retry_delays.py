"""How long clients are asked to wait before they try again, in ms.

Replies carry it as RetryInfo and `grpc-retry-pushback-ms` (rpc/statuses.py), streams in their `end`. A server that has
too much to do works it out in `admission/overload.py`, limits of rates do in `budgets.py` and `paces.py` beside that.
"""

from typing import Final

USUAL_MS: Final = 500
CATCHING_UP_MS: Final = 1_000
BACKLOG_MS: Final = 5_000
SLOW_CONSUMER_MS: Final = 1_000
NO_ROOM_MS: Final = 1_000
"""Of a tenant that has as many sessions or streams as it may."""
NOT_FOLLOWED_MS: Final = 1_000
"""Of the watchers of a session that cannot be followed now."""
DRAINED_MS: Final = (100, 2_000)
"""Bounds of the delay that a drained stream is told, spread so that the others are not stormed."""
