"""A store with replicas, on a cluster or under Sentinels, and what can be done to it."""
