"""Every call of every service has its scope, and a server with one that has none does not start."""

import pytest

from synckairos.composition.listeners.http_port import SERVICES
from synckairos.rpc.admission import scopes
from synckairos.rpc.admission.scopes import SCOPES, ScopeUndecidedError
from synckairos.rpc.interceptor import CallInterceptor
from synckairos.rpc.server import TIME_SERVICE, Health, build_server
from tests.unit.rpc.use_cases import Observed


def test_the_table_has_every_call_and_no_other() -> None:
    """The descriptors say which there are."""
    assert set(SCOPES) == {f"/{service.full_name}/{method.name}" for service in SERVICES for method in service.methods}


async def test_a_call_without_a_scope_keeps_the_server_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that somebody adds to the contract is not open by accident."""
    path = "/synckairos.v1.TimeService/SyncTime"
    monkeypatch.setattr(scopes, "SCOPES", {name: scope for name, scope in SCOPES.items() if name != path})

    with pytest.raises(ScopeUndecidedError, match=path):
        build_server({TIME_SERVICE: ()}, CallInterceptor(Observed(), lambda: "id"), Health())
