"""Who calls and what they may, decided before a handler sees the call, and again while a stream lasts."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import structlog

from synckairos.application.authentication import Authentication
from synckairos.application.errors import CredentialsExpired, CredentialsInvalid, ScopeMissing, Unauthenticated
from synckairos.application.identity import Identity, Presented, Scope
from synckairos.rpc.scopes import OPEN, REFLECTION, scope_of

if TYPE_CHECKING:
    from synckairos.rpc.interceptor import Behaviour, Context

AUTHORIZATION: Final = "authorization"
API_KEY: Final = "x-api-key"
LOOK_S: Final = 60.0
"""The longest sleep until credentials expire: the machine's clock may be set meanwhile."""

_log = structlog.get_logger(__name__)


class Standing:
    """The credentials of a call while it lasts; `identity` is as of the latest judgement."""

    __slots__ = ("_lost", "_on_loss", "identity", "method", "presented")

    def __init__(self, method: str, presented: Presented, identity: Identity) -> None:
        self.method = method
        self.presented = presented
        self.identity = identity
        self._lost: Exception | None = None
        self._on_loss: Callable[[Exception], None] | None = None

    def require(self, method: str) -> None:
        """Raise ScopeMissing unless the caller may make a call, by its full name."""
        require(self.identity, scope_of(method))

    def on_loss(self, call: Callable[[Exception], None]) -> None:
        """Have a function called, with the reason, once the credentials no longer allow the call."""
        self._on_loss = call
        if self._lost is not None:
            call(self._lost)

    def over(self) -> None:
        """Forget who wants to hear of a loss: the call is over."""
        self._on_loss = None

    def lose(self, error: Exception) -> None:
        """Tell the call that its credentials no longer allow it."""
        if self._lost is None:
            self._lost = error
            if self._on_loss is not None:
                self._on_loss(error)


_standing: ContextVar[Standing | None] = ContextVar("standing", default=None)


def standing() -> Standing | None:
    """Return the credentials of the call that is being handled; None where nothing authenticates."""
    return _standing.get()


def require(identity: Identity, scope: Scope | None) -> None:
    """Raise ScopeMissing unless the caller has a scope."""
    if scope is not None and scope not in identity.scopes:
        raise ScopeMissing(scope.value, identity.credential_id)


def presented_in(metadata: Iterable[tuple[str, str | bytes]] | None) -> Presented:
    """Return the credentials in a call's metadata; raises CredentialsInvalid for what nobody can read."""
    bearer = api_key = ""
    for name, value in metadata or ():
        if name == AUTHORIZATION:
            if bearer:
                raise CredentialsInvalid("several authorization headers")
            bearer = _bearer(value)
        elif name == API_KEY:
            if api_key or not value or isinstance(value, bytes):
                raise CredentialsInvalid("x-api-key is empty, not text, or there several times")
            api_key = value
    return Presented(bearer, api_key)


def _bearer(value: str | bytes) -> str:
    scheme, _, token = ("" if isinstance(value, bytes) else value).strip().partition(" ")
    if scheme.casefold() != "bearer" or not token.strip():
        raise CredentialsInvalid("authorization is not `Bearer` and a token")
    return token.strip()


class Access:
    """Admits calls to their handlers, and follows the credentials of open streams."""

    def __init__(self, authentication: Authentication, *, reflection_is_open: bool = False) -> None:
        self._authentication = authentication
        self._open = (OPEN, REFLECTION) if reflection_is_open else (OPEN,)
        self._streams: dict[Standing, asyncio.TimerHandle | None] = {}
        self._judging: set[asyncio.Task[None]] = set()
        authentication.on_reload(self._on_reload)

    def guards(self, method: str) -> bool:
        """Whether a call takes credentials at all."""
        return not method.startswith(self._open)

    def guarded(self, method: str, inner: Callable[[Any, Any], Awaitable[Any]], *, is_stream: bool) -> "Behaviour":
        """Return a behaviour that is preceded by the admission."""

        async def unary(request: Any, context: "Context") -> Any:  # noqa: ANN401 - any message
            _standing.set(await self.admit(method, context))
            return await inner(request, context)

        async def stream(request: Any, context: "Context") -> Any:  # noqa: ANN401 - any message
            admitted = await self.admit(method, context)
            _standing.set(admitted)
            self._look(admitted)
            try:
                return await inner(request, context)
            finally:
                admitted.over()
                timer = self._streams.pop(admitted)
                if timer is not None:
                    timer.cancel()

        return stream if is_stream else unary

    async def admit(self, method: str, context: "Context") -> Standing:
        """Return who calls; raises CredentialsMissing, CredentialsInvalid, CredentialsExpired, ScopeMissing."""
        try:
            presented = presented_in(context.invocation_metadata())
            identity = self._authentication.remembered(presented) or await self._authentication.identify(presented)
            require(identity, scope_of(method))
        except (Unauthenticated, ScopeMissing) as error:
            _tell(method, error)
            raise
        return Standing(method, presented, identity)

    def _look(self, stream: Standing) -> None:
        """Wait for the instant at which the stream's credentials expire."""
        left = stream.identity.expires_at - self._authentication.now()
        self._streams[stream] = asyncio.get_running_loop().call_later(
            min(max(left, 0.0), LOOK_S), self._look if left > 0 else self._expire, stream
        )

    def _look_again(self, stream: Standing) -> None:
        """Wait for another instant: the credentials may expire sooner or later now. The stream may be over."""
        timer = self._streams.get(stream)
        if timer is not None:
            timer.cancel()
            self._look(stream)

    def _expire(self, stream: Standing) -> None:
        self._streams[stream] = None
        stream.lose(CredentialsExpired("while a stream was open", stream.identity.credential_id))

    def _on_reload(self) -> None:
        task = asyncio.get_running_loop().create_task(self._judge_again())
        self._judging.add(task)
        task.add_done_callback(self._judging.discard)

    async def _judge_again(self) -> None:
        for stream in list(self._streams):
            known = self._authentication
            try:
                stream.identity = known.remembered(stream.presented) or await known.identify(stream.presented)
                stream.require(stream.method)
                self._look_again(stream)
            except (Unauthenticated, ScopeMissing) as error:
                _tell(stream.method, error)
                stream.lose(error)
            except Exception as error:
                _log.error("stream_not_judged", method=stream.method, exc_info=error)
            # Verifying takes the loop's time, and there may be thousands of streams.
            await asyncio.sleep(0)


def _tell(method: str, error: Unauthenticated | ScopeMissing) -> None:
    """Log a refusal: never the credentials, only their id."""
    problem = error.problem if isinstance(error, Unauthenticated) else str(error)
    _log.info(
        "credentials_refused", method=method, reason=error.reason, problem=problem, credential=error.credential_id
    )
