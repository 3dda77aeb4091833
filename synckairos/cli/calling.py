"""`synckairos call`: any call of the contract from a terminal, JSON in and out."""

import asyncio
import json
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Annotated, Any, Final

import grpc
import typer
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from synckairos.cli.running import fail, settings_or_fail
from synckairos.cli.sessions.connection import Actor, Address, channel_to, credentials, token_of_environment
from synckairos.client.credentials import authorization, check_token
from synckairos.rpc.server import AUDIT_SERVICE, SESSION_SERVICE, TIME_CONTROL_SERVICE, TIME_SERVICE

METHODS: Final[dict[str, MethodDescriptor]] = {
    method.name: method
    for service in (SESSION_SERVICE, AUDIT_SERVICE, TIME_SERVICE, TIME_CONTROL_SERVICE)
    for method in service.methods
}


def call(
    method: Annotated[str, typer.Argument(help="Its name, such as CreateSession; its service may stand before it.")],
    request: Annotated[
        str, typer.Argument(help="The request as JSON, or - for standard input; a stream of requests is one per line.")
    ] = "{}",
    address: Address = None,
    actor: Actor = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds the call may take; without it, a stream goes on.")
    ] = None,
) -> None:
    """Make a call of the contract, and print each reply as JSON."""
    found = _method(method)
    requests = _requests(found, sys.stdin.read() if request == "-" else request)
    target = address or settings_or_fail(of_dev=True).listen
    metadata = [*_authorization(target), *([("x-actor", actor)] if actor else [])]
    with channel_to(target) as channel:
        try:
            for reply in _invoker(channel, found)(iter(requests), timeout=timeout, metadata=metadata):
                typer.echo(json_format.MessageToJson(reply, preserving_proto_field_name=True))
        except grpc.RpcError as error:
            fail(_told(error, target))


def _authorization(target: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata of the environment's token, or end the process if it would be exposed."""
    token = token_of_environment()
    try:
        check_token(target, token, credentials(), allow_insecure=False)
    except ValueError as error:
        fail(str(error))
    return asyncio.run(authorization(token))


def _method(name: str) -> MethodDescriptor:
    """Return the method of this name, or end the process naming those there are."""
    service, _, short = name.strip("/").replace("/", ".").rpartition(".")
    found = METHODS.get(short)
    if found is not None and f".{found.containing_service.full_name}".endswith(f".{service}" if service else ""):
        return found
    by_lower = {known.lower(): known for known in METHODS}
    near = [by_lower[one] for one in get_close_matches(short.lower(), by_lower, n=3)]
    question = f"; did you mean {' or '.join(near)}?" if near else ""
    return fail(f"there is no method {name!r}{question}\nthere are {', '.join(METHODS)}")


def _requests(method: MethodDescriptor, text: str) -> list[Message]:
    """Return the requests, or end the process saying what is wrong with them."""
    kind = GetMessageClass(method.input_type)
    try:
        requests = [json_format.ParseDict(value, kind()) for value in _values(text)]
    except (ValueError, json_format.ParseError) as error:
        fail(f"the request is no {method.input_type.full_name}: {error}")
    if not method.client_streaming and len(requests) != 1:
        fail(f"{method.name} takes one request, not {len(requests)}")
    return requests


def _values(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects that stand one after another in a text."""
    decoder, rest = json.JSONDecoder(), text.strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        if not isinstance(value, dict):
            raise ValueError(f"an object is needed, such as {{}}, not {rest[:end]}")  # noqa: TRY004 - wrong JSON, as all other
        yield value
        rest = rest[end:].lstrip()


def _invoker(channel: grpc.Channel, method: MethodDescriptor) -> Any:  # noqa: ANN401 - grpc's stubs are untyped callables
    """Return a function that makes the call; on the wire, one message is a stream of one."""
    return channel.stream_stream(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )


def _told(error: Any, target: str) -> str:  # noqa: ANN401 - an RpcError is a Call too, which its type does not say
    """Return what a failed call says: code, reason, message, and further details as JSON, one a line."""
    status = rpc_status.from_call(error)
    lines, reason = [], ""
    for detail in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            reason = f" / {info.reason}"
        lines.append(json_format.MessageToJson(detail, preserving_proto_field_name=True, indent=None))
    if status is None and error.code() is grpc.StatusCode.UNAVAILABLE:
        lines.append(f"is a server running at {target}? `synckairos dev` starts one; --address names another")
    message = json.dumps(error.details() or "", ensure_ascii=False)[1:-1]  # no control character reaches the terminal
    return "\n".join([f"{error.code().name}{reason}: {message}", *lines])
