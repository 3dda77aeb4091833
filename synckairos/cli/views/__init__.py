"""Sessions, clocks and events as people read them on a terminal."""
