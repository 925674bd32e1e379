"""What the compose schema cannot say: that the files name things that exist."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from app.cli import app
from app.settings import Settings
from app.web.render import ROOT

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILES = sorted(ROOT.glob("Dockerfile*"))


def test_services_depend_on_services_that_exist():
    wanted = {name for service in SERVICES.values() for name in service.get("depends_on", {})}

    assert wanted <= set(SERVICES)


def test_named_volumes_are_declared():
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    named = {mount.split(":")[0] for mount in mounts if not mount.startswith((".", "/"))}

    assert named == set(COMPOSE["volumes"])


def test_every_setting_in_the_compose_file_exists():
    set_there = {
        name for service in SERVICES.values() for name in service["environment"]
        if name.startswith("PODIUM_")
    }  # fmt: skip

    assert set_there <= {f"PODIUM_{name.upper()}" for name in Settings.model_fields}


def test_only_the_worker_asks_for_a_gpu_and_builds_torch():
    with_gpu = {name for name, service in SERVICES.items() if "nvidia" in str(service)}

    assert with_gpu == {"worker"}
    assert "[train]" in (ROOT / SERVICES["worker"]["build"]["dockerfile"]).read_text()
    assert "[train]" not in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_images_run_commands_of_podium_as_an_ordinary_user(dockerfile):
    source = dockerfile.read_text()
    command = shlex.split(re.findall(r"^CMD \[(.*)\]$", source, re.MULTILINE)[-1].replace(",", ""))

    assert command[0] == "podium"
    assert command[1] in get_command(app).commands
    assert re.search(r"^USER \d+$", source, re.MULTILINE)


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_images_copy_only_what_the_build_context_lets_in(dockerfile):
    let_in = {
        line[1:] for line in Path(ROOT / ".dockerignore").read_text().split() if line[0] == "!"
    }
    copied = {
        name
        for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile.read_text(), re.MULTILINE)
        for name in line.split()[:-1]
    }

    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)
