"""Sessions, indexes, outboxes and hints in Redis; nothing of PostgreSQL or Dramatiq."""
