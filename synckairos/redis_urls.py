"""The URLs of Redis: one server, the primary that Sentinels name, or a cluster.

One server: `redis://`, `rediss://`, `unix://`, and the aliases `valkey://`, `valkeys://`. The primary of a service:
`redis+sentinel://user:password@one:26379,two:26379/service/0`, or `rediss+sentinel://`, with which the Sentinels are
spoken to over TLS as well. `sentinel_username` and `sentinel_password` in the query are for them; everything else in it
is redis-py's. A cluster, by any of its nodes: `redis+cluster://user:password@one:6379,two:6379`, or
`rediss+cluster://`. `valkey` and `valkeys` stand for `redis` and `rediss` in all of them.
"""

from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, parse_qs, parse_qsl, urlencode, urlsplit

SENTINEL: Final = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
CLUSTER: Final = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
ALIASES: Final = {"valkey": "redis", "valkeys": "rediss"}
SENTINEL_PORT: Final = 26_379
PORT: Final = 6_379
MAX_DATABASE_DIGITS: Final = 9


class SentinelUrl(NamedTuple):
    """What a URL of Sentinels says; `primary` is the URL of the service's primary but for its address."""

    sentinels: tuple[tuple[str, int], ...]
    service: str
    primary: str
    options: dict[str, Any]
    """Of the connections to the Sentinels: TLS and credentials, as redis-py names them."""

    @property
    def is_encrypted(self) -> bool:
        """Whether the primary and the Sentinels are spoken to over TLS."""
        return self.primary.startswith("rediss:")


class ClusterUrl(NamedTuple):
    """What a URL of a cluster says: some of its nodes, and what the URL of each node shares."""

    nodes: tuple[tuple[str, int], ...]
    scheme: str
    login: str
    query: str

    def of(self, host: str, port: int) -> str:
        """Return the URL of one node."""
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return SplitResult(self.scheme, f"{self.login}{address}", "", self.query, "").geturl()


def plain(url: str) -> str:
    """Return a URL with the scheme that redis-py knows."""
    scheme, colon, rest = url.partition(":")
    first, plus, kind = scheme.partition("+")
    return f"{ALIASES.get(first, first)}{plus}{kind}{colon}{rest}"


def cluster_url(url: str) -> ClusterUrl | None:
    """Return what a URL of a cluster says, None for any other; raises ValueError."""
    parts = _split(url)
    if parts.scheme not in CLUSTER:
        return None
    if database_of(url):
        raise ValueError("must not name a database: a cluster has database 0 alone")
    login, at, hosts = parts.netloc.rpartition("@")
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != "db"])
    nodes = tuple(_address(host, PORT, "nodes") for host in hosts.split(","))
    return ClusterUrl(nodes, CLUSTER[parts.scheme], f"{login}{at}", query)


def sentinel_url(url: str) -> SentinelUrl | None:
    """Return what a URL of Sentinels says, None for one of a single server; raises ValueError."""
    parts = _split(url)
    if parts.scheme not in SENTINEL:
        return None
    login, at, hosts = parts.netloc.rpartition("@")
    service, _, database = parts.path.strip("/").partition("/")
    if not service:
        raise ValueError("must name the service: redis+sentinel://host:26379/service/0")
    query = parse_qsl(parts.query, keep_blank_values=True)
    options: dict[str, Any] = {
        name.removeprefix("sentinel_"): value for name, value in query if name.startswith(("sentinel_", "ssl_"))
    }
    rest = [(name, value) for name, value in query if not name.startswith("sentinel_")]
    scheme = SENTINEL[parts.scheme]
    primary = SplitResult(scheme, f"{login}{at}primary", f"/{database}", urlencode(rest), "").geturl()
    if scheme == "rediss":
        options["ssl"] = True
    return SentinelUrl(
        tuple(_address(host, SENTINEL_PORT, "Sentinels") for host in hosts.split(",")), service, primary, options
    )


def database_of(url: str) -> int:
    """Return the number of the logical database a URL names; raises ValueError."""
    parts = _split(url)
    path = parts.path.strip("/")
    if parts.scheme == "unix":
        path = ""
    elif parts.scheme in SENTINEL:
        path = path.partition("/")[2]
    asked = parse_qs(parts.query, keep_blank_values=True).get("db", [path])[-1]
    if asked and not (asked.isascii() and asked.isdecimal() and len(asked) <= MAX_DATABASE_DIGITS):
        raise ValueError("must name its database by a number")
    return int(asked or 0)


def server_of(url: str) -> tuple[object, ...]:
    """Return what tells one Redis from another, whichever database of it is named; raises ValueError."""
    named = sentinel_url(url)
    if named is not None:
        return (*sorted(named.sentinels), named.service)
    cluster = cluster_url(url)
    if cluster is not None:
        return tuple(sorted(cluster.nodes))
    parts = urlsplit(plain(url))
    host = "127.0.0.1" if parts.hostname in {None, "localhost", "::1"} else str(parts.hostname)
    return host, parts.port or PORT, parts.path if parts.scheme == "unix" else ""


def with_database(url: str, database: int) -> str:
    """Return the URL of another database of the same server."""
    parts = _split(url)
    query = {name: values for name, values in parse_qs(parts.query).items() if name != "db"}
    if parts.scheme == "unix":
        query["db"] = [str(database)]
        return f"unix://{parts.netloc}{parts.path}?{urlencode(query, doseq=True)}"
    service = f"/{parts.path.strip('/').partition('/')[0]}" if parts.scheme in SENTINEL else ""
    return parts._replace(path=f"{service}/{database}", query=urlencode(query, doseq=True)).geturl()


def _split(url: str) -> SplitResult:
    """Return the parts of a URL, which urlsplit takes apart only if its host is a single one."""
    scheme, _, rest = plain(url).partition("://")
    if scheme not in SENTINEL and scheme not in CLUSTER:
        return urlsplit(plain(url))
    end = min(place for place in (rest.find("/"), rest.find("?"), len(rest)) if place >= 0)
    return urlsplit(f"{scheme}:{rest[end:]}")._replace(netloc=rest[:end])


def _address(text: str, usual_port: int, whose: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port or usual_port
    except ValueError:
        parts, port = None, 0
    if parts is None or not parts.hostname:
        raise ValueError(f"must name {whose} by host:port, with commas between them")
    return parts.hostname, port
