"""The requests that read sessions, and the one that asks for the time."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from synckairos.client.requests.values import timestamp
from synckairos.v1 import session_pb2
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.time_service_pb2 import SyncTimeRequest


def get_session(session_id: str) -> pb.GetSessionRequest:
    """Return a session as of now. Raises SessionNotFound."""
    return pb.GetSessionRequest(session_id=session_id)


def batch_get_sessions(session_ids: Sequence[str]) -> pb.BatchGetSessionsRequest:
    """Return up to 100 sessions as of now; those that do not exist are listed, not an error."""
    return pb.BatchGetSessionsRequest(session_ids=session_ids)


def list_sessions(
    *,
    page_size: int = 0,
    page_token: str = "",
    statuses: Sequence["session_pb2.Status.ValueType"] = (),
    modes: Sequence["session_pb2.Mode.ValueType"] = (),
    labels: Mapping[str, str] | None = None,
) -> pb.ListSessionsRequest:
    """Return the sessions in the store, newest first, one page at a time; a page may be short while a token follows."""
    return pb.ListSessionsRequest(
        page_size=page_size, page_token=page_token, statuses=statuses, modes=modes, labels=labels
    )


def sync_time(*, client_transmit_time: datetime | None = None) -> SyncTimeRequest:
    """Return one sample of the clock that decides everything; the time sent is returned with it."""
    return SyncTimeRequest(client_transmit_time=timestamp(client_transmit_time))
