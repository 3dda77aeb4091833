"""`synckairos gateway`: browsers' way to a gRPC port, in a process of its own."""

from typing import Annotated, Final

import typer

from synckairos.cli.running import run, settings_or_fail
from synckairos.composition.separate_gateway import serve_gateway

USUAL: Final = "127.0.0.1:8080"


def gateway(
    backend: Annotated[str | None, typer.Option(help="host:port of the servers; default SYNCKAIROS_LISTEN.")] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            help=f"host:port to listen on, port 0 takes a free one; default SYNCKAIROS_HTTP_LISTEN or {USUAL}."
        ),
    ] = None,
) -> None:
    """Serve Connect, gRPC-Web and the console over HTTP, and pass every call on to a gRPC port."""
    settings = settings_or_fail(of_dev=True, http_listen=listen, listen=backend)
    run(serve_gateway(settings, settings.listen, settings.http_listen or USUAL))
