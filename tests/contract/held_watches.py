"""Which connections hold a WATCH: CLIENT LIST of older servers does not say, the commands they carried out do."""

from typing import TYPE_CHECKING

from redis import Redis
from redis.exceptions import ConnectionError as ConnectionLost

from tests.contract.decisions import new_id

if TYPE_CHECKING:
    from redis.client import Monitor

ENDS_A_WATCH = frozenset({"UNWATCH", "EXEC", "DISCARD", "RESET"})


class HeldWatches:
    """Follows the WATCHes of all connections of a Redis from its making on, or from `follow()` after a restart."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._monitor: Monitor | None = None
        self._holders: set[str] = set()
        self.follow()

    def follow(self) -> None:
        """Begin anew; a Redis that has been started again knows no connection of before."""
        self.close()
        self._holders.clear()
        self._monitor = self._redis.monitor().__enter__()

    def close(self) -> None:
        """Follow no longer."""
        if self._monitor is not None:
            self._monitor.__exit__(None, None, None)
            self._monitor = None

    def holders(self) -> list[str]:
        """Return the addresses of the connections that hold a WATCH now."""
        token = new_id()
        self._redis.echo(token)
        while not self._note(token):
            pass
        return [client["addr"] for client in self._redis.client_list() if client["addr"] in self._holders]

    def _note(self, token: str) -> bool:
        """Take note of the next command; return whether it is the one that says the token."""
        if self._monitor is None:
            raise ConnectionLost("nothing is followed any more")
        said = self._monitor.next_command()
        address = f"{said['client_address']}:{said['client_port']}"
        name, _, arguments = said["command"].partition(" ")
        if name.upper() == "WATCH":
            self._holders.add(address)
        elif name.upper() in ENDS_A_WATCH:
            self._holders.discard(address)
        return bool(arguments == token)
