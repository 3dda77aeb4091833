"""The streams at the boundary: frames written to watchers, commands read and answered."""
