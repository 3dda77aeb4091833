"""The steps of a switch, each timed by itself without a network; `python -m bench.core` prints them.

Each step is repeated, and the best of several rounds counts, in CPU time. The rest of a call (`python -m bench` has the
whole) is gRPC, the event loop and the way to Redis.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from hiredis import pack_command

from bench.seeding import CALLER, commit, life, new_writer, spec_of
from synckairos.adapters.ids import new_change_id
from synckairos.adapters.redis.keys import Keys
from synckairos.adapters.redis.values import codec
from synckairos.application.changes import Change
from synckairos.application.ports import Reading
from synckairos.domain.commands import Switch
from synckairos.domain.timing import Lifetimes
from synckairos.rpc import requests
from synckairos.rpc.fields import Fields
from synckairos.rpc.mapping import fill_session
from synckairos.rpc.timestamps import set_timestamp
from synckairos.v1 import session_service_pb2 as pb

REPEATS: Final = 2_000
ROUNDS: Final = 7


def best_us(step: Callable[[], object]) -> float:
    """Return the CPU time of a step, in microseconds."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(REPEATS):
            step()
        best = min(best, time.process_time() - started)
    return best / REPEATS * 1e6


def switch_steps() -> dict[str, Callable[[], object]]:
    """Return the steps of a switch of two participants, in their order."""
    now_us = time.time_ns() // 1_000
    *_, (before, event) = life(spec_of(2), now_us, switches=3)
    assert before is not None  # noqa: S101 - it has been created
    session_id, encoded = before.session_id, codec.encode_session(before)
    keys, writer = Keys().of(session_id), new_writer()
    change = Change(session_id, Switch(), CALLER, new_change_id, Lifetimes())
    reading = Reading(before, now_us + 500_000)
    commands: list[Any] = commit(keys, writer, now_us, before, event)
    asked = pb.SwitchCycleRequest(session_id=session_id).SerializeToString()

    def read_request() -> None:
        fields, request = Fields(), pb.SwitchCycleRequest.FromString(asked)
        requests.switch(fields, request)
        requests.target(fields, request, expected_version=request.expected_version)

    def reply() -> bytes:
        message = pb.SwitchCycleResponse()
        fill_session(message.session, event.session, event.session.updated_at)
        set_timestamp(message.server_time, event.session.updated_at)
        return message.SerializeToString()

    return {
        "read the request": read_request,
        "decode the session": lambda: codec.decode_session(session_id, encoded),
        "decide": lambda: change.decide(reading),
        "encode and list the commands": lambda: commit(keys, writer, now_us, before, event),
        "pack the commands": lambda: b"".join([pack_command(command) for command in commands]),
        "fill and serialise the reply": reply,
    }
