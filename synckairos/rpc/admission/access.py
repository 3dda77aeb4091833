"""Who calls and what they may, decided before a handler sees the call, and again while a stream lasts."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog

from synckairos.application.admission.overload import Overload
from synckairos.application.authentication import Authentication
from synckairos.application.errors import (
    CredentialsExpired,
    CredentialsInvalid,
    CredentialsMissing,
    ScopeMissing,
    Unauthenticated,
)
from synckairos.application.identity import Identity, Presented, Scope
from synckairos.domain.tenancy import DEFAULT_TENANT, qualify
from synckairos.rpc.admission.credential_refusals import CredentialRefusals
from synckairos.rpc.admission.peers import forwarded_peer
from synckairos.rpc.admission.scopes import OPEN, REFLECTION, scope_of
from synckairos.rpc.admission.turnstile import was_tried

if TYPE_CHECKING:
    from synckairos.rpc.interceptor import Behaviour, Context

AUTHORIZATION: Final = "authorization"
USUAL: Final = "Bearer "
"""How nearly everybody writes it."""
API_KEY: Final = "x-api-key"
FORWARDED_FOR: Final = "x-forwarded-for"
LOOK_S: Final = 60.0
"""The longest sleep until credentials expire: the machine's clock may be set meanwhile."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False, repr=False)  # a repr would show the credentials
class Standing:
    """The credentials of a call while it lasts; `identity` is as of the latest judgement.

    `forwarded_for` is where the caller is, by the word of a connection that may speak for others; empty otherwise.
    `metadata` are the call's where they have been looked at already: gRPC makes them anew whenever it is asked.
    """

    method: str
    presented: Presented
    identity: Identity
    forwarded_for: str = ""
    metadata: Iterable[tuple[str, str | bytes]] = ()
    _lost: Exception | None = field(default=None, init=False)
    _on_loss: Callable[[Exception], None] | None = field(default=None, init=False)

    def judged(self, identity: Identity) -> None:
        """Take what a later judgement says; raises CredentialsInvalid for another tenant, ScopeMissing."""
        if identity.tenant != self.identity.tenant:
            raise CredentialsInvalid("of another tenant than when the stream began", identity.credential_id)
        self.identity = identity
        self.require(self.method)

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


def tenant() -> str:
    """Return the tenant of the call that is being handled."""
    known = _standing.get()
    return DEFAULT_TENANT if known is None else known.identity.tenant


def qualified(session_id: str) -> str:
    """Return the qualified id of a session of that tenant."""
    known = _standing.get()
    return session_id if known is None else qualify(known.identity.tenant, session_id)


def require(identity: Identity, scope: Scope | None) -> None:
    """Raise ScopeMissing unless the caller has a scope."""
    if scope is not None and scope not in identity.scopes:
        raise ScopeMissing(scope.value, identity.credential_id)


def not_forwarding(identity: Identity) -> Identity:
    """Return a caller; raises CredentialsMissing for a connection that only carries the calls of others."""
    if Scope.FORWARD in identity.scopes:
        raise CredentialsMissing("a connection that speaks for others", identity.credential_id)
    return identity


def presented_in(metadata: Iterable[tuple[str, str | bytes]] | None, certificate: bytes = b"") -> Presented:
    """Return the credentials of a call, in its metadata and of its connection; raises CredentialsInvalid."""
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
    return Presented(bearer, api_key, certificate)


def _bearer(value: str | bytes) -> str:
    if isinstance(value, str) and value.startswith(USUAL) and (usual := value[len(USUAL) :].strip()):
        return usual
    scheme, _, token = ("" if isinstance(value, bytes) else value).strip().partition(" ")
    if scheme.casefold() != "bearer" or not token.strip():
        raise CredentialsInvalid("authorization is not `Bearer` and a token")
    return token.strip()


class Access:
    """Admits calls to their handlers, and follows the credentials of open streams."""

    def __init__(
        self,
        authentication: Authentication,
        *,
        reflection_is_open: bool = False,
        certificate: "Callable[[Context], bytes] | None" = None,
        overload: Overload | None = None,
    ) -> None:
        """`certificate` returns what the connection of a call has shown (PEM), None where certificates say nothing.

        Without `overload` as many calls as there are may have it found out whose they are.
        """
        self._authentication = authentication
        self._certificate = certificate
        self._overload = overload
        self._refusals = CredentialRefusals()
        self._open = (OPEN, REFLECTION) if reflection_is_open else (OPEN,)
        self._streams: dict[Standing, asyncio.TimerHandle | None] = {}
        self._judging: set[asyncio.Task[None]] = set()
        authentication.on_reload(self._on_reload)

    def guards(self, method: str) -> bool:
        """Whether a call takes credentials at all."""
        return not method.startswith(self._open)

    def guarded(self, method: str, inner: Callable[[Any, Any], Awaitable[Any]], *, is_stream: bool) -> "Behaviour":
        """Return a behaviour that is preceded by the admission."""

        scope = scope_of(method)

        async def unary(request: Any, context: "Context") -> Any:  # noqa: ANN401 - any message
            _standing.set(self._at_once(method, scope, context) or await self.admit(method, context))
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

    def _at_once(self, method: str, scope: Scope | None, context: "Context") -> Standing | None:
        """Return who calls if nothing has to be waited for, as for nearly every call; None leaves it to `admit`."""
        if self._certificate is not None:
            return None
        metadata = context.invocation_metadata()
        try:
            presented = presented_in(metadata)
        except CredentialsInvalid:
            return None
        identity = self._authentication.remembered(presented)
        if identity is None or Scope.FORWARD in identity.scopes or not (scope is None or scope in identity.scopes):
            return None
        return Standing(method, presented, identity, "", metadata or ())

    def knows(self, context: "Context") -> bool:
        """Return whether it is known at once whose a call is."""
        try:
            return self._authentication.remembered(self._presented(context)) is not None
        except CredentialsInvalid:
            return False

    def _presented(self, context: "Context") -> Presented:
        certificate = b"" if self._certificate is None else self._certificate(context)
        return presented_in(context.invocation_metadata(), certificate)

    async def admit(self, method: str, context: "Context") -> Standing:
        """Return who calls.

        Raises CredentialsMissing, CredentialsInvalid, CredentialsExpired, ScopeMissing, Overloaded.
        """
        try:
            presented = self._presented(context)
            certificate = presented.certificate
            identity = not_forwarding(self._authentication.remembered(presented) or await self._met(presented, context))
            require(identity, scope_of(method))
            forwarded_for = await self._forwarded_for(certificate, context) if certificate else ""
        except (Unauthenticated, ScopeMissing) as error:
            self._stay_stranger()
            self._refusals.note(method, error, context)
            raise
        return Standing(method, presented, identity, forwarded_for)

    async def _met(self, presented: Presented, context: "Context") -> Identity:
        """Verify the credentials of a stranger, if there are not too many; raises Overloaded, Unauthenticated."""
        overload = self._overload
        if overload is None:
            return await self._authentication.identify(presented)
        if (error := overload.refusal_of_stranger(was_tried=was_tried(context))) is not None:
            raise error
        overload.strangers += 1
        try:
            return await self._authentication.identify(presented)
        finally:
            overload.strangers -= 1

    def _stay_stranger(self) -> None:
        """Count a call among the strangers until it has been told that its credentials do not do."""
        task = asyncio.current_task()
        if self._overload is not None and task is not None:
            self._overload.strangers += 1
            task.add_done_callback(self._stranger_left)

    def _stranger_left(self, _told: asyncio.Task[Any]) -> None:
        if self._overload is not None:
            self._overload.strangers -= 1

    async def _identify(self, presented: Presented) -> Identity:
        known = self._authentication
        return not_forwarding(known.remembered(presented) or await known.identify(presented))

    async def _forwarded_for(self, certificate: bytes, context: "Context") -> str:
        said = [value for name, value in context.invocation_metadata() or () if name == FORWARDED_FOR]
        if not said:
            return ""
        carrier, known = Presented(certificate=certificate), self._authentication
        try:
            identity = known.remembered(carrier) or await known.identify(carrier)
        except Unauthenticated:
            return ""
        return forwarded_peer(said[-1]) if Scope.FORWARD in identity.scopes else ""

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
            try:
                stream.judged(await self._identify(stream.presented))
                self._look_again(stream)
            except (Unauthenticated, ScopeMissing) as error:
                self._refusals.note(stream.method, error)
                stream.lose(error)
            except Exception as error:
                _log.error("stream_not_judged", method=stream.method, exc_info=error)
            # Verifying takes the loop's time, and there may be thousands of streams.
            await asyncio.sleep(0)
