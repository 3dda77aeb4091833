"""Servers that are asked to stop: they announce it on every stream, end cleanly, and leave no change undecided.

Beside them the answers of an unreadable session: worth a retry, and nothing else.
"""

from collections.abc import Iterator, Mapping

from testing.robustness.checks.streams import watches
from testing.robustness.history import Fault, History
from testing.robustness.load.operations import Operation
from testing.robustness.promises import Promise, Violation


def check_stops(history: History, operations: Mapping[str, Operation]) -> Iterator[Violation]:
    """Yield the duties that stopped servers left undone."""
    for stop in (fault for fault in history.faults if fault.exit_code is not None):
        if stop.exit_code:
            text = f"server {stop.target}, asked to stop, ended with {stop.exit_code}"
            yield Violation(Promise.ANNOUNCED, "", text)
        yield from _unannounced(stop, history)
        yield from _undecided(stop, operations)


def check_unreadable(history: History) -> Iterator[Violation]:
    """Yield which unreadable sessions were answered otherwise; their neighbours' calls are judged as ever."""
    for fault in history.faults:
        if fault.wrong_answers:
            text = f"an unreadable session was answered otherwise {fault.wrong_answers} times"
            yield Violation(Promise.LEGAL, "", text)


def _unannounced(stop: Fault, history: History) -> Iterator[Violation]:
    """Every stream that was open says of every session that it ends here."""
    ends = {end.stream: end for end in history.ends}
    for watch in watches(history):
        end = ends.get(watch.stream.stream)
        was_open = watch.stream.server == stop.target and watch.stream.opened < stop.began
        if not was_open or watch.stream.is_slow or not watch.messages:
            continue
        if end is None or end.is_left or not stop.began <= end.at <= stop.ended:
            continue
        if watch.messages[-1].kind != "end":
            text = f"stream {watch.stream.stream} was cut off by a server that was asked to stop"
            yield Violation(Promise.ANNOUNCED, watch.session_id, text)


def _undecided(stop: Fault, operations: Mapping[str, Operation]) -> Iterator[Violation]:
    """The outcome of a change that such a server left open is known once it has been asked for again."""
    for operation in operations.values():
        last = max(operation.attempts, key=lambda call: call.returned)
        was_here = any(
            call.outcome == "unknown" and call.server == stop.target and stop.began <= call.returned <= stop.ended
            for call in operation.attempts
        )
        if was_here and not operation.answered and last.outcome == "unknown":
            text = f"{operation.method} {operation.request_id} is not known to be done or not, however often asked"
            yield Violation(Promise.ANNOUNCED, operation.session_id, text)
