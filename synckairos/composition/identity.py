"""Who may call, put together from the settings; None where everybody may."""

import time
from collections.abc import Callable
from functools import partial

from synckairos.adapters.credentials.api_keys import ApiKeys, read_keys
from synckairos.application.admission.overload import Overload
from synckairos.application.authentication import Authentication
from synckairos.application.background import Background
from synckairos.application.identity import Authenticator
from synckairos.composition.listeners.exposure import TokenKeyMissingError
from synckairos.composition.reloading import Reloading, Tell
from synckairos.rpc.admission.access import Access
from synckairos.rpc.interceptor import Context
from synckairos.settings import Settings


def opened_access(
    settings: Settings,
    reloading: Reloading,
    background: Background,
    tell: Tell,
    certificate: Callable[[Context], bytes],
    overload: Overload,
) -> Access | None:
    """Return what admits calls, kept up to date by `reloading` and `background`.

    `certificate` returns the certificate (PEM) that the connection of a call has shown; `overload` counts the calls of
    strangers. Raises UnusableFilesError, TokenKeyMissingError.
    """
    authenticators: list[Authenticator] = []
    authentication = Authentication(authenticators, time.time)
    if settings.auth_api_keys:
        files = reloading.followed("api_keys", settings.auth_api_keys, read_keys, tell)
        files.on_change(authentication.reloaded)
        authenticators.append(ApiKeys(lambda: files.current))
    if settings.auth_jwks:
        authenticators.append(_tokens(settings, reloading, background, tell, authentication.reloaded))
    # Last: what a call says of itself goes before what its connection has shown.
    if settings.auth_certificates:
        authenticators.append(_certificates(settings, reloading, tell, authentication.reloaded))
    if not authenticators:
        return None
    if settings.token_key is None:
        raise TokenKeyMissingError
    return Access(
        authentication,
        reflection_is_open=settings.reflection == "open",
        certificate=certificate if settings.auth_certificates else None,
        overload=overload,
    )


def _certificates(settings: Settings, reloading: Reloading, tell: Tell, on_change: Callable[[], None]) -> Authenticator:
    # Its library takes a while to import, too.
    from synckairos.adapters.credentials.certificates import Certificates, read_certificates  # noqa: PLC0415

    files = reloading.followed("certificates", settings.auth_certificates, read_certificates, tell)
    files.on_change(on_change)
    return Certificates(lambda: files.current)


def _tokens(
    settings: Settings, reloading: Reloading, background: Background, tell: Tell, on_change: Callable[[], None]
) -> Authenticator:
    # Its library takes a while to import, and most servers on a developer's machine do without.
    from synckairos.adapters.credentials.bearer_tokens import BearerTokens, TokenRules  # noqa: PLC0415
    from synckairos.adapters.credentials.fetched_keys import FetchedKeys  # noqa: PLC0415
    from synckairos.adapters.credentials.key_sets import read_key_set  # noqa: PLC0415

    rules = TokenRules(
        settings.auth_issuer, settings.auth_audience, settings.auth_tenant_claim, settings.auth_default_tenant
    )
    if "://" in settings.auth_jwks:
        fetched = FetchedKeys(settings.auth_jwks, tell, on_change)
        reloading.also(fetched.ask)
        background.run("jwks", fetched.run)
        return BearerTokens(lambda: fetched.keys, rules, fetched.look)
    files = reloading.followed("jwks", settings.auth_jwks, partial(read_key_set, may_share_secrets=True), tell)
    files.on_change(on_change)
    return BearerTokens(lambda: files.current, rules)
