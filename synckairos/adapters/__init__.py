"""The outside world: what the application's ports are in Redis, PostgreSQL and Dramatiq; none knows another."""
