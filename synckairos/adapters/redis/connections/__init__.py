"""Connections to Redis: opened, lent for whole exchanges, their replies judged."""
