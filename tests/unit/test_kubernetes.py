"""deploy/kubernetes is true to the project and to itself: settings, commands, ports, labels, time for the drain."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from synckairos.composition.listeners.exposure import ExposedError, require_protection
from synckairos.composition.server_process import CLOSE_S
from synckairos.composition.worker import END_S
from synckairos.settings import Settings
from testing.harness.documents import ROOT
from tests.unit.test_containers import command_exists

FOLDER = ROOT / "deploy/kubernetes"
BASE = {
    (one["kind"], one["metadata"]["name"]): one
    for path in sorted((FOLDER / "base").glob("*.yaml"))
    if path.name != "kustomization.yaml"
    for one in yaml.safe_load_all(path.read_text())
}
SETTINGS = BASE["ConfigMap", "synckairos"]["data"]
WORKLOADS = [name for name in BASE if name[0] in {"Deployment", "Job", "CronJob"}]
NAME = "app.kubernetes.io/name"
SECRETS = {
    "synckairos-server": "synckairos-server",
    "synckairos-worker": "synckairos-worker",
    "synckairos-migrate": "synckairos-owner",
    "synckairos-upkeep": "synckairos-owner",
}


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    """Return the pod that a workload makes."""
    spec = workload["spec"]["jobTemplate"]["spec"] if workload["kind"] == "CronJob" else workload["spec"]
    return dict(spec["template"])


def container(workload: dict[str, Any]) -> dict[str, Any]:
    """Return the one container of a workload's pods."""
    (one,) = pod(workload)["spec"]["containers"]
    return dict(one)


def selectors(thing: Any) -> Iterator[dict[str, str]]:
    """Yield everything that selects pods of ours, wherever it stands."""
    if isinstance(thing, dict):
        for name, value in thing.items():
            if name == "matchLabels" or (name == "selector" and NAME in value):
                yield value
            else:
                yield from selectors(value)
    elif isinstance(thing, list):
        for value in thing:
            yield from selectors(value)


def test_every_variable_is_a_setting() -> None:
    """A misspelt one would be ignored without a word; each stands in .env.example."""
    texts = "".join(path.read_text() for path in FOLDER.rglob("*.yaml"))
    named = set(re.findall(r"SYNCKAIROS_[A-Z_]+", texts))

    assert named <= {f"SYNCKAIROS_{name.upper()}" for name in Settings.model_fields}
    assert named <= set(re.findall(r"SYNCKAIROS_[A-Z_]+", (ROOT / ".env.example").read_text()))


@pytest.mark.parametrize("name", WORKLOADS, ids=lambda name: name[1])
def test_every_pod_runs_a_known_command_without_privileges(name: tuple[str, str]) -> None:
    """With the settings and a secret of its own by reference, the gateway without; no value of a secret anywhere."""
    one = container(BASE[name])
    words = [word for word in one["args"] if re.fullmatch(r"[a-z]+", word)]

    assert command_exists(words)
    # Not optional: a pod that waits for its secret is better than one that works with another account.
    own = [{"secretRef": {"name": SECRETS[name[1]]}}] if name[1] in SECRETS else []
    assert one["envFrom"] == [{"configMapRef": {"name": "synckairos"}}, *own]
    assert one["securityContext"]["readOnlyRootFilesystem"]
    assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod(BASE[name])["spec"]["securityContext"]["runAsNonRoot"]
    assert "env" not in one
    assert ("Secret" not in {kind for kind, _ in BASE}) is True


@pytest.mark.parametrize("name", WORKLOADS, ids=lambda name: name[1])
def test_ports_are_those_that_the_settings_open(name: tuple[str, str]) -> None:
    """And probes and Services ask for a port that the pod has."""
    one = container(BASE[name])
    ports = {port["name"]: port["containerPort"] for port in one.get("ports", [])}
    listens = {value.rpartition(":")[2] for value in [*SETTINGS.values(), *one["args"]] if ":" in value}

    assert {str(port) for port in ports.values()} <= listens
    assert {probe["httpGet"]["port"] for key, probe in one.items() if key.endswith("Probe")} <= set(ports)
    assert {probe["httpGet"]["path"] for key, probe in one.items() if key.endswith("Probe")} <= {"/healthz", "/readyz"}
    for service in (thing for (kind, _), thing in BASE.items() if kind == "Service"):
        if service["spec"]["selector"][NAME] == name[1]:
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= set(ports)
            assert all(ports[port["name"]] == port["port"] for port in service["spec"]["ports"] if port["port"] != 443)


def test_whatever_selects_pods_selects_some() -> None:
    """By the labels that the workloads give them."""
    given = [pod(BASE[name])["metadata"]["labels"] for name in WORKLOADS]
    monitors = list(yaml.safe_load_all((FOLDER / "monitoring/monitors.yaml").read_text()))
    ours = [one for one in selectors([*BASE.values(), *monitors]) if NAME in one]

    assert len(ours) >= 15
    assert [one for one in ours if not any(one.items() <= labels.items() for labels in given)] == []


def test_a_drain_fits_into_the_time_that_a_pod_has() -> None:
    """PreStop, delay, grace and closing, one after another; a worker by its own bound."""
    server, worker = BASE["Deployment", "synckairos-server"], BASE["Deployment", "synckairos-worker"]
    pause = int(container(server)["lifecycle"]["preStop"]["exec"]["command"][1])
    drain = float(SETTINGS["SYNCKAIROS_DRAIN_DELAY_S"]) + float(SETTINGS["SYNCKAIROS_DRAIN_GRACE_S"])
    ready = container(server)["readinessProbe"]

    assert pod(server)["spec"]["terminationGracePeriodSeconds"] > pause + drain + CLOSE_S
    assert pod(worker)["spec"]["terminationGracePeriodSeconds"] > END_S
    # Balancers must have seen NOT_SERVING before calls are refused.
    assert float(SETTINGS["SYNCKAIROS_DRAIN_DELAY_S"]) >= ready["periodSeconds"] * ready["failureThreshold"]


def test_partitions_are_made_by_the_owner_of_the_tables() -> None:
    """By the URL of the Job that migrates, often enough for the months made ahead, and never twice at once."""
    upkeep, migrate = BASE["CronJob", "synckairos-upkeep"], BASE["Job", "synckairos-migrate"]
    _, _, day_of_month, month, _ = upkeep["spec"]["schedule"].split()

    assert {**container(upkeep), "name": ""} == {**container(migrate), "name": ""}
    assert (day_of_month, month) == ("*", "*")
    assert upkeep["spec"]["concurrencyPolicy"] == "Forbid"


def test_every_process_is_given_the_secrets_that_it_needs_and_no_others() -> None:
    """As docs/deployment.md makes them: Redis for those who ask it, the key of tokens for servers, each its account."""
    document = (ROOT / "docs/deployment.md").read_text()
    made = {
        name: set(re.findall(r"--from-literal=(SYNCKAIROS_[A-Z_]+)=", text))
        for name, text in re.findall(r"create secret generic (synckairos-\S+) \\\n((?:.*\\\n)*.*\n)", document)
    }
    accounts = dict(re.findall(r"generic (synckairos-\S+) \\\n *--from-literal=\S+=postgresql://(\w+):", document))

    stores = {"SYNCKAIROS_REDIS_URL", "SYNCKAIROS_BROKER_URL", "SYNCKAIROS_DATABASE_URL"}
    assert made["synckairos-server"] == stores | {"SYNCKAIROS_TOKEN_KEY"}
    assert made["synckairos-worker"] == stores
    assert made["synckairos-owner"] == {"SYNCKAIROS_DATABASE_URL"}
    assert set(SECRETS.values()) <= set(made)
    names = Settings.model_fields
    assert accounts["synckairos-server"] == names["database_server_role"].default
    assert accounts["synckairos-worker"] == names["database_worker_role"].default
    assert accounts["synckairos-owner"] not in {accounts["synckairos-server"], accounts["synckairos-worker"]}


def test_a_gateway_needs_no_secret() -> None:
    """The settings of the base alone, with those of each overlay, are ones that it starts with."""
    for overlay in ("example", "trial"):
        added = yaml.safe_load((FOLDER / "overlays" / overlay / "settings.yaml").read_text())["data"]
        settings = Settings(
            _env_file=None, **_given({name: text for name, text in {**SETTINGS, **added}.items() if text})
        )
        require_protection(settings, {"SYNCKAIROS_HTTP_LISTEN": "0.0.0.0:8080"})


def test_the_base_lets_nobody_in_without_a_key() -> None:
    """Over TLS; only the overlay for trying out waives that, and says so."""
    trial = yaml.safe_load((FOLDER / "overlays/trial/settings.yaml").read_text())["data"]
    mounted = {
        one["name"]: one["mountPath"] for one in container(BASE["Deployment", "synckairos-server"])["volumeMounts"]
    }

    assert SETTINGS["SYNCKAIROS_AUTH_API_KEYS"].startswith(mounted["keys"])
    assert SETTINGS["SYNCKAIROS_TLS_CERT"].startswith(mounted["tls"])
    assert "SYNCKAIROS_INSECURE" not in SETTINGS
    assert trial == {"SYNCKAIROS_AUTH_API_KEYS": "", "SYNCKAIROS_INSECURE": "anonymous"}
    require_protection(Settings(_env_file=None, **_given(SETTINGS)), {"SYNCKAIROS_LISTEN": "0.0.0.0:50051"})
    with pytest.raises(ExposedError):
        require_protection(
            Settings(_env_file=None, **_given({**SETTINGS, "SYNCKAIROS_AUTH_API_KEYS": ""})),
            {"SYNCKAIROS_LISTEN": "0.0.0.0:50051"},
        )


def _given(settings: dict[str, str]) -> dict[str, Any]:
    return {name.removeprefix("SYNCKAIROS_").lower(): value for name, value in settings.items()}


def test_clients_see_every_server() -> None:
    """The Service has no address of its own; a Pod's disruption never takes two servers at once."""
    assert BASE["Service", "synckairos"]["spec"]["clusterIP"] == "None"
    assert BASE["PodDisruptionBudget", "synckairos-server"]["spec"]["maxUnavailable"] == 1
    scaled = BASE["HorizontalPodAutoscaler", "synckairos-server"]["spec"]
    assert scaled["scaleTargetRef"]["name"] == "synckairos-server"
    assert "replicas" not in BASE["Deployment", "synckairos-server"]["spec"]
    assert scaled["metrics"][0]["pods"]["metric"]["name"] == "synckairos_calls_under_way"


@pytest.mark.parametrize("overlay", ["example", "trial"])
def test_an_overlay_changes_what_there_is(overlay: str) -> None:
    """Each patch is for something of the base, by kind and name; all files that are named exist."""
    folder = FOLDER / "overlays" / overlay
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    patches = [yaml.safe_load((folder / patch["path"]).read_text()) for patch in kustomization["patches"]]

    assert {(one["kind"], one["metadata"]["name"]) for one in patches} <= set(BASE)
    assert all((folder / path).exists() for path in [*kustomization["resources"], *kustomization.get("components", [])])
    assert {image["name"] for image in kustomization["images"]} == {
        container(BASE[name])["image"] for name in WORKLOADS
    }
