"""What a URL of Redis says."""

import pytest

from synckairos.redis_urls import cluster_url, sentinel_url, server_of


def test_a_url_of_sentinels_says_where_they_are_and_how_to_reach_the_primary() -> None:
    """Credentials and options of the primary, those of the Sentinels, and TLS for both."""
    found = sentinel_url(
        "rediss+sentinel://me:p%40ss@one:26380,[::1]/games/2?sentinel_username=look&sentinel_password=s3&ssl_ca_certs=/ca"
    )

    assert found is not None
    assert found.sentinels == (("one", 26_380), ("::1", 26_379))
    assert (found.service, found.is_encrypted) == ("games", True)
    assert found.primary == "rediss://me:p%40ss@primary/2?ssl_ca_certs=%2Fca"
    assert found.options == {"username": "look", "password": "s3", "ssl_ca_certs": "/ca", "ssl": True}


def test_a_url_of_one_server_is_none_of_sentinels() -> None:
    """By whichever scheme."""
    assert [sentinel_url(url) for url in ("redis://one/0", "valkey://one", "unix:///run/redis.sock")] == [None] * 3


def test_a_url_of_a_cluster_says_where_some_of_its_nodes_are() -> None:
    """And what the URL of each node has in common: credentials, TLS, options."""
    found = cluster_url("valkeys+cluster://me:p%40ss@one:7000,[::1]?ssl_ca_certs=/ca")

    assert found is not None
    assert found.nodes == (("one", 7_000), ("::1", 6_379))
    assert found.of("::2", 7_001) == "rediss://me:p%40ss@[::2]:7001?ssl_ca_certs=%2Fca"
    assert server_of("redis+cluster://two,one:7000") == server_of("redis+cluster://:pw@one:7000,two/0")


@pytest.mark.parametrize(
    "url", ["redis+cluster://one/1", "redis+cluster://one?db=2", "redis+cluster://,one", "redis+cluster://one:port"]
)
def test_a_url_that_no_cluster_can_have_is_refused(url: str) -> None:
    """A cluster has one database, and nodes have names."""
    with pytest.raises(ValueError, match="must"):
        cluster_url(url)


def test_other_urls_are_none_of_clusters() -> None:
    """By whichever scheme."""
    urls = ("redis://one/0", "valkey://one", "unix:///run/redis.sock", "redis+sentinel://one/primary")
    assert [cluster_url(url) for url in urls] == [None] * 4
