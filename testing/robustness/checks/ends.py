"""Streams that fall silent, or end for a reason that is none."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from synckairos.v1 import event_pb2
from testing.robustness.branches import Branches
from testing.robustness.checks.promptness import calm
from testing.robustness.checks.streams import LONG_ENOUGH_S, Watch, watches
from testing.robustness.history import History, Message, StreamEnd
from testing.robustness.load.operations import Operation
from testing.robustness.load.presence import Presence
from testing.robustness.promises import Promise, Violation

BROKEN: Final = frozenset({"INTERNAL", "UNKNOWN"})
"""The codes of unexpected failures."""
_GONE: Final = frozenset({event_pb2.END_REASON_DELETED, event_pb2.END_REASON_NOT_FOUND})


def check_ends(history: History, branches: Branches, operations: Mapping[str, Operation]) -> Iterator[Violation]:
    """Yield which streams stood still, and which were ended wrongly."""
    ends, stretches = {end.stream: end for end in history.ends}, calm(history)
    presence = Presence(branches, operations)
    for watch in watches(history):
        end = ends.get(watch.stream.stream)
        if end is None:
            continue
        if not watch.stream.is_slow and _is_silent(watch, end.at, stretches):
            text = f"stream {watch.stream.stream} was silent, and nothing was broken"
            yield Violation(Promise.RELIABLE, watch.session_id, text)
        for reason in _unfounded(watch, end, branches, presence):
            text = f"stream {watch.stream.stream} ended with {reason}, which the session does not bear out"
            yield Violation(Promise.RELIABLE, watch.session_id, text)
    yield from _broken(history)


def _is_silent(watch: Watch, ended: float, stretches: Sequence[tuple[float, float]]) -> bool:
    """Whether nothing came for long: every stream begins with a message, and marks come as they were asked for."""
    said = [message.at for message in watch.messages]
    over = next((message.at for message in watch.messages if message.kind == "end"), ended)
    patience = LONG_ENOUGH_S + watch.stream.progress_ms / 1_000
    for begin, end in stretches:
        since, until = max(begin, watch.stream.opened), min(end, over)
        if until - since <= patience:
            continue
        if watch.stream.progress_ms:
            points = [since, *(at for at in said if since < at < until), until]
            if any(later - earlier > patience for earlier, later in pairwise(points)):
                return True
        elif not said or said[0] > since + patience:
            return True
    return False


def _unfounded(watch: Watch, end: StreamEnd, branches: Branches, presence: Presence) -> Iterator[str]:
    """Yield the reasons for an end that do not agree with the fate of the session."""
    was_there = presence.is_certain(watch.session_id, watch.stream.opened, end.at)
    if end.reason == "NOT_FOUND" and len(watch.stream.tokens) == 1 and was_there:
        yield end.reason
    last = watch.messages[-1] if watch.messages else None
    if last is None or last.kind != "end":
        return
    if last.value == event_pb2.END_REASON_TERMINAL and not _has_ended(last, branches):
        yield "TERMINAL"
    if last.value in _GONE and presence.is_certain(watch.session_id, watch.stream.opened, last.at):
        yield event_pb2.EndReason.Name(last.value)  # type: ignore[arg-type] # as recorded


def _has_ended(end: Message, branches: Branches) -> bool:
    entry = branches.shown_by(end)
    return branches.may_show_what_was_lost(end.session_id, end.at) if entry is None else entry.session.is_terminal


def _broken(history: History) -> Iterator[Violation]:
    for end in history.ends:
        if end.reason in BROKEN:
            yield Violation(Promise.RELIABLE, "", f"stream {end.stream} ended with {end.reason}")
    for call in history.calls:
        if call.reason in BROKEN:
            text = f"{call.method} {call.operation} ended with {call.reason}"
            yield Violation(Promise.ERROR_CHANGES_NOTHING, call.session_id, text)
