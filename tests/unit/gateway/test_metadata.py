"""Headers become metadata, and metadata headers."""

import pytest
from connectrpc.errors import ConnectError
from connectrpc.request import Headers

from synckairos.gateway.metadata import from_headers, put_into


def test_what_callers_say_passes_and_what_is_about_http_stays() -> None:
    """Credentials, names and ids pass, several of a name too; bytes are bytes."""
    given = [("authorization", "Bearer x"), ("x-api-key", "k"), ("X-Actor", "ann"), ("x-request-id", "1"), ("t", "a"),
             ("t", "b"), ("trace-bin", "AAEC")]  # fmt: skip
    staying = [("cookie", "a=b"), ("origin", "x"), ("sec-fetch-site", "x"), ("connect-timeout-ms", "5"), ("a!b", "x"),
               ("grpc-timeout", "1S"), ("content-length", "3"), ("host", "x"), ("te", "trailers"),
               ("-bin", "AA")]  # fmt: skip

    metadata = from_headers(Headers([*given, *staying]))

    assert metadata == (
        ("authorization", "Bearer x"), ("x-api-key", "k"), ("x-actor", "ann"), ("x-request-id", "1"), ("t", "a"),
        ("t", "b"), ("trace-bin", b"\x00\x01\x02"),
    )  # fmt: skip


def test_bytes_that_are_not_base64_are_refused_by_name() -> None:
    """They cannot be passed on."""
    with pytest.raises(ConnectError, match="trace-bin"):
        from_headers(Headers([("trace-bin", "%%%")]))


def test_trailers_come_back_but_for_the_status_itself() -> None:
    """The status has its own place in every protocol."""
    headers = Headers()

    put_into(headers, [("x-request-id", "1"), ("trace-bin", b"\x00\x01\x02"), ("grpc-status-details-bin", b"x")])

    assert list(headers.allitems()) == [("x-request-id", "1"), ("trace-bin", "AAEC")]
