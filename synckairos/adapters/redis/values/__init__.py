"""What is written in Redis, and read from it: sessions, events, entries of outboxes."""
