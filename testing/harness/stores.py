"""Connections to a store by its URL, be it one Redis, a primary of Sentinels, or a cluster."""

from synckairos.adapters.redis.cluster.connections import ClusterConnections
from synckairos.adapters.redis.connections.pool import RedisConnections
from synckairos.redis_urls import cluster_url


def connections_to(url: str, *, limit: int = 64) -> RedisConnections:
    """Return connections, of which a cluster gets as many to each node; nothing is connected yet."""
    return RedisConnections(url, limit=limit) if cluster_url(url) is None else ClusterConnections(url, limit=limit)
