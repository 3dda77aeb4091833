"""What docs/security.md tells people to run does what it says."""

import asyncio
import os
import shlex
import sys
from pathlib import Path

from structlog.testing import capture_logs

from synckairos.client import tls
from synckairos.devstack import RedisServer
from testing.harness.documents import blocks
from testing.harness.processes.commands import run_command
from testing.harness.processes.gateway_process import GatewayProcess
from testing.harness.processes.in_process import serving, settings_for
from testing.harness.processes.server_process import ServerProcess
from testing.harness.processes.warm_commands import program
from testing.harness.tokens import write_key

DOCUMENT = "docs/security.md"


async def shell(script: str, folder: Path) -> str:
    """Run a script with the `synckairos` of this environment; return what it printed."""
    path = f"{program().parent}{os.pathsep}{os.environ['PATH']}"
    done = await run_command("bash", "-euc", script, cwd=folder, PATH=path)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_certificates_are_made_served_and_shown(redis_server: RedisServer, tmp_path: Path) -> None:
    """The server of the document answers the callers of the document, and the gateway among them."""
    making, serving, calling, _ = blocks(DOCUMENT, "sh")
    await shell(making, tmp_path)
    words = [word.partition("=") for word in shlex.split(serving) if "=" in word]
    settings = {name.removeprefix("SYNCKAIROS_").lower(): str(tmp_path / file) for name, _, file in words}
    server = ServerProcess(redis_server.url, tmp_path / "server.log", redis_prefix="document", **settings)
    own = {"cert": str(tmp_path / "client-cert.pem"), "key": str(tmp_path / "client-key.pem")}
    server.credentials = tls(str(tmp_path / "ca.pem"), **own)
    caller = {"tls_ca": str(tmp_path / "ca.pem"), "tls_client_cert": own["cert"], "tls_client_key": own["key"]}
    with server:
        server.await_answer("SERVING")
        printed = await shell(calling.replace("50051", str(server.port)), tmp_path)
        with GatewayProcess(server.address, tmp_path / "gateway.log", **caller):
            pass  # it has said that its backend serves

    assert {name for name, _, _ in words} == {f"SYNCKAIROS_TLS_{name}" for name in ("CERT", "KEY", "CLIENT_CA")}
    assert printed.splitlines()[0] == "SERVING"


async def test_an_open_address_without_protection_is_refused(redis_server: RedisServer, tmp_path: Path) -> None:
    """By the process itself, before it listens; the waiver of the document lets it start."""
    command = (sys.executable, "-m", "synckairos")
    refused = await asyncio.gather(
        *(run_command(*command, word, "--listen", "0.0.0.0:0", cwd=tmp_path) for word in ("serve", "gateway"))
    )
    server = ServerProcess(
        redis_server.url, tmp_path / "open.log", redis_prefix="document", insecure="plaintext,anonymous",
        http_listen="0.0.0.0:0",
    )  # fmt: skip
    with server:
        log = server.log.read_text()

    for done in refused:
        assert done.returncode == 1
        assert "SYNCKAIROS_TLS_CERT" in done.stderr
        assert "SYNCKAIROS_TLS_CLIENT_CA" in done.stderr
        assert "Traceback" not in done.stderr
    assert log.count('"event": "insecure"') == 2


async def test_a_server_of_callers_takes_the_key_of_the_document(redis_server: RedisServer, tmp_path: Path) -> None:
    """It starts with what the document makes, and no log shows it."""
    *_, making = blocks(DOCUMENT, "sh")
    write_key(tmp_path / "keys.jsonl", "club", tenant="acme")

    key = await shell(f"{making}\nprintf %s $SYNCKAIROS_TOKEN_KEY", tmp_path)
    settings = settings_for(redis_server.url, auth_api_keys=str(tmp_path / "keys.jsonl"), token_key=key)
    with capture_logs() as logs:
        async with serving(settings) as server:
            assert server.port

    assert len(settings.token_keys[0]) == 32
    assert key not in repr(logs)
