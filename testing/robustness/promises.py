"""The promises, and how a broken one is reported."""

from enum import StrEnum
from typing import NamedTuple


class Promise(StrEnum):
    """The checks by name; docs/guarantees.md says what each means, and that two go beyond the promises."""

    LINEARIZABLE = "linearizable"
    IDEMPOTENT = "idempotent"
    ERROR_CHANGES_NOTHING = "error changes nothing"
    LEGAL = "legal"
    CONSERVED = "conserved"
    FIRED_ONCE = "fired once"
    NEVER_EARLY = "never early"
    PUNCTUAL = "punctual"
    ORDERED = "ordered"
    UNIQUE = "unique"
    RELIABLE = "reliable"
    RESUMABLE = "resumable"
    BOOKMARKABLE = "bookmarkable"
    EPHEMERAL = "ephemeral"
    TRUTHFUL = "truthful"
    PROMPT = "prompt"
    DURABLE = "durable"
    AVAILABLE = "available"
    ANNOUNCED = "announced"


class Violation(NamedTuple):
    """A promise that was broken, where, and how."""

    promise: Promise
    session_id: str
    text: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.session_id}: {self.text}"
