"""The Connect project's own conformance suite, run against the gateway."""
