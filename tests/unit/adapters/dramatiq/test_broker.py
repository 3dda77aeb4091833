"""The broker that is away while a worker stops."""

import pytest
from dramatiq import Message, MessageProxy
from dramatiq.errors import ConnectionClosed

from synckairos.adapters.dramatiq.broker import open_broker
from testing.harness.processes.server_process import free_port


def test_messages_that_cannot_be_given_back_do_not_break_the_end_of_a_worker() -> None:
    """Its end goes on after a ConnectionClosed, and after no other error: what is open would stay so."""
    broker = open_broker(f"redis://127.0.0.1:{free_port()}/1", timeout_s=0.2)
    options = {"redis_message_id": "1"}
    fetched: Message[None] = Message("sk-audit", "drain_outbox", args=([7],), kwargs={}, options=options)

    with pytest.raises(ConnectionClosed):
        broker.consume("sk-audit").requeue([MessageProxy(fetched)])
