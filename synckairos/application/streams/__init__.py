"""Watching sessions: topics, subscriptions and the frames between them; no transport is named here."""
