"""Who may call, how much, and whether now: decided before a handler sees the call."""
