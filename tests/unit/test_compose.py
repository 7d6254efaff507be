"""docker-compose.yml and the EC2 units, read as data: no engine is needed."""

from __future__ import annotations

import re
import shlex
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from workers.routing import Queue

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
#: Which service serves which queue, alone.
INTENDED = {
    "worker-control": Queue.CONTROL,
    "worker": Queue.EXTRACT,
    "worker-large": Queue.LARGE,
    "worker-load": Queue.LOAD,
    "worker-dbt": Queue.DBT,
}
STATEFUL = ("mysql-source", "mysql-replication", "postgres", "redis")
OURS = (*INTENDED, "beat", "flower")


def options(command: str) -> dict[str, str]:
    """Return the options of a Celery command that take a value."""
    words = shlex.split(command)
    return {word: words[place + 1] for place, word in enumerate(words[:-1]) if re.fullmatch(r"-\w", word)}


def worker_options(service: str) -> dict[str, str]:
    return options(SERVICES[service]["command"])


def unit(name: str) -> RawConfigParser:
    parser = RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys have capitals
    parser.read(ROOT / "ops/ec2" / name, encoding="utf-8")
    return parser


def test_the_services_are_the_whole_system() -> None:
    assert set(SERVICES) == {*STATEFUL, *OURS}


def test_every_queue_has_exactly_its_own_service() -> None:
    served = {
        name: worker_options(name)["-Q"] for name in SERVICES if "worker -Q" in str(SERVICES[name]["command"])
    }
    assert served == {name: queue.value for name, queue in INTENDED.items()}


@pytest.mark.parametrize("service", INTENDED)
def test_workers_have_the_numbers_of_the_units(service: str) -> None:
    text = (ROOT / f"ops/ec2/queues/{INTENDED[service]}.env").read_text(encoding="utf-8")
    assert f"WORKER_PROCESSES={worker_options(service)['-c']}\n" in text


def test_readers_are_as_many_as_the_source_allows() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    readers = int(worker_options("worker")["-c"]) + int(worker_options("worker-large")["-c"])
    assert f"\nSOURCE_MAX_CONNECTIONS={readers}\n" in example


@pytest.mark.parametrize("service", INTENDED)
def test_workers_are_started_as_the_unit_starts_them(service: str) -> None:
    queue = INTENDED[service].value
    started = unit("dental-worker@.service")["Service"]["ExecStart"].removeprefix(
        "/opt/dental_etl/.venv/bin/"
    )
    words = started.replace("%i", queue).replace("%H", "%h").replace("${WORKER_PROCESSES}", "N")
    assert re.sub(r"-c \d+", "-c N", SERVICES[service]["command"]) == words


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_comes_back_and_is_watched(service: str) -> None:
    assert SERVICES[service]["restart"] == "unless-stopped"
    assert SERVICES[service]["healthcheck"]["test"]


@pytest.mark.parametrize("service", INTENDED)
def test_a_health_check_asks_its_own_worker(service: str) -> None:
    assert f"{INTENDED[service]}@$$HOSTNAME" in SERVICES[service]["healthcheck"]["test"][1]


@pytest.mark.parametrize("service", [*STATEFUL, *OURS])
def test_what_must_last_is_in_a_declared_volume(service: str) -> None:
    named = {volume.split(":")[0] for volume in SERVICES[service]["volumes"] if volume[0] not in "./"}
    assert named
    assert named <= set(COMPOSE["volumes"])


@pytest.mark.parametrize("service", OURS)
def test_our_services_wait_for_healthy_servers(service: str) -> None:
    waits = SERVICES[service]["depends_on"]
    assert {name: waits[name]["condition"] for name in waits} == dict.fromkeys(
        ("mysql-replication", "postgres", "redis"), "service_healthy"
    )


@pytest.mark.parametrize("service", INTENDED)
def test_a_stop_hands_work_back_in_time(service: str) -> None:
    settings = SERVICES[service]
    assert (settings["stop_grace_period"], settings["environment"]["REMAP_SIGTERM"]) == ("100s", "SIGQUIT")


@pytest.mark.parametrize("service", OURS)
def test_our_services_take_their_settings_from_the_env_file(service: str) -> None:
    assert SERVICES[service]["env_file"] == ".env"


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_on_the_loopback_interface_only(service: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[service].get("ports", []))


def test_the_broker_is_not_published() -> None:
    assert "ports" not in SERVICES["redis"]


def test_the_broker_keeps_its_queue() -> None:
    command = " ".join(SERVICES["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_the_brokers_password_is_no_argument_of_its_process() -> None:
    command = " ".join(SERVICES["redis"]["command"])
    assert "REDIS_PASSWORD" not in command
    assert 'printf \'requirepass "%s"\\n\' "$$REDISCLI_AUTH" |' in command


@pytest.mark.parametrize("service", STATEFUL)
def test_images_have_a_full_version(service: str) -> None:
    assert re.search(r":\d+\.\d+", SERVICES[service]["image"])


def test_our_image_is_one_for_all_roles() -> None:
    assert {SERVICES[name]["image"] for name in OURS} == {"dental_etl:${DENTAL_ETL_VERSION:-local}"}


def test_flower_needs_a_password() -> None:
    assert SERVICES["flower"]["environment"]["FLOWER_BASIC_AUTH"].startswith("${FLOWER_BASIC_AUTH:?")


def test_every_variable_is_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", example, flags=re.MULTILINE))
    assert set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", TEXT)) <= named


@pytest.mark.parametrize("service", SERVICES)
def test_mounted_files_exist(service: str) -> None:
    mounted = [volume.split(":")[0] for volume in SERVICES[service].get("volumes", []) if volume[0] == "."]
    assert all((ROOT / path).is_file() for path in mounted)


def test_the_image_is_built_from_files_that_exist() -> None:
    dockerfile = (ROOT / "ops/docker/Dockerfile").read_text(encoding="utf-8")
    copied = [line.split()[1:-1] for line in dockerfile.splitlines() if re.match(r"COPY (?!--from)", line)]
    paths = [path for words in copied for path in words if not path.startswith("--")]
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", ["dental-worker@.service", "dental-beat.service", "dental-flower.service"])
def test_units_come_back_and_run_without_rights(name: str) -> None:
    service = unit(name)["Service"]
    assert (service["Restart"], service["User"], service["NoNewPrivileges"]) == (
        "always",
        "dental_etl",
        "yes",
    )


def test_the_unit_stops_like_the_container() -> None:
    service = unit("dental-worker@.service")["Service"]
    assert (service["KillMode"], service["TimeoutStopSec"]) == ("mixed", "100")
    assert (
        "Environment=REMAP_SIGTERM=SIGQUIT" in (ROOT / "ops/ec2/dental-worker@.service").read_text().split()
    )


def test_the_deployment_knows_every_queue() -> None:
    script = (ROOT / "ops/ec2/deploy.sh").read_text(encoding="utf-8")
    assert set(re.findall(r"dental-worker@(\w+)", script)) >= {queue.value for queue in Queue}


def test_the_source_account_script_is_sourced() -> None:
    """The image would run an executable file instead, without its own functions."""
    assert (ROOT / "ops/docker/source_account.sh").stat().st_mode & 0o111 == 0
