"""The way from Redis to PostgreSQL: what waits, what is dead, and whether workers can be told."""

from synckairos.application.errors import StoreUnavailable
from synckairos.application.pipeline.status import LATE_MS, BrokerUnavailable
from synckairos.application.trail.audit import Backlog
from synckairos.cli.doctor.findings import Finding, advice, fine, unseen, wrong
from synckairos.composition.parts import PipelineParts


async def look_at_pipeline(parts: PipelineParts, *, has_database: bool) -> list[Finding]:
    """Return what there is to say of the pipeline; Redis itself is looked at elsewhere."""
    broker = [await _broker(parts)] if has_database else []
    try:
        backlog = await parts.outbox.backlog()
    except StoreUnavailable as error:
        return [unseen("outbox.reach", str(error), "see what is said of Redis"), *broker]
    return [_waiting(backlog, has_database=has_database), _dead(backlog), *broker]


def _waiting(backlog: Backlog, *, has_database: bool) -> Finding:
    age = backlog.oldest_age_ms or 0
    what = f"{backlog.length} events wait, the oldest for {age / 1_000:.1f} s"
    if not has_database:
        remedy = "set SYNCKAIROS_DATABASE_URL and run `synckairos worker`, or Redis' memory runs out"
        return advice("outbox.waiting", f"{what}; no database is configured to take them", remedy)
    if age > LATE_MS:
        remedy = "run `synckairos worker`; if one runs, its log says why nothing is written (drain_failed)"
        return wrong("outbox.waiting", what, remedy)
    return fine("outbox.waiting", what if backlog.length else "no event waits")


def _dead(backlog: Backlog) -> Finding:
    if backlog.dead:
        remedy = "synckairos audit dead list; replay or discard them"
        return wrong("outbox.dead", f"{backlog.dead} events could not be written and were set aside", remedy)
    return fine("outbox.dead", "no event was set aside")


async def _broker(parts: PipelineParts) -> Finding:
    try:
        depth = await parts.bell.depth()
    except BrokerUnavailable as error:
        remedy = "start the Redis of SYNCKAIROS_BROKER_URL, or correct it; workers go on, later"
        return unseen("broker.reach", str(error), remedy)
    return fine(
        "broker.reach", f"{depth.waiting} messages wait, {depth.active} are worked on, {depth.delayed} are delayed"
    )
