"""How callers prove who they are: API keys and JSON web tokens."""
