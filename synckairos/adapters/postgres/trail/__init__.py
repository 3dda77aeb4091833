"""The audit trail in PostgreSQL: written from outbox entries, read for people, export and recovery."""
