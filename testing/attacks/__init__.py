"""What strangers do to a port, and how the calls of others fare meanwhile."""
