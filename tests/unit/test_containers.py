"""Dockerfile and compose.yaml are true to the project: its Python, its settings, its commands, its files."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from synckairos.cli.app import app
from synckairos.composition.listeners.exposure import require_protection
from synckairos.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
CLIENT = "clients/python"
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if "build" in service}


def instructions(word: str) -> list[str]:
    """Return what follows an instruction of the Dockerfile, wherever it stands."""
    return re.findall(rf"^{word} (.*)$", DOCKERFILE, re.MULTILINE)


def command_exists(words: list[str]) -> bool:
    """Whether the command line knows a command of these words, leaving out options."""
    command: Any = typer.main.get_command(app)
    for word in words:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            return False
    return not hasattr(command, "commands")


def test_the_image_has_a_python_that_the_project_supports() -> None:
    """Both stages stand on the same one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    oldest = tuple(map(int, project["requires-python"].removeprefix(">=").split(".")))

    (image,) = [argument for argument in instructions("ARG") if argument.startswith("PYTHON_IMAGE=")]
    found = re.search(r"python:(\d+)\.(\d+)-slim", image)

    assert found is not None
    assert tuple(map(int, found.groups())) >= oldest
    assert [line.split()[0] for line in instructions("FROM")] == ["${PYTHON_IMAGE}"] * 2


def test_the_image_installs_nothing_whose_hash_it_does_not_know() -> None:
    """requirements.txt has all that the project depends on, at the versions of constraints.txt, each with hashes.

    All but the client: it is built from the same sources.
    """
    projects = [tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"] for folder in (".", CLIENT)]
    entries = re.split(r"\n(?=\S)", (ROOT / "requirements.txt").read_text().strip())
    pinned = {_normal(line) for line in (ROOT / "constraints.txt").read_text().split()}

    locked = {_normal(entry.split()[0]) for entry in entries}
    named = {re.split(r"[^\w.-]", one)[0] for project in projects for one in project["dependencies"]}
    needed = {_normal(name) for name in named} - {"synckairos-client"}

    assert all("--hash=sha256:" in entry for entry in entries)
    assert needed <= {one.split("==")[0] for one in locked}
    # Those that only another system, or an older Python, needs are not among the pins of this one.
    assert {_normal(entry.split()[0]) for entry in entries if " ; " not in entry.split("\n")[0]} <= pinned
    assert any("--require-hashes -r requirements.txt" in line for line in instructions("RUN"))
    assert any(line.endswith(f"install --no-deps ./{CLIENT} .") for line in instructions("RUN"))


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")


def test_the_image_runs_a_known_command_as_nobody_in_particular() -> None:
    """Exec form throughout: a shell in between would swallow the signal to stop."""
    entrypoint, default = json.loads(instructions("ENTRYPOINT")[0]), json.loads(instructions("CMD")[-1])
    check = json.loads(instructions("HEALTHCHECK")[0].partition("CMD ")[2])

    assert entrypoint == ["synckairos"]
    assert command_exists(default)
    assert check == ["python", "-m", "synckairos.probe"]
    assert any("SYNCKAIROS_METRICS_LISTEN=127.0.0.1:" in line for line in instructions("ENV"))
    assert instructions("USER") == ["10001:10001"]
    assert instructions("STOPSIGNAL") == ["SIGTERM"]


def test_what_the_image_copies_is_what_the_context_offers() -> None:
    """The wheel needs each of them, and nothing else of the checkout gets into a layer."""
    copied = {source for line in instructions("COPY") if not line.startswith("--from") for source in line.split()[:-1]}
    offered = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert copied == offered
    assert {folder.split("/")[0] for folder in wheel["only-include"]} <= copied
    assert [path for path in sorted(copied) if not (ROOT / path).exists()] == []


def test_every_variable_is_a_setting() -> None:
    """A misspelt one would be ignored without a word."""
    known = {f"SYNCKAIROS_{name.upper()}" for name in Settings.model_fields}
    texts = DOCKERFILE + (ROOT / "compose.yaml").read_text()

    named = set(re.findall(r"SYNCKAIROS_[A-Z_]+", texts))

    assert named
    assert named <= known


@pytest.mark.parametrize("name", ["gateway", "migrate", "server", "worker"])
def test_every_service_of_ours_runs_a_known_command_without_privileges(name: str) -> None:
    """Read-only, without capabilities, and not before what it needs is healthy."""
    service = OURS[name]

    assert command_exists(service["command"][: 2 if name == "migrate" else 1])
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["depends_on"]
    for needed, condition in service["depends_on"].items():
        expected = "service_completed_successfully" if needed == "migrate" else "service_healthy"
        assert condition == {"condition": expected}
        # The image has a check of its own.
        healthy = COMPOSE["services"][needed].get("healthcheck", {"test": instructions("HEALTHCHECK")})
        assert expected != "service_healthy" or healthy["test"]


def test_what_listens_to_others_says_what_it_goes_without() -> None:
    """The image has no waiver of its own; compose.yaml has, since it offers the port to its own machine alone."""
    settings = COMPOSE["x-synckairos"]["environment"]

    assert settings["SYNCKAIROS_LISTEN"].startswith("0.0.0.0:")
    assert settings["SYNCKAIROS_INSECURE"] == "${SYNCKAIROS_INSECURE-plaintext,anonymous}"
    assert all(port.startswith("127.0.0.1:") for service in OURS.values() for port in service.get("ports", ()))
    assert "SYNCKAIROS_INSECURE=" not in DOCKERFILE


def test_servers_come_in_twos_and_whatever_listens_is_scraped() -> None:
    """With a published port for each, and a gateway before them."""
    jobs = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    scraped = {name: one["port"] for job in jobs for one in job["dns_sd_configs"] for name in one["names"]}
    settings = COMPOSE["x-synckairos"]["environment"]

    assert OURS["server"]["scale"] == 2
    assert OURS["server"]["ports"][0] == "127.0.0.1:50051-50052:50051"
    assert OURS["gateway"]["command"][1:3] == ["--backend", "server:50051"]
    assert {name: f"0.0.0.0:{port}" for name, port in scraped.items()} == {
        name: settings[f"SYNCKAIROS_{setting}METRICS_LISTEN"]
        for name, setting in (("server", ""), ("worker", "WORKER_"), ("gateway", "GATEWAY_"))
    }


def test_the_server_does_not_wait_for_the_database() -> None:
    """It serves without PostgreSQL, so nothing may tie its start to it."""
    assert set(OURS["server"]["depends_on"]) == {"redis"}


def test_no_password_is_written_down() -> None:
    """Each comes from outside, and is asked for where it is missing."""
    text = (ROOT / "compose.yaml").read_text()

    passwords = re.findall(r"PASSWORD: (.+)|://[^:@\s]*:([^@\s]+ [^@\n]*|[^@\s]+)@", text)

    assert len(passwords) == 9
    assert [found for found in passwords if not re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", "".join(found))] == []


def test_every_process_has_its_own_account_of_the_database() -> None:
    """The owner's for the schema, and one each that may do no more than it has to; all are made at the first start."""
    urls = {name: service["environment"].get("SYNCKAIROS_DATABASE_URL", "") for name, service in OURS.items()}
    accounts = {name: re.findall(r"://(\w+):", url) for name, url in urls.items()}
    made = re.findall(r"CREATE ROLE (\w+)", (ROOT / "deploy" / "postgres" / "accounts.sh").read_text())

    names = Settings.model_fields
    worker, server = (names[f"database_{who}_role"].default for who in ("worker", "server"))
    assert accounts == {"migrate": ["synckairos"], "server": [server], "worker": [worker], "gateway": []}
    assert made == ["synckairos", worker, server]


def test_what_makes_tables_has_no_password_of_redis() -> None:
    """It reaches PostgreSQL alone."""
    assert [text for text in OURS["migrate"]["environment"].values() if "REDIS" in text] == []


def test_tls_is_four_lines_that_wait_to_be_taken_in() -> None:
    """Then all of ours find the files in the folder, and the settings stand without a waiver of it."""
    text = re.sub(r"^( *)#(SYNCKAIROS_TLS|volumes)", r"\1\2", (ROOT / "compose.yaml").read_text(), flags=re.MULTILINE)
    common = yaml.safe_load(text)["x-synckairos"]
    tls = {name: place for name, place in common["environment"].items() if "_TLS_" in name}
    folder = common["volumes"][0].split(":")[1]

    assert len(text) == len((ROOT / "compose.yaml").read_text()) - 4
    assert set(tls) == {"SYNCKAIROS_TLS_CERT", "SYNCKAIROS_TLS_KEY", "SYNCKAIROS_TLS_CA"}
    assert all(place.startswith(f"{folder}/") for place in tls.values())
    settings: Any = {name.removeprefix("SYNCKAIROS_").lower(): place for name, place in tls.items()}
    opened = Settings(_env_file=None, insecure="anonymous", **settings)
    require_protection(opened, {"SYNCKAIROS_LISTEN": common["environment"]["SYNCKAIROS_LISTEN"]})


def test_a_gateway_has_no_password() -> None:
    """It asks servers alone, and faces browsers."""
    assert [text for text in OURS["gateway"]["environment"].values() if "PASSWORD" in text] == []


def test_redis_keeps_what_it_is_given() -> None:
    """Appended to a file on a named volume, and never evicted."""
    redis = COMPOSE["services"]["redis"]
    command = " ".join(redis["command"])

    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert [volume.split(":")[0] for volume in redis["volumes"]] == ["redis-data"]
    assert set(COMPOSE["volumes"]) == {"redis-data", "postgres-data", "prometheus-data"}
