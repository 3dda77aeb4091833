"""What the log hears of calls whose credentials do not do: once, and then how many there were."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from synckairos.application.errors import ScopeMissing, Unauthenticated
from synckairos.rpc.admission.peers import address_of, peer_of
from synckairos.rpc.request_ids import given_request_id

if TYPE_CHECKING:
    from synckairos.rpc.interceptor import Context

TELL_S: Final = 10.0
"""Between two lines for one reason and one address."""
MOST_TOLD: Final = 256
"""Reasons and addresses that have lines of their own; the others share one, for addresses cost a stranger nothing."""
OTHERS: Final = "others"

_log = structlog.get_logger("synckairos.rpc.admission.access")

Later = Callable[[float, Callable[[], None]], object]


def _later(seconds: float, call: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(seconds, call)


class CredentialRefusals:
    """Tells the first refusal of a reason and an address at once, and every 10 s how many more there were."""

    def __init__(self, later: Later = _later) -> None:
        """`later` calls a function after so many seconds."""
        self._later = later
        self._untold: dict[tuple[str, str], tuple[int, dict[str, str]]] = {}
        """How many came since the last line, and what is said of the latest."""

    def note(self, method: str, error: Unauthenticated | ScopeMissing, context: "Context | None" = None) -> None:
        """Take note of a refusal: never the credentials, only their id.

        Without `context` it is of a stream that was let in before, and nothing is said of where it comes from.
        """
        address = "" if context is None else address_of(context)
        key = (error.reason, address)
        if key not in self._untold and len(self._untold) >= MOST_TOLD:
            key = (error.reason, OTHERS)
        facts = _facts(method, error, context)
        if key in self._untold:
            self._untold[key] = (self._untold[key][0] + 1, facts)
        else:
            self._tell(key, 1, facts)

    def _tell(self, key: tuple[str, str], count: int, facts: dict[str, str]) -> None:
        _log.info("credentials_refused", refused=count, **facts)
        self._untold[key] = (0, facts)
        self._later(TELL_S, lambda: self._again(key))

    def _again(self, key: tuple[str, str]) -> None:
        count, facts = self._untold.pop(key)
        if count:
            self._tell(key, count, facts)


def _facts(method: str, error: Unauthenticated | ScopeMissing, context: "Context | None") -> dict[str, str]:
    problem = error.problem if isinstance(error, Unauthenticated) else str(error)
    told = {"method": method, "reason": error.reason, "problem": problem, "credential": error.credential_id}
    if context is None:
        return told | {"peer": ""}
    request_id = given_request_id(context)
    return told | {"peer": peer_of(context)} | ({"request_id": request_id} if request_id else {})
