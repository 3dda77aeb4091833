"""Tables of the audit trail for people; scripts get JSON instead."""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import IntEnum

from synckairos.adapters.postgres.trail.statistics import TableStatistics
from synckairos.application.pipeline.status import PipelineStatus
from synckairos.application.trail.audit import AuditedEvent, AuditedParticipant, SessionAudit
from synckairos.application.trail.field_changes import FieldChange
from synckairos.cli.plain_text import PlainTable
from synckairos.domain.clock_accounts.account import Line

SHORT_ID = 8
HOUR_MS, MINUTE_MS, SECOND_MS = 3_600_000, 60_000, 1_000


def instant(at_ms: int | None) -> str:
    """Return an instant (ms since 1970) in UTC to the ms, `-` for none."""
    if at_ms is None:
        return "-"
    seconds, ms = divmod(at_ms, 1_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{ms:03}"


def duration(ms: int | None) -> str:
    """Return a duration as [h:]mm:ss.mmm, `-` for none."""
    if ms is None:
        return "-"
    hours, rest = divmod(ms, HOUR_MS)
    minutes, rest = divmod(rest, MINUTE_MS)
    clock = f"{minutes:02}:{rest // SECOND_MS:02}.{rest % SECOND_MS:03}"
    return f"{hours}:{clock}" if hours else clock


def amount(ms: int) -> str:
    """Return a duration that is added or, negative, taken away, with its sign."""
    return ("-" if ms < 0 else "+") + duration(abs(ms))


def name_of(member: IntEnum) -> str:
    """Return an enum's member as the trail writes it."""
    return member.name.lower()


def short(identifier: str | None) -> str:
    """Return the beginning of an id, which is enough to tell a session's participants apart."""
    return identifier[:SHORT_ID] if identifier else "-"


def events_table(events: Iterable[AuditedEvent], *, changes: bool = False, sessions: bool = False) -> PlainTable:
    """Draw events, one a row, with what they changed or their session if asked; a line parts one life from the next."""
    table = PlainTable("version", "at (UTC)", "event", "cause", "who", "participant", "elapsed", "left", "reason")
    if sessions:
        table.add_column("session")
    if changes:
        table.add_column("changed", ratio=1)
    epoch = None
    for audited in events:
        event = audited.record.event
        session, subject = event.session, event.subject
        if epoch not in (None, session.epoch):
            table.add_section()
        epoch = session.epoch
        table.add_row(
            f"{session.version}{' (fork)' if audited.is_fork else ''}",
            instant(session.updated_at),
            name_of(event.type),
            name_of(event.cause),
            event.author.who,
            short(subject.participant_id or subject.group_id),
            duration(subject.elapsed_ms),
            duration(subject.remaining_ms),
            event.author.reason,
            *([session.session_id] if sessions else []),
            *(["; ".join(map(_change, audited.changes))] if changes else []),
        )
    return table


def _change(change: FieldChange) -> str:
    old, new = ("-" if value is None else str(value) for value in (change.old, change.new))
    return f"{change.path}: {old} → {new}"


def account_table(lines: Iterable[Line]) -> PlainTable:
    """Draw the account of a clock, one line a row."""
    table = PlainTable("version", "at (UTC)", "why")
    for name in ("amount", "balance", "periods burnt"):
        table.add_column(name, justify="right")
    table.add_column("note")
    for line in lines:
        entry = line.entry
        table.add_row(
            str(line.version),
            instant(line.occurred_at),
            name_of(entry.kind),
            amount(entry.amount_ms),
            amount(line.balance_ms).removeprefix("+"),
            str(entry.periods_burnt or ""),
            entry.note,
        )
    return table


def session_table(audit: SessionAudit) -> PlainTable:
    """Draw the summary of a session, one fact a row."""
    summary, session = audit.summary, audit.summary.session
    status, deleted = name_of(session.status), list[tuple[str, str]]()
    if summary.deleted_at is not None:
        status, deleted = f"deleted ({status})", [("deleted", instant(summary.deleted_at))]
    return _facts(
        [
            ("session", session.session_id),
            ("mode", name_of(session.rules.mode)),
            ("status", status),
            ("version", f"{session.version} of epoch {session.epoch}"),
            ("created", instant(session.created_at)),
            ("started", instant(session.started_at)),
            ("ended", instant(session.completed_at)),
            *deleted,
            ("last change", instant(session.updated_at)),
            ("recorded", instant(summary.recorded_at)),
            ("cycles", str(summary.total_cycles)),
            ("participants", str(summary.total_participants)),
            ("events", f"{audit.event_count}, of which forks {audit.fork_count}"),
        ]
    )


def participants_table(participants: Iterable[AuditedParticipant]) -> PlainTable:
    """Draw participants, one a row."""
    table = PlainTable("participant", "group", "bank", "turns", "active", "joined (UTC)", "removed (UTC)")
    for one in participants:
        table.add_row(
            one.participant_id,
            short(one.group_id),
            duration(one.total_time_ms),
            str(one.total_cycles),
            duration(one.total_time_active_ms),
            instant(one.added_at),
            instant(one.removed_at),
        )
    return table


def status_table(status: PipelineStatus) -> PlainTable:
    """Draw how the pipeline is doing, one fact a row."""
    queue, totals = status.queue, status.totals
    depths = (
        f"{queue.waiting} waiting, {queue.active} active, {queue.delayed} delayed, {queue.dead} given up"
        if queue
        else "cannot be reached"
    )
    return _facts(
        [
            ("state", "degraded" if status.degraded else "fine"),
            *(("problem", problem) for problem in status.problems),
            ("outbox", f"{status.outbox_length} changes, the oldest {duration(status.oldest_age_ms)} ago"),
            ("set aside", f"{status.dead_entries} changes"),
            ("queue", depths),
            ("messages", f"{totals.completed} done, {totals.failed} attempts failed"),
            ("written", f"{totals.written} new, {totals.known} known already, {totals.forks} forks"),
            ("last written", instant(totals.last_written_at)),
            ("last problem", f"{instant(totals.last_error_at)} {totals.last_error}".strip()),
        ]
    )


def statistics_table(tables: Iterable[TableStatistics]) -> PlainTable:
    """Draw the tables of the database, one a row."""
    table = PlainTable("table", "rows (about)", "dead rows", "MB", "partitions", "vacuumed (UTC)", "analyzed (UTC)")
    for one in tables:
        table.add_row(
            one.table,
            str(one.rows),
            str(one.dead_rows),
            f"{one.bytes / 1_000_000:.1f}",
            str(one.partitions),
            instant(one.vacuumed_at),
            instant(one.analyzed_at),
        )
    return table


def _facts(facts: Iterable[tuple[str, str]]) -> PlainTable:
    table = PlainTable(box=None, padding=(0, 2), show_header=False, pad_edge=False, collapse_padding=True)
    table.add_column(style="bold")
    table.add_column()
    for name, value in facts:
        table.add_row(name, value)
    return table
