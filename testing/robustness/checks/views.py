"""The views of replies and streams against the stored sessions: the same facts, as of the instant beside them."""

from collections.abc import Iterator

from google.protobuf.message import Message as Protobuf

from synckairos.rpc.mapping import session_message, tick_message
from testing.robustness.branches import Branches, Entry
from testing.robustness.checks.sessions import due_ms
from testing.robustness.history import Call, History, Message, digest
from testing.robustness.promises import Promise, Violation


def check_views(history: History, branches: Branches) -> Iterator[Violation]:
    """Yield the views that differ from the stored session, or were never stored."""
    for call in history.calls:
        if call.outcome == "ok" and call.view and not branches.may_be_lost(call) and not _is_right(call, branches):
            text = f"{call.method} showed version {call.version} at {call.server_time} otherwise than it was stored"
            yield Violation(Promise.TRUTHFUL, call.session_id, text)
    for message in history.messages:
        if message.kind == "warning" and not _warns_in_time(message, branches):
            text = f"a warning of {message.value} ms left came for {message.server_time}, version {message.version}"
            yield Violation(Promise.TRUTHFUL, message.session_id, text)
        if message.view and not _shows_what_was(message, branches):
            text = f"a {message.kind} showed version {message.version} at {message.server_time} otherwise than stored"
            yield Violation(Promise.TRUTHFUL, message.session_id, text)


def _is_right(call: Call, branches: Branches) -> bool:
    made = branches.versions.get((call.session_id, call.epoch, call.version), [])
    return any(digest(session_message(entry.session, call.server_time)) == call.view for entry in made)


def _shows_what_was(message: Message, branches: Branches) -> bool:
    entry = branches.shown_by(message)
    if entry is None:
        return branches.may_show_what_was_lost(message.session_id, message.at)
    return digest(_shown(message.kind, entry, message.server_time)) == message.view


def _warns_in_time(message: Message, branches: Branches) -> bool:
    """Whether a warning is stamped with the instant at which so much was left."""
    entry = branches.shown_by(message)
    if entry is None:
        return branches.may_show_what_was_lost(message.session_id, message.at)
    due = due_ms(entry.session)
    return due is not None and message.server_time == due - message.value


def _shown(kind: str, entry: Entry, at_ms: int) -> Protobuf:
    return tick_message(entry.session, at_ms) if kind == "tick" else session_message(entry.session, at_ms)
