"""What Prometheus reads of a server, a worker and a gateway, and what alerts and dashboards make of it."""

import asyncio
import json
import re
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from synckairos.devstack import PostgresServer, RedisServer
from testing.harness.client import connect, running_session
from testing.harness.documents import ROOT
from testing.harness.http_calls import call_json
from testing.harness.processes.audit_databases import audit_database
from testing.harness.processes.gateway_process import GatewayProcess
from testing.harness.processes.server_process import ServerProcess, free_port
from testing.harness.processes.worker_process import WorkerProcess
from testing.harness.waiting import eventually

METRIC = re.compile(r"^# TYPE (\w+) (\w+)$", re.MULTILINE)
USED = re.compile(r"\b(?:synckairos|process)_\w+|\bup\b")
DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
PARTS = {"histogram": ("_bucket", "_count", "_sum")}


async def scrape(address: str) -> str:
    """Return what a process shows, once it shows the whole pipeline or is a gateway."""
    text = ""

    def read() -> None:
        nonlocal text
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as reply:
            text = reply.read().decode()

    async def is_complete() -> bool:
        await asyncio.to_thread(read)
        return "synckairos_gateway" in text or "synckairos_audit_written_total" in text

    await eventually(is_complete)
    return text


def names(text: str) -> set[str]:
    """Return the names of the series that a page has, or will have once something happens."""
    return {name + part for name, kind in METRIC.findall(text) for part in PARTS.get(kind, ("",))}


@pytest.fixture(scope="module")
async def scraped(
    redis_server: RedisServer, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, str]]:
    """The page of each kind of process, after a call through the gateway."""
    folder = tmp_path_factory.mktemp("monitoring")
    at = {kind: f"127.0.0.1:{free_port()}" for kind in ("server", "worker", "gateway")}
    async with audit_database(postgres_server) as url:
        both = {"redis_prefix": "monitoring", "database_url": url}
        server = ServerProcess(redis_server.url, folder / "server.log", metrics_listen=at["server"], **both)
        worker = WorkerProcess(
            redis_server.url, folder / "worker.log", worker_processes="2", worker_metrics_listen=at["worker"], **both
        )
        with server, worker:
            gateway = GatewayProcess(server.address, folder / "gateway.log", gateway_metrics_listen=at["gateway"])
            with gateway:
                async with connect(server.address) as stub:
                    await running_session(stub)
                await call_json(gateway.address, "SessionService/ListSessions", {})
                yield {kind: await scrape(address) for kind, address in at.items()}


async def test_every_process_says_what_it_is_and_does(scraped: dict[str, str]) -> None:
    """The build everywhere; calls of the server and of the gateway; what the worker reaches."""
    assert all("synckairos_build_info{" in page for page in scraped.values())
    assert {"synckairos_calls_under_way", "synckairos_ready", "process_open_fds"} <= names(scraped["server"])
    assert "synckairos_store_batch_calls_bucket" in names(scraped["server"])
    assert "synckairos_audit_database_up 1.0" in scraped["worker"]
    assert 'synckairos_pool_limit{pool="postgres"}' in scraped["worker"]
    assert re.search(r'synckairos_gateway_call_seconds_count\{code="OK",method="[^"]*List\w*"\} 1', scraped["gateway"])
    assert "synckairos_ready" not in names(scraped["worker"]) | names(scraped["gateway"])


async def test_no_label_can_take_any_number_of_values(scraped: dict[str, str]) -> None:
    """Methods, codes, reasons and the like: never a session, a participant or a caller."""
    labels = {
        name for page in scraped.values() for found in re.findall(r"\{([^}]*)\}", page) for name in _labels(found)
    }

    assert labels <= {
        "method", "code", "reason", "le", "state", "pool", "task", "version", "python", "grpcio",
    }  # fmt: skip


def _labels(text: str) -> list[str]:
    return re.findall(r'(\w+)="', text)


def alerts() -> list[dict[str, Any]]:
    """Return every alert."""
    groups = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def exposed(scraped: dict[str, str]) -> set[str]:
    """Return what can be asked for: all that the processes show, and what Prometheus adds itself."""
    return {"up"}.union(*map(names, scraped.values()))


def queries(dashboard: Path) -> list[str]:
    """Return every query of a dashboard."""
    panels = json.loads(dashboard.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


async def test_every_alert_watches_metrics_that_exist_and_has_its_runbook(scraped: dict[str, str]) -> None:
    """An alert on a misspelt name would never fire; one that nobody can act upon is noise."""
    known, headings = exposed(scraped), (ROOT / "docs/operations.md").read_text().splitlines()

    for alert in alerts():
        used = set(USED.findall(alert["expr"]))
        assert used, alert["alert"]
        assert used <= known, alert["alert"]
        assert f"### {alert['alert']}" in headings
        assert alert["annotations"]["runbook"] == f"docs/operations.md#{alert['alert'].lower()}"
        assert alert["labels"]["severity"] in {"critical", "warning"}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
async def test_every_panel_asks_for_metrics_that_exist(path: Path, scraped: dict[str, str]) -> None:
    """And says which, in every query of it."""
    asked = [set(USED.findall(query)) for query in queries(path)]

    assert all(asked)
    assert set[str]().union(*asked) <= exposed(scraped)
