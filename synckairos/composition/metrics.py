"""The metrics of a process, and whether it lives and is ready, over plain HTTP."""

import asyncio
import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Final, TypeAlias
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from synckairos.composition.listeners.listening import AddressInUseError
from synckairos.settings import split_address

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

ANSWER_S: Final = 2.0
"""How long the event loop may take to answer a probe before it counts as stuck."""

Question: TypeAlias = Callable[[], bool]
"""Asked in the event loop."""


@contextmanager
def metrics_served(metrics: CollectorRegistry, listen: str, is_ready: Question) -> Iterator[int | None]:
    """Serve metrics and probes of the running loop while the body runs, and yield the port; None if `listen` is empty.

    Raises AddressInUseError.
    """
    if not listen:
        yield None
        return
    http = _bound(listen, _application(metrics, is_ready, asyncio.get_running_loop()))
    thread = Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield http.server_port
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


class _HttpServer6(ThreadingWSGIServer):
    address_family = socket.AF_INET6


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log no requests."""


def _bound(listen: str, application: "WSGIApplication") -> WSGIServer:
    host, port = split_address(listen)
    kind = _HttpServer6 if ":" in host else ThreadingWSGIServer
    try:
        return make_server(host, port, application, kind, _Silent)
    except OSError as error:
        raise AddressInUseError(f"{listen} cannot be listened on: {error.strerror}") from error


def _application(metrics: CollectorRegistry, is_ready: Question, loop: asyncio.AbstractEventLoop) -> "WSGIApplication":
    figures = make_wsgi_app(metrics)
    probes = {"/healthz": (lambda: True, "LIVE"), "/readyz": (is_ready, "SERVING")}

    def answer(environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        probe = probes.get(environ["PATH_INFO"])
        if probe is None:
            page: Iterable[bytes] = figures(environ, start)
            return page
        question, good = probe
        holds = _asked(loop, question)
        text = "NO ANSWER" if holds is None else good if holds else "NOT_SERVING"
        start("200 OK" if holds else "503 Service Unavailable", [("content-type", "text/plain; charset=utf-8")])
        return [f"{text}\n".encode()]

    return answer


def _asked(loop: asyncio.AbstractEventLoop, question: Question) -> bool | None:
    """Return what the loop answers from another thread; None if it does not answer in time."""
    answer: Future[bool] = Future()
    try:
        loop.call_soon_threadsafe(lambda: answer.set_result(question()))
        return answer.result(ANSWER_S)
    except (TimeoutError, RuntimeError):  # too busy, or closed
        return None
