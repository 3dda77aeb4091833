"""How soon watchers hear of changes that were answered OK, judged in calm stretches only.

Without hints, everything would still arrive: the servers look for themselves every 1.5 s, and the next change of a
session brings the one before along. A dropped hint would be invisible to every other check. The measure is the median
from an answer to its arrival at each watcher, both seen on one event loop, so that a slow machine delays both: a few
ms with hints, some 750 ms without. It is taken for each server that answered, and apart for changes right after
a stream began, where a subscription that comes too late would show. A session that a slow reader has changed 500 times
at once has no part in it: on a busy machine, its changes alone would be most of what is measured.
"""

from collections import defaultdict
from collections.abc import Iterator
from statistics import median
from typing import Final, NamedTuple

from testing.robustness.checks.streams import LONG_ENOUGH_S, Watch, watches
from testing.robustness.history import Call, History
from testing.robustness.promises import Promise, Violation

BOUND_S: Final = 0.3
"""Of the median; a hundred times the delay of hints, and less than half the delay of the slow look."""
ENOUGH: Final = 8
"""The fewest deliveries whose median is judged."""
FRESH_S: Final = 0.5
"""A stream is new for so long."""
RECOVERY_S: Final = 2.0
"""After a fault has ended: connections are made again, and missed changes are read."""


class Delivery(NamedTuple):
    """The seconds until a watcher heard of an answer, or those it watched without hearing of it."""

    server: int
    is_fresh: bool
    is_flooded: bool
    seconds: float


def check_promptness(history: History) -> Iterator[Violation]:
    """Yield the servers whose changes were heard of too late."""
    for (server, is_fresh), seconds in sorted(delays(history).items()):
        if len(seconds) >= ENOUGH and median(seconds) > BOUND_S:
            hearers = "new watchers" if is_fresh else "watchers"
            after = f"{median(seconds):.2f} s (median of {len(seconds)})"
            text = f"{hearers} heard of changes at server {server} after {after}"
            yield Violation(Promise.PROMPT, "", text)
    longest = max(deliveries(history), key=lambda one: one.seconds, default=None)
    if longest is not None and longest.seconds > LONG_ENOUGH_S:
        silence = f"was not heard of for {longest.seconds:.2f} s, and nothing was broken"
        yield Violation(Promise.PROMPT, "", f"a change at server {longest.server} {silence}")


def delays(history: History) -> dict[tuple[int, bool], list[float]]:
    """Return the seconds that each server is judged by, those of new watchers apart (True)."""
    groups: dict[tuple[int, bool], list[float]] = defaultdict(list)
    for delivery in deliveries(history):
        if not delivery.is_flooded:
            groups[delivery.server, delivery.is_fresh].append(delivery.seconds)
    return groups


def calm(history: History) -> list[tuple[float, float]]:
    """Return the stretches without any fault, and without its after-effects."""
    stretches, since = [], history.run.began
    for fault in history.faults:
        stretches.append((since, fault.began))
        since = fault.ended + RECOVERY_S
    stretches.append((since, history.run.stopped))
    return [(begin, end) for begin, end in stretches if begin < end]


def deliveries(history: History) -> Iterator[Delivery]:
    """Yield every delivery in calm stretches."""
    answered: dict[str, list[Call]] = defaultdict(list)
    for call in history.calls:
        if call.outcome == "ok" and not call.replayed and call.method not in {"GetSession", "CreateSession"}:
            answered[call.session_id].append(call)
    ended = {end.stream: end.at for end in history.ends}
    stretches, watched = calm(history), list(watches(history))
    flooded = {watch.session_id for watch in watched if watch.stream.is_slow}
    for watch in watched:
        if watch.messages and not watch.stream.is_slow:
            for call, seconds in _heard(
                watch, answered[watch.session_id], ended.get(watch.stream.stream, 0.0), stretches
            ):
                is_fresh = call.returned - watch.messages[0].at < FRESH_S
                yield Delivery(call.server, is_fresh, watch.session_id in flooded, seconds)


def _heard(
    watch: Watch, answered: list[Call], ended: float, stretches: list[tuple[float, float]]
) -> Iterator[tuple[Call, float]]:
    """Yield the calls that a watcher had to hear of, and the seconds until it did."""
    greeted = watch.messages[0].at
    over = next((one.at for one in watch.messages if one.kind == "end"), ended)
    arrived = {
        (one.epoch, one.version): one.at for one in reversed(watch.messages) if one.kind in {"event", "snapshot"}
    }
    snapshots = [((one.epoch, one.version), one.at) for one in watch.messages if one.kind == "snapshot"]
    for call in answered:
        if not any(begin <= greeted and call.returned <= end for begin, end in stretches) or call.returned < greeted:
            continue
        place = (call.epoch, call.version)
        at = arrived.get(place) or next((at for shown, at in snapshots if shown > place), None)
        if at is None and call.returned + BOUND_S > over:
            continue  # the stream was over
        yield call, max(0.0, (at or over) - call.returned)
