"""Plays examples/scenario.json from the generated stubs: python examples/python/play.py ADDRESS SESSION_ID."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from synckairos.v1 import event_pb2, session_pb2, session_service_pb2 as api
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub

SCENARIO = json.loads(Path("examples/scenario.json").read_text())
NAMES = {one["participant_id"]: one["name"] for one in SCENARIO["participants"]}
address, session_id = sys.argv[1:]
channel = grpc.insecure_channel(address, options=[("grpc.service_config", Path("protos/synckairos/v1/service_config.json").read_text())])
sessions = SessionServiceStub(channel)
created = sessions.CreateSession(api.CreateSessionRequest(session_id=session_id, request_id=str(uuid4()), mode=session_pb2.MODE_PER_PARTICIPANT, manual_clock=True,
    time_control_text=SCENARIO["time_control"], participants=[session_pb2.ParticipantSpec(participant_id=p) for p in NAMES]))
stream = sessions.WatchSession(api.WatchSessionRequest(session_id=session_id, tick_interval_ms=100))
def show(m):
    k = m.WhichOneof("payload")
    p = getattr(m, k)
    if k == "event": print(" event", m.version, event_pb2.EventType.Name(p.type), NAMES.get(p.participant_id), p.time_elapsed_ms, p.time_remaining_ms, str(p.turn).replace("\n", " "), p.advanced_ms)
    elif k == "tick": print(" tick", p.remaining_ms, NAMES[p.active_participant_id])
    elif k == "phase": print(" phase", str(p.phase).replace("\n", " "), NAMES[p.participant_id])
    else: print(" ", k, m.version)
def until(v, tick=False):
    for m in stream:
        show(m)
        if (m.version >= v and not tick) or m.HasField("tick"): break
until(1)
v = sessions.StartSession(api.StartSessionRequest(session_id=session_id)).session.version
until(v)
for n, t in enumerate(SCENARIO["turns"], 1):
    v = sessions.AdvanceClock(api.AdvanceClockRequest(session_id=session_id, by_ms=t["spend_ms"])).session.version
    until(v, True)
    s = sessions.SwitchCycle(api.SwitchCycleRequest(session_id=session_id)).session
    print("turn", n, s.version, [(NAMES[p.participant_id], p.time_remaining_ms, p.clock.bank_ms, p.clock.periods_left) for p in s.participants])
    until(s.version)
