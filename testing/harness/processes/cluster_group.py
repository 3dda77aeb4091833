"""A cluster of Redis: masters that share the slots, replicas of each, all local processes."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import redis
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.retry import Retry

from synckairos.devstack import RedisServer
from testing.harness.processes.server_process import free_port

MASTERS: Final = 3
SLOTS: Final = 16_384
NODE_TIMEOUT_MS: Final = 1_000
"""After so long a silence the others take a node for dead."""
PATIENCE_S: Final = 30.0


class ClusterGroup:
    """Masters, three unless told otherwise, and their replicas; `url` is how a server is told of them."""

    def __init__(
        self, directory: Path, *, masters: int = MASTERS, replicas: int = 1, full_coverage: str = "no"
    ) -> None:
        self._directory = directory
        self._masters = masters
        self._replicas = replicas
        self._full_coverage = full_coverage
        self._buses: dict[RedisServer, int] = {}
        self.servers: list[RedisServer] = []
        """The masters as it began, in the order of their slots, then their replicas in the same order."""

    @property
    def url(self) -> str:
        """The cluster, by all of its nodes."""
        return f"redis+cluster://{','.join(f'127.0.0.1:{server.port}' for server in self.servers)}"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for server in self.servers:
            if server.running:
                server.resume()
            server.stop()

    def ask(self, server: RedisServer, *command: str | int) -> Any:
        """Return a node's reply to a command, texts decoded; raises what redis-py raises."""
        retry = Retry(NoBackoff(), 0)
        with redis.Redis(port=server.port, decode_responses=True, socket_timeout=PATIENCE_S, retry=retry) as client:
            client.response_callbacks.clear()
            return client.execute_command(*command)

    def master_of(self, key: str) -> RedisServer:
        """Return the master that most nodes which answer name for a key."""
        return self._master_at(key_slot(key.encode()))

    def masters(self) -> list[RedisServer]:
        """Return the masters, each once."""
        return list(dict.fromkeys(self._master_at(slot) for slot in range(0, SLOTS, 1_024)))

    def await_another(self, key: str, former: RedisServer) -> RedisServer:
        """Wait until another master has a key, and return it."""
        await_that(lambda: self.master_of(key) is not former, "nobody took over")
        return self.master_of(key)

    def move(self, key: str, target: RedisServer, between: Callable[[], None] = lambda: None) -> None:
        """Move the slot of a key with all that is in it; `between` is called when half of its keys have moved."""
        slot, source = key_slot(key.encode()), self.master_of(key)
        names = {server: self.ask(server, "CLUSTER", "MYID") for server in (source, target)}
        self.ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", names[source])
        self.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", names[target])
        is_half = False
        while keys := self.ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 10):
            for one in keys[: len(keys) if is_half else (len(keys) + 1) // 2]:
                try:
                    self.ask(source, "MIGRATE", "127.0.0.1", target.port, one, 0, 5_000, "REPLACE")
                except redis.ResponseError as error:
                    error.add_note(f"{one} was on its way from {source.port} to {target.port}")
                    raise
            if not is_half:
                is_half = True
                between()
        for server in (target, source, *self.servers):
            # A replica refuses, and hears of it from its master.
            with contextlib.suppress(redis.ResponseError, redis.ConnectionError):
                self.ask(server, "CLUSTER", "SETSLOT", slot, "NODE", names[target])
        # Moved on before all nodes know of this, a slot may be claimed by two of one epoch.
        await_that(self._agree, "they do not agree on who has what")

    def _start(self) -> None:
        for _ in range(self._masters * (1 + self._replicas)):
            self._server()
        first = self.servers[0]
        masters = self.servers[: self._masters]
        for place, master in enumerate(masters):
            begin, end = (SLOTS * one // self._masters for one in (place, place + 1))
            self.ask(master, "CLUSTER", "ADDSLOTSRANGE", begin, end - 1)
            self.ask(master, "CLUSTER", "SET-CONFIG-EPOCH", place + 1)
        for server in self.servers[1:]:
            self.ask(server, "CLUSTER", "MEET", "127.0.0.1", first.port, self._buses[first])
        await_that(lambda: all(self._known(server) == len(self.servers) for server in self.servers), "they do not meet")
        for place, replica in enumerate(self.servers[self._masters :]):
            self.ask(replica, "CLUSTER", "REPLICATE", self.ask(masters[place % self._masters], "CLUSTER", "MYID"))
        await_that(self.is_whole, "the cluster does not come up")

    def is_whole(self) -> bool:
        """Whether every node says that all is well, and every replica follows its master."""
        try:
            return all(self._is_well(server) for server in self.servers)
        except redis.RedisError:
            return False  # one of them loads what its master has sent

    def _master_at(self, slot: int) -> RedisServer:
        ports = [port for server in self.servers if (port := self._named(server, slot)) is not None]
        port = max(set(ports), key=ports.count)
        return next(server for server in self.servers if server.port == port)

    def _server(self) -> None:
        folder, bus = self._directory / f"node{len(self.servers)}", free_port()
        announced = self._announced(bus)
        server = RedisServer(
            folder,
            extra_args=(
                *(
                    "--cluster-enabled",
                    "yes",
                    "--cluster-port",
                    str(bus),
                    "--cluster-announce-bus-port",
                    str(announced),
                ),
                *("--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--cluster-replica-validity-factor", "0"),
                *("--cluster-require-full-coverage", self._full_coverage, "--cluster-allow-replica-migration", "no"),
                *("--repl-diskless-sync-delay", "0"),
            ),
        )
        server.start()
        self.servers.append(server)
        self._buses[server] = announced

    def _announced(self, bus: int) -> int:
        """Return where the other nodes find the port at which a new one speaks to them."""
        return bus

    def _known(self, server: RedisServer) -> int:
        return len(self.ask(server, "CLUSTER", "NODES").strip().splitlines())

    def _is_well(self, server: RedisServer) -> bool:
        told = dict(line.split(":", 1) for line in self.ask(server, "CLUSTER", "INFO").split())
        role = self.ask(server, "ROLE")
        follows = role[0] == "master" or role[3] == "connected"
        return bool(told["cluster_state"] == "ok" and told["cluster_slots_ok"] == str(SLOTS) and follows)

    def _agree(self) -> bool:
        """Whether all nodes that answer say the same of every master's slots and epoch, and no epoch is of two."""
        said = []
        for server in self.servers:
            with contextlib.suppress(redis.RedisError):
                nodes = [line.split() for line in self.ask(server, "CLUSTER", "NODES").splitlines()]
                masters = (node for node in nodes if "master" in node[2])
                said.append({(node[0], node[6]): [one for one in node[8:] if one[0] != "["] for node in masters})
        return all(one == said[0] for one in said) and len({epoch for _, epoch in said[0]}) == len(said[0])

    def _named(self, server: RedisServer, slot: int) -> int | None:
        """Return the port of the master that a node names for a slot; None if it does not answer."""
        try:
            ranges = self.ask(server, "CLUSTER", "SLOTS")
        except redis.RedisError:
            return None
        return next((int(master[1]) for begin, end, master, *_ in ranges if begin <= slot <= end), None)


def await_that(is_so: Callable[[], bool], otherwise: str) -> None:
    """Wait until a condition holds, from outside the processes."""
    until = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < until, otherwise
        time.sleep(0.05)  # the wait on a condition with a deadline, from outside the processes
