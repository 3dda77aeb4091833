"""`serve` with several processes: one address or one each, one page of metrics, one signal for all."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import structlog

from synckairos.composition.ending import stop_requested
from synckairos.composition.listeners.listening import AddressInUseError, problem_of
from synckairos.composition.metrics import metrics_served
from synckairos.composition.server_process import CLOSE_S
from synckairos.composition.supervision.sd_notify import READY, notify
from synckairos.composition.supervision.supervisor import Supervisor
from synckairos.settings import Settings, join_address, split_address

MARGIN_S: Final = 2.0
"""Beyond the time in which a process ends by itself; after that it is killed, and then the supervisor ends."""

_log = structlog.get_logger(__name__)


async def serve_by_many(settings: Settings) -> None:
    """Run server processes until told to stop; SIGHUP replaces them one by one. They end with this process.

    Raises AddressInUseError, NeverReadyError.
    """
    with ExitStack() as stack:
        addresses = [stack.enter_context(_held(address)) for address in _addresses(settings)]
        each = addresses if settings.ports == "each" else addresses * settings.process_count
        environment = {"SYNCKAIROS_METRICS_LISTEN": "127.0.0.1:0"} if settings.metrics_listen else {}
        stop_s = settings.drain_delay_s + settings.drain_grace_s + CLOSE_S + MARGIN_S

        def on_ready() -> None:
            _log.info("all_serving", addresses=addresses, processes=len(each))
            notify(**{READY: 1})

        supervisor = Supervisor([_command(address) for address in each], environment, stop_s, on_ready)
        stop = stop_requested(stop_s + MARGIN_S, supervisor.replace_all)
        with metrics_served(supervisor.metrics.registry, settings.metrics_listen, lambda: supervisor.is_serving):
            await supervisor.run(stop)


def _addresses(settings: Settings) -> list[str]:
    host, port = split_address(settings.listen)
    if settings.ports == "shared":
        return [settings.listen]
    return [join_address(host, port and port + place) for place in range(settings.process_count)]


def _command(address: str) -> list[str]:
    command = [sys.executable, "-m", "synckairos", "serve", "--listen", address, "--reuse-port", "--processes", "1"]
    return [*command, "--supervisor", str(os.getpid())]


@contextmanager
def _held(address: str) -> Iterator[str]:
    """Hold an address for processes that share it, without listening; yield it with the port it got."""
    host, port = split_address(address)
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if port:
            # By itself first: who shares its port would not notice a server that runs there and shares it, too.
            with socket.socket(family, kind, protocol) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(place)
        holder = socket.socket(family, kind, protocol)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(place)
    except OSError as error:
        raise AddressInUseError(f"{address} cannot be listened on: {problem_of(address)}") from error
    with holder:
        yield join_address(host, holder.getsockname()[1])
