"""The outside world, one technology a file: what the application's ports are in Redis."""
