"""Where a server listens: its ports, what protects them, and what is refused."""
