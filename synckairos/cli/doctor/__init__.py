"""`synckairos doctor`: everything that is configured, looked at from outside, and what to do about it."""
