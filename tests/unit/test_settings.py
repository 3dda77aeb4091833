"""Settings: documented, validated together, never leaking."""

import re
from base64 import b64encode
from pathlib import Path

import pytest

from synckairos.settings import Settings, SettingsError, load_settings, split_address

EXAMPLE = (Path(__file__).parents[2] / ".env.example").read_text()


def test_the_example_lists_every_setting_with_its_default() -> None:
    """.env.example and the code cannot drift apart."""
    listed = dict(re.findall(r"^#SYNCKAIROS_(\w+)=(.*)$", EXAMPLE, re.MULTILINE))

    defaults = {}
    for name, field in Settings.model_fields.items():
        value = field.default
        value = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        defaults[name.upper()] = "" if value is None else str(value)

    assert listed == defaults


def test_every_setting_is_described() -> None:
    """Each setting says what it is for, and the example repeats it."""
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"# {field.description}\n" in EXAMPLE, name


def test_all_wrong_settings_are_named_and_no_value_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """One look at the error is enough, and it can be pasted into a ticket."""
    monkeypatch.setenv("SYNCKAIROS_REDIS_URL", "http://me:hunter2@somewhere")
    monkeypatch.setenv("SYNCKAIROS_REQUEST_TTL_S", "86401")
    monkeypatch.setenv("SYNCKAIROS_STORE_INIT", "perhaps")

    with pytest.raises(SettingsError) as raised:
        load_settings()

    text = str(raised.value)
    assert all(name in text for name in ("SYNCKAIROS_REDIS_URL", "SYNCKAIROS_REQUEST_TTL_S", "SYNCKAIROS_STORE_INIT"))
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://one.example/1",
        "redis+cluster://one,:6379",
        "redis://one:6379,two:6379/0",
        "redis+sentinel://one:26379",
        "redis+sentinel://one:port/primary",
        "redis+sentinel://,two/primary",
        "redis+sentinel://one/primary/first",
    ],
)
def test_a_redis_that_cannot_be_spoken_to_is_refused(url: str) -> None:
    """That is said at the start: a cluster has one database, and Sentinels need an address each and a service."""
    with pytest.raises(SettingsError, match="SYNCKAIROS_REDIS_URL"):
        load_settings(redis_url=url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://one/sessions",
        "redis://:hunter2@one:6379/0x1",
        "redis://one/1/2",
        "redis://one/-1",
        "redis://one?db=first",
        "redis://one/0?db=-1",
        "unix:///run/redis.sock?db=one",
        "redis://one/" + "9" * 5_000,
    ],
)
@pytest.mark.parametrize("name", ["redis_url", "broker_url"])
def test_a_database_of_redis_that_is_no_number_is_refused(name: str, url: str) -> None:
    """By the name of the setting, and without its password."""
    with pytest.raises(SettingsError, match=f"SYNCKAIROS_{name.upper()}: .*number") as raised:
        load_settings(**{name: url})

    assert "hunter2" not in str(raised.value)


def test_urls_do_not_show_in_a_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings may end up in a log by accident; their secrets do not."""
    monkeypatch.setenv("SYNCKAIROS_REDIS_URL", "redis://:hunter2@somewhere:6379/0")

    assert "hunter2" not in repr(load_settings()) + str(load_settings())


def test_keys_of_tokens_are_a_list_that_shows_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first signs; whatever is wrong with one, the message does not repeat it."""
    first, second = b64encode(bytes(range(32))).decode(), b64encode(b"k" * 48).decode()
    monkeypatch.setenv("SYNCKAIROS_TOKEN_KEY", f"{first}, {second}")

    assert load_settings().token_keys == [bytes(range(32)), b"k" * 48]
    assert first not in repr(load_settings())
    for wrong in (f"{first},", "hunter2", b64encode(b"h" * 31).decode(), f"{first};{second}"):
        monkeypatch.setenv("SYNCKAIROS_TOKEN_KEY", wrong)
        with pytest.raises(SettingsError, match="SYNCKAIROS_TOKEN_KEY") as refusal:
            load_settings()
        assert wrong not in str(refusal.value)


@pytest.mark.parametrize(
    ("parts", "url"),
    [
        ({"host": "db.example"}, "postgresql://db.example:5432/"),
        ({"host": "::1", "port": 6_543, "user": "me", "name": "trail"}, "postgresql://me@[::1]:6543/trail"),
        (
            {"host": "db", "user": "a@b", "password": "p:/?#[]@%25", "name": "t/1"},
            "postgresql://a%40b:p%3A%2F%3F%23%5B%5D%40%2525@db:5432/t%2F1",
        ),
        (
            {"host": "/run/pg", "user": "me", "name": "trail"},
            "postgresql://me@/trail?host=%2Frun%2Fpg&port=5432",
        ),
    ],
)
def test_a_database_can_be_given_in_parts(parts: dict[str, object], url: str) -> None:
    """As orchestrators hand out secrets: whatever characters they have."""
    given = load_settings(**{f"database_{name}": value for name, value in parts.items()})

    assert given.database_url is not None
    assert given.database_url.get_secret_value() == url
    assert str(parts.get("password", "no password")) not in repr(given)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"database_url": "postgresql://db/x", "database_host": "db"}, "beside SYNCKAIROS_DATABASE_HOST"),
        ({"database_password": "hunter2"}, "without SYNCKAIROS_DATABASE_HOST"),
        ({"database_host": "db", "database_port": 0}, "SYNCKAIROS_DATABASE_PORT"),
    ],
)
def test_half_a_database_is_refused(given: dict[str, object], problem: str) -> None:
    """So is one that is named twice."""
    with pytest.raises(SettingsError, match=problem) as raised:
        load_settings(**given)

    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:50051", ("::1", 50_051)), ("0.0.0.0:65535", ("0.0.0.0", 65_535))],
)
def test_addresses_are_taken_apart(address: str, expected: tuple[str, int]) -> None:
    """host:port, with brackets around an IPv6 host."""
    assert split_address(address) == expected


@pytest.mark.parametrize("address", ["", ":50051", "localhost", "localhost:", "localhost:http", "localhost:65536"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """Half an address is none."""
    with pytest.raises(ValueError, match="host:port"):
        split_address(address)


@pytest.mark.parametrize(
    ("redis_url", "broker"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/1"),
        ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379/1"),
        ("rediss://user:p%40ss@redis.example:6380/4", "rediss://user:p%40ss@redis.example:6380/5"),
        ("redis://redis.example?db=2", "redis://redis.example/3"),
        ("redis://redis.example/7?db=2&ssl_ca_certs=/ca.pem", "redis://redis.example/3?ssl_ca_certs=%2Fca.pem"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock?db=1"),
        ("unix:///run/redis.sock?db=3", "unix:///run/redis.sock?db=4"),
        ("valkeys://redis.example/4", "rediss://redis.example/5"),
        ("redis+sentinel://:pw@one,two:26380/primary", "redis+sentinel://:pw@one,two:26380/primary/1"),
        ("rediss+sentinel://one/primary/2?ssl_ca_certs=/ca", "rediss+sentinel://one/primary/3?ssl_ca_certs=%2Fca"),
    ],
)
def test_messages_lie_in_the_next_database_unless_told(redis_url: str, broker: str) -> None:
    """The server is that of the store, with its user and password."""
    assert load_settings(redis_url=redis_url).broker.get_secret_value() == broker
    told = load_settings(redis_url=redis_url, broker_url="redis://elsewhere/0")
    assert told.broker.get_secret_value() == "redis://elsewhere/0"


@pytest.mark.parametrize(
    ("redis_url", "broker_url"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://127.0.0.1:6379/0", "redis://localhost"),
        ("redis://redis.example:6379/3", "redis://:secret@redis.example/0?db=3"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
        ("redis+sentinel://one,two:26379/primary", "redis+sentinel://:pw@two,one:26379/primary/0"),
    ],
)
def test_messages_never_lie_among_sessions(redis_url: str, broker_url: str) -> None:
    """Dramatiq's upkeep walks over every key of its database; however the URL is written, that must not be ours."""
    with pytest.raises(SettingsError, match="SYNCKAIROS_BROKER_URL"):
        load_settings(redis_url=redis_url, broker_url=broker_url)


def test_a_cluster_keeps_sessions_and_no_messages() -> None:
    """Dramatiq cannot use one, so the broker is named beside it."""
    cluster = "redis+cluster://:pw@one,two:6380"

    told = load_settings(redis_url=cluster, broker_url="redis+sentinel://one/primary/1")

    assert told.redis_url.get_secret_value() == cluster
    for broker in ({}, {"broker_url": cluster}, {"broker_url": "redis+cluster://three"}):
        with pytest.raises(SettingsError, match="SYNCKAIROS_BROKER_URL"):
            load_settings(redis_url=cluster, **broker)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"tls_cert": "cert.pem"}, "TLS_KEY"),
        ({"tls_key": "key.pem"}, "TLS_KEY"),
        ({"tls_client_ca": "ca.pem"}, "TLS_CLIENT_CA"),
        ({"tls_client_cert": "cert.pem"}, "TLS_CLIENT_KEY"),
        ({"insecure": "yes"}, "INSECURE"),
    ],
)
def test_half_of_what_tls_needs_is_refused(given: dict[str, str], named: str) -> None:
    """A certificate and its key belong together, and a waiver is one of the known words."""
    with pytest.raises(SettingsError, match=f"SYNCKAIROS_{named}"):
        load_settings(**given)
