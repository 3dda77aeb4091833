"""Golden vectors of what clocks show, for the clients of every language: clients/vectors/session_clock.json."""
