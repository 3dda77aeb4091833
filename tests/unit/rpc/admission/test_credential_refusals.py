"""The log hears of refused credentials at once, and of what follows now and then: a stranger cannot fill it."""

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from synckairos.application.errors import CredentialsInvalid, CredentialsMissing, ScopeMissing, Unauthenticated
from synckairos.rpc.admission.credential_refusals import MOST_TOLD, TELL_S, CredentialRefusals

METHOD = "/synckairos.v1.SessionService/GetSession"
WRONG = CredentialsInvalid("signature is wrong", "jwt:mine")


class Later:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def __call__(self, seconds: float, call: Callable[[], None]) -> None:
        self.waiting.append((seconds, call))

    def pass_by(self) -> None:
        """Let ten seconds pass."""
        due, self.waiting = self.waiting, []
        for seconds, call in due:
            assert seconds == TELL_S == 10.0
            call()


class Context:
    """A call from somewhere."""

    def __init__(self, peer: str = "ipv4:203.0.113.9:4711", *metadata: tuple[str, str]) -> None:
        self._peer = peer
        self._metadata = metadata

    def peer(self) -> str:
        return self._peer

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata


def test_the_first_is_told_at_once_with_all_that_is_known_of_it() -> None:
    """Its method, its reason, whose credentials, whence and by which request id."""
    with capture_logs() as logs:
        CredentialRefusals(Later()).note(METHOD, WRONG, Context("ipv4:203.0.113.9:4711", ("x-request-id", "mine")))  # type: ignore[arg-type] # all that is read of a context

    (line,) = logs
    assert line == {
        "event": "credentials_refused", "log_level": "info", "method": METHOD, "reason": "CREDENTIALS_INVALID",
        "problem": "signature is wrong", "credential": "jwt:mine", "peer": "ipv4:203.0.113.9:4711", "refused": 1,
        "request_id": "mine",
    }  # fmt: skip


def test_a_flood_has_one_line_each_ten_seconds() -> None:
    """Whatever ports it comes from; then it is quiet, and the next refusal is told at once again."""
    later = Later()
    refusals = CredentialRefusals(later)
    with capture_logs() as logs:
        for _ in range(2):
            for port in range(1_000):
                refusals.note(METHOD, WRONG, Context(f"ipv4:203.0.113.9:{port}"))  # type: ignore[arg-type] # as above
            later.pass_by()
        later.pass_by()
        refusals.note(METHOD, WRONG, Context())  # type: ignore[arg-type] # as above

    assert [line["refused"] for line in logs] == [1, 999, 1_000, 1]
    assert logs[1]["peer"] == "ipv4:203.0.113.9:999"


@pytest.mark.parametrize("other", [CredentialsMissing(), ScopeMissing("sessions:read", "mine")])
def test_each_reason_and_address_is_told_by_itself(other: Unauthenticated | ScopeMissing) -> None:
    """A flood of one hides nothing of another; what a stream has lost comes from nowhere."""
    refusals = CredentialRefusals(Later())
    with capture_logs() as logs:
        for _ in range(3):
            refusals.note(METHOD, WRONG, Context())  # type: ignore[arg-type] # as above
            refusals.note(METHOD, other, Context())  # type: ignore[arg-type] # as above
            refusals.note(METHOD, WRONG, Context("ipv6:[2001:db8::1]:1"))  # type: ignore[arg-type] # as above
            refusals.note(METHOD, WRONG)

    told = [(line["reason"], line["peer"]) for line in logs]
    assert told == [
        (WRONG.reason, "ipv4:203.0.113.9:4711"), (other.reason, "ipv4:203.0.113.9:4711"),
        (WRONG.reason, "ipv6:[2001:db8::1]:1"), (WRONG.reason, ""),
    ]  # fmt: skip


def test_many_addresses_share_a_line() -> None:
    """An attacker with a network of them fills neither the log nor the memory."""
    later = Later()
    refusals = CredentialRefusals(later)
    with capture_logs() as logs:
        for number in range(10_000):
            refusals.note(METHOD, WRONG, Context(f"ipv6:[2001:db8::{number:x}]:1"))  # type: ignore[arg-type] # as above
        later.pass_by()

    assert len(logs) == MOST_TOLD + 2
    assert sum(line["refused"] for line in logs) == 10_000
