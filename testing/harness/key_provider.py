"""A place on this machine from which a server fetches the keys of tokens."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class KeyProvider:
    """Answers with what it is told to: `content`, or a redirect to `location`."""

    def __init__(self) -> None:
        self.content = b""
        self.location = ""
        self.asked = 0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                self.send_response(302 if provider.location else 200)
                self.send_header("location", provider.location)
                self.end_headers()
                self.wfile.write(provider.content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks.json"


@contextmanager
def providing() -> Iterator[KeyProvider]:
    """Give a provider that answers while the body runs."""
    provider = KeyProvider()
    thread = Thread(target=provider.server.serve_forever)
    thread.start()
    try:
        yield provider
    finally:
        provider.server.shutdown()
        provider.server.server_close()
        thread.join()
