"""The way of an event from the outbox to the audit trail: bell, drain, backlog, state; no SQL, no broker."""
