"""TLS in front of a server that has none: does the handshake of its protocol, then passes everything on."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from struct import Struct

import trustme

from testing.harness.processes.tcp_proxy import TcpProxy

SSL_REQUEST = Struct(">II").pack(8, 80_877_103)


class TlsFront(TcpProxy):
    """A proxy that offers TLS; `secured` counts the connections whose handshake ended well.

    With `is_asked` TLS begins when the client asks for it, as with PostgreSQL; otherwise at once, as with Redis.
    """

    def __init__(self, port: int, context: ssl.SSLContext | None, *, is_asked: bool) -> None:
        super().__init__("127.0.0.1", port)
        self.secured = 0
        self._context = context
        self._is_asked = is_asked

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if self._is_asked:
            if await reader.readexactly(8) != SSL_REQUEST:
                return False  # a server may insist on TLS
            writer.write(b"S" if self._context else b"N")
        if self._context:
            await writer.start_tls(self._context)
            self.secured += 1
        return True


@asynccontextmanager
async def tls_front(
    port: int, authority: trustme.CA | None, name: str = "localhost", *, is_asked: bool = True
) -> AsyncIterator[TlsFront]:
    """Yield a front with a certificate for this name; without an authority, one that does no TLS."""
    context = None
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
    async with TlsFront(port, context, is_asked=is_asked) as front:
        yield front
