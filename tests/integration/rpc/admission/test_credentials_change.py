"""Credentials that come, expire and go while a server runs: calls, streams, and what the logs show of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from synckairos.adapters.credentials import fetched_keys
from synckairos.adapters.credentials.fetched_keys import FetchedKeys
from synckairos.application.identity import Scope
from synckairos.client import SyncKairos, errors
from synckairos.composition.server import Server
from synckairos.devstack import RedisServer
from synckairos.rpc.admission import credential_refusals
from synckairos.v1 import event_pb2
from synckairos.v1 import session_service_pb2 as pb
from synckairos.v1.session_pb2 import MODE_COUNT_UP
from synckairos.v1.session_service_pb2_grpc import SessionServiceStub
from testing.harness.client import Recording, new_id, problem_of, reading, refused, two_players
from testing.harness.key_provider import KeyProvider, providing
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.tokens import AUDIENCE, ISSUER, Signer, key_set, write_key
from testing.harness.waiting import eventually

EXPIRED = event_pb2.END_REASON_CREDENTIALS_EXPIRED


class Place:
    """A server, the files of credentials beside it, and calls to it."""

    def __init__(self, server: Server, channel: Any, keys: Path, jwks: Path) -> None:
        self.server = server
        self.stub: Any = SessionServiceStub(channel)
        self.keys = keys
        self.jwks = jwks

    async def reloaded(self, path: Path, content: bytes, files: str, outcome: str = "changed") -> None:
        """Replace a file and wait until the server has looked at it."""
        before = self.count(files, outcome)
        fresh = path.with_suffix(".new")
        fresh.write_bytes(content)
        fresh.replace(path)
        self.server.reloading.ask()
        await eventually(lambda: self.count(files, outcome) > before)

    def count(self, files: str, outcome: str) -> float:
        """Return how often a look had an outcome."""
        registry = self.server._metrics.registry
        return registry.get_sample_value("synckairos_reloads_total", {"files": files, "outcome": outcome}) or 0.0


@pytest.fixture
async def place(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Place]:
    """A server that takes keys and tokens of files; no token counts yet."""
    keys, jwks = tmp_path / "keys.jsonl", tmp_path / "jwks.json"
    keys.touch()
    jwks.write_bytes(key_set(Signer("nobody")))
    settings = settings_for(
        redis_server.url, auth_api_keys=str(keys), auth_jwks=str(jwks), auth_issuer=ISSUER, auth_audience=AUDIENCE
    )
    async with serving(settings) as server, grpc.aio.insecure_channel(server.address) as channel:
        yield Place(server, channel, keys, jwks)


def by_key(key: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a key."""
    return (("x-api-key", key),)


def by_token(token: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a token."""
    return (("authorization", f"Bearer {token}"),)


async def rest_of(stream: Any) -> list[Any]:
    """Return what else a stream says."""
    messages = []
    while (message := await stream.read()) is not grpc.aio.EOF:
        messages.append(message)
    return messages


async def keep_calling(stub: Any, credentials: Callable[[], Any], until: asyncio.Event) -> int:
    """Make one call after another until told to stop; any refusal is raised."""
    made = 0
    while not until.is_set():
        await stub.ListSessions(pb.ListSessionsRequest(), metadata=credentials())
        made += 1
    return made


async def test_keys_are_exchanged_under_load_without_a_failed_call(place: Place, tmp_path: Path) -> None:
    """New keys come first, callers move on, old keys go: nobody notices."""
    files = {name: tmp_path / name for name in ("old", "both", "new")}
    old, new = Signer("old"), Signer("new")
    old_key = write_key(files["old"], "old")
    files["both"].write_bytes(files["old"].read_bytes())
    new_key = write_key(files["both"], "new")
    files["new"].write_bytes(files["both"].read_bytes().splitlines()[1])
    await place.reloaded(place.keys, files["old"].read_bytes(), "api_keys")
    await place.reloaded(place.jwks, key_set(old), "jwks")
    now, stop = {"key": by_key(old_key), "token": by_token(old.token())}, asyncio.Event()
    callers = [
        asyncio.create_task(keep_calling(place.stub, lambda kind=kind: now[kind], stop))  # type: ignore[misc] # mypy knows no defaults of lambdas
        for kind in ("key", "token", "key", "token")
    ]

    await place.reloaded(place.keys, files["both"].read_bytes(), "api_keys")
    await place.reloaded(place.jwks, key_set(old, new), "jwks")
    under_way = dict(now)
    now.update(key=by_key(new_key), token=by_token(new.token()))
    for metadata in now.values():
        await place.stub.ListSessions(pb.ListSessionsRequest(), metadata=metadata)
    await eventually(lambda: not any(caller.done() for caller in callers))
    await place.stub.ListSessions(pb.ListSessionsRequest(), metadata=now["key"])
    stop.set()
    made = await asyncio.gather(*callers)
    await place.reloaded(place.keys, files["new"].read_bytes(), "api_keys")
    await place.reloaded(place.jwks, key_set(new), "jwks")

    assert all(made)
    for metadata in under_way.values():
        problem = await refused(place.stub.ListSessions(pb.ListSessionsRequest(), metadata=metadata))
        assert problem.reason == "CREDENTIALS_INVALID"


async def test_a_broken_file_leaves_the_keys_as_they_were(place: Place, tmp_path: Path) -> None:
    """It is counted, and what counted goes on to count."""
    key = write_key(tmp_path / "a", "a")
    await place.reloaded(place.keys, (tmp_path / "a").read_bytes(), "api_keys")

    await place.reloaded(place.keys, b"{", "api_keys", "broken")

    await place.stub.ListSessions(pb.ListSessionsRequest(), metadata=by_key(key))


async def test_a_revoked_key_ends_its_streams_at_once(place: Place, tmp_path: Path) -> None:
    """A watch by `end{CREDENTIALS_EXPIRED}` from which it resumes with another key, commands UNAUTHENTICATED."""
    key = write_key(tmp_path / "first", "first")
    other = write_key(tmp_path / "second", "second")
    await place.reloaded(place.keys, (tmp_path / "first").read_bytes(), "api_keys")
    session = (await place.stub.CreateSession(two_players(), metadata=by_key(key))).session
    watched = pb.WatchSessionRequest(session_id=session.session_id)
    commands = place.stub.ExecuteCommands(metadata=by_key(key))
    start = pb.StartSessionRequest(session_id=session.session_id)
    async with reading(Recording(place.stub.WatchSession(watched, metadata=by_key(key)))) as recording:
        await recording.until(lambda one: one.of("snapshot"))
        await commands.write(pb.ExecuteCommandsRequest(command_id="1", start_session=start))
        answer = await commands.read()

        await place.reloaded(place.keys, (tmp_path / "second").read_bytes(), "api_keys")
        await recording.until_end()
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await commands.read()

    assert answer.result.session.version == 2
    assert problem_of(refusal.value).reason == "CREDENTIALS_INVALID"
    (end,) = recording.of("end")
    assert (end.end.reason, recording.error) == (EXPIRED, None)
    watched.resume_token = end.resume_token
    async with reading(Recording(place.stub.WatchSession(watched, metadata=by_key(other)))) as resumed:
        await resumed.until(lambda one: one.messages)
        assert resumed.kinds() == ["progress"]


async def test_a_key_that_changes_its_tenant_ends_its_streams(place: Place, tmp_path: Path) -> None:
    """What they tell of and change is another tenant's now; new calls find what that one has."""
    key = write_key(tmp_path / "k", "k")
    line = (tmp_path / "k").read_bytes()
    await place.reloaded(place.keys, line, "api_keys")
    session = (await place.stub.CreateSession(two_players(), metadata=by_key(key))).session
    commands = place.stub.ExecuteCommands(metadata=by_key(key))
    watch = place.stub.WatchSession(pb.WatchSessionRequest(session_id=session.session_id), metadata=by_key(key))
    await watch.read()

    await place.reloaded(place.keys, json.dumps({**json.loads(line), "tenant": "acme"}).encode(), "api_keys")
    (end,) = await rest_of(watch)
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await commands.read()
    asked = pb.GetSessionRequest(session_id=session.session_id)
    problem = await refused(place.stub.GetSession(asked, metadata=by_key(key)))

    assert end.end.reason == EXPIRED
    assert problem_of(refusal.value).reason == "CREDENTIALS_INVALID"
    assert problem.reason == "SESSION_NOT_FOUND"


async def test_a_client_with_fresh_credentials_hides_that_old_ones_have_ended(place: Place, tmp_path: Path) -> None:
    """Its watch goes on with what its token function returns then; with a constant the reader is told."""
    first, second = write_key(tmp_path / "first", "first"), write_key(tmp_path / "second", "second")
    await place.reloaded(place.keys, (tmp_path / "first").read_bytes(), "api_keys")
    given = [first]

    async def token() -> str:
        return given[0]

    async with (
        await SyncKairos.connect(place.server.address, token=token) as fresh,
        await SyncKairos.connect(place.server.address, token=first) as constant,
    ):
        session_id = (await place.stub.CreateSession(two_players(), metadata=by_key(first))).session.session_id
        watches = [fresh.watch(session_id), constant.watch(session_id)]
        kinds = [(await anext(watch)).WhichOneof("payload") for watch in watches]

        given[0] = second
        await place.reloaded(place.keys, (tmp_path / "second").read_bytes(), "api_keys")
        with pytest.raises(errors.CredentialsInvalid):
            await anext(watches[1])
        resumed = asyncio.ensure_future(anext(watches[0]))
        start = pb.StartSessionRequest(session_id=session_id)
        await place.stub.StartSession(start, metadata=by_key(second))

        assert kinds == ["snapshot", "snapshot"]
        assert (await resumed).event.type == event_pb2.EVENT_TYPE_SESSION_STARTED
        await watches[0].aclose()


async def test_streams_end_when_their_credentials_expire(place: Place, tmp_path: Path) -> None:
    """Without anybody looking at a file; here it is another instant than when they began."""
    soon = (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat()
    key = write_key(tmp_path / "k", "k", expires_at=datetime.now(UTC) + timedelta(hours=1))
    line = (tmp_path / "k").read_bytes()
    await place.reloaded(place.keys, line, "api_keys")
    session = (await place.stub.CreateSession(two_players(), metadata=by_key(key))).session
    commands = place.stub.ExecuteCommands(metadata=by_key(key))
    sessions = pb.WatchSessionsRequest(
        watches=[pb.SessionWatch(session_id=session.session_id), pb.SessionWatch(session_id=new_id())]
    )
    watch = place.stub.WatchSessions(sessions, metadata=by_key(key))
    await watch.read()

    await place.reloaded(place.keys, json.dumps({**json.loads(line), "expires_at": soon}).encode(), "api_keys")
    ends = [message.end.reason for message in await rest_of(watch) if message.WhichOneof("payload") == "end"]
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await commands.read()

    assert EXPIRED in ends
    assert problem_of(refusal.value).reason == "CREDENTIALS_EXPIRED"
    problem = await refused(place.stub.ListSessions(pb.ListSessionsRequest(), metadata=by_key(key)))
    assert problem.reason == "CREDENTIALS_EXPIRED"


async def test_each_command_takes_the_scope_of_its_call(place: Place, tmp_path: Path) -> None:
    """A stream that may write does not read or adjust by that."""
    key = write_key(tmp_path / "k", "k", Scope.SESSIONS_WRITE)
    await place.reloaded(place.keys, (tmp_path / "k").read_bytes(), "api_keys")
    created = (await place.stub.CreateSession(two_players(), metadata=by_key(key))).session
    stream = place.stub.ExecuteCommands(metadata=by_key(key))
    sid = created.session_id
    for number, command in enumerate(
        (
            {"start_session": pb.StartSessionRequest(session_id=sid)},
            {"get_session": pb.GetSessionRequest(session_id=sid)},
            {"adjust_time": pb.AdjustTimeRequest(session_id=sid)},
            {"delete_session": pb.DeleteSessionRequest(session_id=sid)},
        )
    ):
        await stream.write(pb.ExecuteCommandsRequest(command_id=str(number), **command))
    await stream.done_writing()

    codes = {answer.command_id: answer.status.code async for answer in stream}

    denied = grpc.StatusCode.PERMISSION_DENIED.value[0]
    assert codes == {"0": 0, "1": denied, "2": denied, "3": denied}


async def test_the_actor_is_whoever_the_credentials_say(place: Place, tmp_path: Path) -> None:
    """Whom the call names is who that is done for; that is nobody's word but the caller's, yet never the system's."""
    key = write_key(tmp_path / "k", "k", subject="club")
    await place.reloaded(place.keys, (tmp_path / "k").read_bytes(), "api_keys")
    session = (await place.stub.CreateSession(two_players(), metadata=by_key(key))).session
    watched = pb.WatchSessionRequest(session_id=session.session_id)
    async with reading(Recording(place.stub.WatchSession(watched, metadata=by_key(key)))) as recording:
        await recording.until(lambda one: one.of("snapshot"))
        start = pb.StartSessionRequest(session_id=session.session_id)
        await place.stub.StartSession(start, metadata=(*by_key(key), ("x-actor", "somebody")))
        await recording.until(lambda one: one.of("event"))

        pause = pb.PauseSessionRequest(session_id=session.session_id)
        problem = await refused(place.stub.PauseSession(pause, metadata=(*by_key(key), ("x-actor", " System"))))

    assert list(problem.fields) == ["x-actor"]
    told = recording.of("event")[0].event
    assert (told.actor, told.on_behalf_of) == ("club", "somebody")


async def test_no_log_shows_a_credential(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is refused or admitted, the log has the ids of keys alone."""
    monkeypatch.setattr(credential_refusals, "TELL_S", 0.0)
    signer = Signer("s")
    key, wrong = write_key(tmp_path / "k", "known-key"), f"sk_{new_id()}"
    tokens = [signer.token(), signer.token(exp=1), signer.token(scope=""), Signer("s").token(), signer.unsigned()]
    with capture_logs() as logs:
        await place.reloaded(place.keys, (tmp_path / "k").read_bytes(), "api_keys")
        await place.reloaded(place.jwks, key_set(signer), "jwks")
        for metadata in (by_key(key), by_key(wrong), *map(by_token, (*tokens, key, wrong))):
            call = place.stub.ListSessions(pb.ListSessionsRequest(), metadata=metadata)
            await call.code()
        await place.reloaded(place.keys, (tmp_path / "k").read_bytes() + wrong.encode(), "api_keys", "broken")
        await place.reloaded(place.jwks, json.dumps({"keys": [{"kty": wrong}]}).encode(), "jwks", "broken")

    text = f"{logs}{caplog.text}"
    assert "credentials_refused" in text
    assert "jwt:s" in text
    for secret in (key, wrong, *tokens):
        assert secret not in text
        assert secret.rsplit(".", 1)[-1] not in text or secret.endswith(".")


@pytest.fixture
def provider() -> Iterator[KeyProvider]:
    """A provider of keys."""
    with providing() as provider:
        yield provider


async def test_keys_are_fetched_again_for_an_unknown_one(
    redis_server: RedisServer, provider: KeyProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But not for every one, whoever asks; and while there are none to be had, the last ones go on."""
    monkeypatch.setattr(fetched_keys, "APART_S", 3_600.0)
    first, second = Signer("1"), Signer("2")
    provider.content = key_set(first)
    settings = settings_for(redis_server.url, auth_jwks=provider.url, auth_issuer=ISSUER, auth_audience=AUDIENCE)
    async with serving(settings) as server, grpc.aio.insecure_channel(server.address) as channel:
        stub: Any = SessionServiceStub(channel)
        await stub.ListSessions(pb.ListSessionsRequest(), metadata=by_token(first.token()))
        provider.content = key_set(first, second)
        calls = [stub.ListSessions(pb.ListSessionsRequest(), metadata=by_token(second.token())) for _ in range(20)]
        soon = [await call.code() for call in calls]
        asked = provider.asked
        monkeypatch.setattr(fetched_keys, "APART_S", 0.0)
        await stub.ListSessions(pb.ListSessionsRequest(), metadata=by_token(second.token()))
        provider.content = b"away"
        server.reloading.ask()
        await eventually(lambda: provider.asked > asked + 1)
        await stub.ListSessions(pb.ListSessionsRequest(), metadata=by_token(second.token(sub="bob")))

    assert set(soon) == {grpc.StatusCode.UNAUTHENTICATED}
    assert asked == 1


async def test_a_key_that_its_provider_takes_out_counts_for_less_than_a_minute(
    redis_server: RedisServer, provider: KeyProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to ask: keys are fetched again, and what was verified and open streams go by the new ones."""
    longest_s = fetched_keys.REFRESH_S + fetched_keys.TIMEOUT_S
    monkeypatch.setattr(fetched_keys, "REFRESH_S", 0.1)
    taken_out, kept = Signer("1"), Signer("2")
    provider.content = key_set(taken_out, kept)
    settings = settings_for(redis_server.url, auth_jwks=provider.url, auth_issuer=ISSUER, auth_audience=AUDIENCE)
    async with serving(settings) as server, grpc.aio.insecure_channel(server.address) as channel:
        stub: Any = SessionServiceStub(channel)
        by = by_token(taken_out.token())
        created = await stub.CreateSession(pb.CreateSessionRequest(mode=MODE_COUNT_UP), metadata=by)
        watch = stub.WatchSession(pb.WatchSessionRequest(session_id=created.session.session_id), metadata=by)
        first = await watch.read()
        provider.content = key_set(kept)
        last = await asyncio.wait_for(watch.read(), 10)
        code = await stub.ListSessions(pb.ListSessionsRequest(), metadata=by).code()
        await stub.ListSessions(pb.ListSessionsRequest(), metadata=by_token(kept.token()))

    assert longest_s < 60
    assert first.HasField("snapshot")
    assert last.end.reason == EXPIRED
    assert code is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("without", [b'{"keys": []}', b'{"keys": [{"kty": "oct", "use": "enc", "k": "c2hvcnQ"}]}'])
async def test_a_provider_that_answers_with_no_key_takes_all_back(
    redis_server: RedisServer, provider: KeyProvider, monkeypatch: pytest.MonkeyPatch, without: bytes
) -> None:
    """What was verified and open streams end; the alert for broken keys goes on until there are some again."""
    monkeypatch.setattr(fetched_keys, "REFRESH_S", 0.1)
    monkeypatch.setattr(fetched_keys, "APART_S", 0.1)
    signer = Signer("1")
    by = by_token(signer.token())
    provider.content = key_set(signer)
    settings = settings_for(redis_server.url, auth_jwks=provider.url, auth_issuer=ISSUER, auth_audience=AUDIENCE)
    with capture_logs() as logs:
        async with serving(settings) as server, grpc.aio.insecure_channel(server.address) as channel:
            stub: Any = SessionServiceStub(channel)
            created = await stub.CreateSession(pb.CreateSessionRequest(mode=MODE_COUNT_UP), metadata=by)
            watch = stub.WatchSession(pb.WatchSessionRequest(session_id=created.session.session_id), metadata=by)
            first = await watch.read()
            provider.content = without
            last = await asyncio.wait_for(watch.read(), 10)
            code = await stub.ListSessions(pb.ListSessionsRequest(), metadata=by).code()
            asked = provider.asked
            await eventually(lambda: provider.asked > asked + 2)
            provider.content = key_set(signer)
            await eventually(lambda: len([line for line in logs if line["event"] == "keys_fetched"]) == 2)
            await stub.ListSessions(pb.ListSessionsRequest(), metadata=by)

    assert first.HasField("snapshot")
    assert last.end.reason == EXPIRED
    assert code is grpc.StatusCode.UNAUTHENTICATED
    assert [line["log_level"] for line in logs if line["event"] == "keys_revoked"] == ["error"]


async def test_no_key_is_an_alarm_at_each_answer_and_no_answer_takes_none_back(provider: KeyProvider) -> None:
    """A set that is malformed, or has a broken key, says nothing of the keys there were."""
    told: list[tuple[str, str]] = []
    changes: list[int] = []
    keys = FetchedKeys(provider.url, lambda *outcome: told.append(outcome), lambda: changes.append(len(keys.keys)))
    broken = json.dumps({"keys": [{**Signer("k").public, "x": "broken"}]}).encode()
    had = []
    for content in (key_set(Signer("k")), b'{"keys": ', b'{"keys": {}}x', broken, b'{"keys": []}', b'{"keys": []}'):
        provider.content = content
        await keys.refresh()
        had.append(len(keys.keys))

    assert had == [1, 1, 1, 1, 0, 0]
    assert told == [("jwks", "changed"), *[("jwks", "broken")] * 5]
    assert changes == [1, 0]


@pytest.mark.parametrize("trick", ["redirect", "too long", "no keys"])
async def test_a_provider_that_cannot_be_trusted_gives_no_keys(provider: KeyProvider, trick: str) -> None:
    """A redirect leads nowhere, and what is too long is not read to its end."""
    provider.content = {"too long": b" " * 100_000 + key_set(Signer("k"))}.get(trick, b"{}")
    with providing() as elsewhere:
        elsewhere.content = key_set(Signer("k"))
        provider.location = elsewhere.url if trick == "redirect" else ""
        told: list[tuple[str, str]] = []
        keys = FetchedKeys(provider.url, lambda *outcome: told.append(outcome), lambda: None)

        await keys.refresh()

    assert (told, list(keys.keys)) == ([("jwks", "broken")], [])
    assert elsewhere.asked == 0
