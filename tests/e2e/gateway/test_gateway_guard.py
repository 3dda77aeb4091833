"""A foreign page can do nothing: not by its own name, not by a name that leads here, not by a form, not by a link."""

import gzip
import json

import pytest

from testing.harness.client import new_id
from testing.harness.http_calls import Answer, answered, call_json, exchange
from tests.e2e.gateway.conftest import LISTED

SYNC = "TimeService/SyncTime"
PATH = f"/synckairos.v1.{SYNC}"
GET = "/synckairos.v1.SessionService/GetSession"
OVERSIZE = 1_100_000


async def asked(address: str, *, method: str = "POST", **headers: str) -> Answer:
    """Ask for the time in JSON."""
    return await answered(address, PATH, b"{}", method=method, **{"content_type": "application/json", **headers})


async def test_names_of_this_machine_are_served(address: str) -> None:
    """With the port, as browsers send it."""
    port = address.rpartition(":")[2]

    answers = [await asked(address, host=f"{name}:{port}") for name in ("localhost", "127.0.0.1", "[::1]", "LOCALHOST")]

    assert {answer.status for answer in answers} == {200}


@pytest.mark.parametrize(
    "name", ["evil.example", "evil.example:{port}", "localhost", "localhost:1", "127.0.0.1.nip.io"]
)
@pytest.mark.parametrize("path", [PATH, "/", "/console.js"])
async def test_a_name_that_was_led_here_is_refused(address: str, name: str, path: str) -> None:
    """DNS rebinding: the browser believes the foreign name to be one origin with its page."""
    host = name.format(port=address.rpartition(":")[2])

    answer = await answered(address, path, b"{}", content_type="application/json", host=host)

    assert answer.status == 421
    assert "SYNCKAIROS_GATEWAY_HOSTS" in answer.json()["message"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:1", "https://{own}", f"{LISTED}.evil.example"]
)
@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS", "PUT"])
async def test_a_foreign_page_is_refused_whatever_the_method(address: str, origin: str, method: str) -> None:
    """And it may not read the refusal: nothing is shared with it."""
    answer = await asked(address, method=method, origin=origin.format(own=address))

    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_page_of_the_port_itself_may_call(address: str) -> None:
    """Browsers name the origin with each POST."""
    answer = await asked(address, origin=f"http://{address}")

    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers


async def test_a_page_of_a_listed_origin_may_call_and_read(address: str) -> None:
    """The preflight allows exactly what calls need; errors, too, can be read; credentials are never allowed."""
    preflight = await answered(
        address, PATH, method="OPTIONS", origin=LISTED, access_control_request_method="POST",
        access_control_request_headers="content-type,x-actor",
    )  # fmt: skip
    answer = await asked(address, origin=LISTED)
    refusal = await call_json(
        address, "SessionService/GetSession", {"sessionId": new_id()}, origin=LISTED, x_request_id="mine"
    )

    assert (preflight.status, preflight.body) == (204, b"")
    assert preflight.headers["access-control-allow-methods"] == "POST"
    allowed = preflight.headers["access-control-allow-headers"].split(", ")
    assert {"authorization", "x-api-key", "x-actor", "x-request-id", "connect-timeout-ms", "content-type"} <= {*allowed}
    for one in (preflight, answer, refusal):
        assert one.headers["access-control-allow-origin"] == LISTED
        assert "Origin" in one.headers["vary"]
        assert "access-control-allow-credentials" not in one.headers
    assert "trailer-x-request-id" in refusal.headers["access-control-expose-headers"]
    assert (refusal.status, refusal.headers["trailer-x-request-id"]) == (404, "mine")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "json",
     "application/connect+json", "application/grpc", "application/grpc+proto", "application/grpc-web-text"],
)  # fmt: skip
async def test_only_the_protocols_content_types_are_taken(address: str, content_type: str) -> None:
    """Nothing that a form can send, and no gRPC, whose trailers this port cannot send."""
    answer = await asked(address, content_type=content_type)

    assert answer.status == 415
    assert "application/json" in answer.headers["accept-post"]


async def test_the_content_type_may_have_parameters(address: str) -> None:
    """As some libraries send it."""
    answer = await asked(address, content_type="application/json; charset=utf-8")

    assert answer.status == 200


async def test_calls_by_get_are_off(address: str) -> None:
    """Not even those that change nothing: an image of a foreign page is a GET."""
    path = f"{PATH}?connect=v1&encoding=json&message=%7B%7D"

    answer = await answered(address, path, method="GET")

    assert (answer.status, answer.headers["allow"]) == (405, "POST")


async def test_a_body_that_the_grpc_port_would_refuse_is_refused(address: str) -> None:
    """RESOURCE_EXHAUSTED from 1 MiB on, also where gzip hides its size; smaller ones are judged by their fields."""
    large = json.dumps({"sessionId": "x" * OVERSIZE}).encode()

    refused = [
        await answered(address, GET, large, content_type="application/json"),
        await answered(address, GET, gzip.compress(large), content_type="application/json", content_encoding="gzip"),
    ]
    judged = await answered(address, GET, large[:900_000] + b'"}', content_type="application/json")

    assert {(one.status, one.json()["code"]) for one in refused} == {(429, "resource_exhausted")}
    assert (judged.status, judged.json()["code"]) == (400, "invalid_argument")


async def test_heads_have_the_limit_of_grpcs_metadata(address: str) -> None:
    """16 KiB are answered with a status; a head without an end is cut off."""
    large = await asked(address, x_large="x" * 17_000)
    async with exchange(address, PATH, x_endless="x" * 200_000, content_type="application/json") as endless:
        is_cut_off = await endless.is_cut_off(seconds=5.0)

    assert large.status == 431
    assert is_cut_off


@pytest.mark.parametrize("value", ["Grüße", "a\x7fb"])
async def test_headers_that_metadata_cannot_hold_are_refused(address: str, value: str) -> None:
    """gRPC takes printable ASCII alone; the sender hears of it, and the log does not."""
    answer = await asked(address, x_actor=value)

    assert answer.status == 400


@pytest.mark.parametrize("name", ["cookie", "x_strange!name"])
async def test_what_is_no_metadata_stays_behind(address: str, name: str) -> None:
    """Cookies never pass, names that gRPC does not know do no harm; nothing is ever set."""
    answer = await asked(address, **{name: "a=b"})

    assert answer.status == 200
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "text", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET\r\n\r\n"]
)
async def test_what_is_no_http_harms_nobody(address: str, text: bytes) -> None:
    """TLS, HTTP/2 and nonsense are cut off, and the next caller is served."""
    async with exchange(address, PATH) as broken:
        broken.writer.write(text)
        assert await broken.is_cut_off(seconds=5.0)

    assert (await asked(address)).status == 200
