"""The metrics of a process, over HTTP."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import start_http_server

from synckairos.composition.listening import AddressInUseError
from synckairos.settings import split_address
from synckairos.telemetry import Metrics


@contextmanager
def metrics_served(metrics: Metrics, listen: str, ports: int = 1) -> Iterator[int | None]:
    """Serve metrics while the body runs, and yield the port; None where `listen` is empty.

    Processes that share a setting take the first of so many ports that is free. Raises AddressInUseError.
    """
    if not listen:
        yield None
        return
    http, thread = _started(metrics, listen, ports)
    try:
        yield http.server_port
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def _started(metrics: Metrics, listen: str, ports: int) -> tuple[WSGIServer, Thread]:
    host, first = split_address(listen)
    last = first + ports - 1
    for port in range(first, last):
        try:
            return start_http_server(port, host, metrics.registry)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                break
    try:
        return start_http_server(last, host, metrics.registry)
    except OSError as error:
        raise AddressInUseError(f"{listen} cannot be listened on: {error.strerror}") from error
