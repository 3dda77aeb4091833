"""What comes of the units of an exchange with a cluster, and where each is sent."""

from collections.abc import Sequence
from typing import NamedTuple

from redis.exceptions import AskError, ResponseError

from synckairos.adapters.redis.cluster.routing import Verdict
from synckairos.adapters.redis.cluster.topology import Address
from synckairos.adapters.redis.connections.replies import code_of
from synckairos.adapters.redis.connections.wire import Reply
from synckairos.application.errors import StoreUnavailable


class Instant(NamedTuple):
    """A node's reply to TIME, and when the exchange began, by the monotonic clock of this process."""

    node: str
    time: Reply
    lent_s: float


class Answer(NamedTuple):
    """What came of a unit: replies and the instant of its node, or why there are none."""

    replies: Sequence[Reply]
    instant: Instant | None = None
    problem: StoreUnavailable | None = None


class Where(NamedTuple):
    """Where a unit is sent; `is_asked` for a node that is only about to get the slot."""

    address: Address | None
    is_asked: bool = False


class Outcome(NamedTuple):
    """What came of a unit in one round: where it was sent, its verdict, and where ASK sends it next."""

    where: Where
    verdict: Verdict
    answer: Answer
    told: Address | None = None


def name_of(address: Address | None) -> str:
    """Return a node's name; empty for none."""
    return "" if address is None else f"{address[0]}:{address[1]}"


def told(error: ResponseError | None, where: Where) -> Address | None:
    """Return where ASK sends, which may leave out the host of the node that says it."""
    if not isinstance(error, AskError) or where.address is None:
        return None
    return error.host or where.address[0], error.port


def not_ready(error: ResponseError | None) -> StoreUnavailable:
    """Return what a caller is told of an error reply that speaks of a node's state."""
    return StoreUnavailable(f"Redis is not ready: {code_of(error) if error is not None else 'unknown'}")
