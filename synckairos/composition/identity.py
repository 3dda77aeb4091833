"""Who may call, put together from the settings; None where everybody may."""

import time
from collections.abc import Callable
from pathlib import Path

from synckairos.adapters.credentials.api_keys import ApiKeys, read_keys
from synckairos.application.admission.overload import Overload
from synckairos.application.authentication import Authentication
from synckairos.application.background import Background
from synckairos.application.identity import Authenticator
from synckairos.composition.ports.exposure import TokenKeyMissingError
from synckairos.composition.reloading import Reloaded, Reloading
from synckairos.rpc.admission.access import Access
from synckairos.rpc.interceptor import Context
from synckairos.settings import Settings

Tell = Callable[[str, str], None]


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
        path = Path(settings.auth_api_keys)
        files = Reloaded("api_keys", [path], lambda: read_keys(path.read_bytes()), tell)
        files.on_change(authentication.reloaded)
        reloading.add(files)
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

    path = Path(settings.auth_certificates)
    files = Reloaded("certificates", [path], lambda: read_certificates(path.read_bytes()), tell)
    files.on_change(on_change)
    reloading.add(files)
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
    path = Path(settings.auth_jwks)
    files = Reloaded("jwks", [path], lambda: read_key_set(path.read_bytes(), may_share_secrets=True), tell)
    files.on_change(on_change)
    reloading.add(files)
    return BearerTokens(lambda: files.current, rules)
