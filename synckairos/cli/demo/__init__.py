"""`synckairos demo`: sample games, played in real time through real calls."""
