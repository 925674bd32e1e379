"""The rules of the house that tools cannot be told to check, or that hold at run time only."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

from alembic import command
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from procrastinate.schema import SchemaManager

from app.db import MIGRATIONS, alembic_config
from app.web.render import ROOT, TEMPLATES, environment
from app.web.static import STATIC

SOURCES = [path for folder in ("app", "trainer") for path in (ROOT / folder).rglob("*.py")]


def _without_strings_and_comments(path: Path) -> str:
    return re.sub(r'""".*?"""|#.*', "", path.read_text(), flags=re.DOTALL)


def _loaded_by(modules: str) -> set[str]:
    """The packages that a new process has loaded after importing the modules."""
    script = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_web_and_worker_never_import_torch():
    assert _loaded_by("app.main, app.worker") & {"torch", "transformers"} == set()


def test_a_short_command_does_not_wait_for_what_other_commands_need():
    needed_by_others = {"alembic", "fastapi", "numpy", "procrastinate", "trainer", "uvicorn"}

    assert _loaded_by("app.cli") & needed_by_others == set()


def test_only_app_db_commits():
    committing = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if re.search(r"\.commit\(", _without_strings_and_comments(path))
    ]

    assert committing == ["app/db.py"]


def test_only_one_function_makes_markup_of_untrusted_text():
    making = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if re.search(r"\bMarkup\(", path.read_text())
    ]
    filters = [
        str(path.relative_to(ROOT))
        for path in TEMPLATES.rglob("*.html")
        if re.search(r"\|\s*safe\b|autoescape false", path.read_text())
    ]

    assert making == ["app/web/markdown.py"]
    assert filters == []


def test_only_settings_reads_the_environment():
    reading = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if re.search(r"os\.environ|getenv", _without_strings_and_comments(path))
    ]

    assert set(reading) <= {
        "app/embedded_postgres/binaries.py",  # where Postgres' binaries are
        "app/demo.py", "app/jobs/process.py",  # pass it on to children
        "trainer/__main__.py", "trainer/sampling/endpoint.py",  # the trainer has no settings module
        "trainer/ppo/rollout_server.py",
        # Those of a launcher:
        "trainer/models.py", "trainer/running/parallel.py", "trainer/architecture/sharding.py",
    }  # fmt: skip


def test_packages_have_empty_inits():
    assert [path for path in SOURCES if path.name == "__init__.py" and path.read_text()] == []


def test_no_module_is_called_utils():
    junk = {"utils", "helpers", "common", "constants", "misc"}

    assert [path for path in SOURCES if path.stem in junk] == []


def test_every_template_compiles_under_strict_rules():
    jinja = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, autoescape=True
    )
    jinja.filters.update(environment().filters)

    for name in jinja.list_templates():
        jinja.get_template(name)


def test_no_template_has_inline_script_or_style():
    inline = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:")

    assert [
        path.name for path in TEMPLATES.rglob("*.html") if inline.search(path.read_text())
    ] == []


def test_every_vendored_file_is_the_one_in_the_manifest():
    manifest = json.loads((STATIC / "vendor/manifest.json").read_text())
    listed = {path: digest for package in manifest for path, digest in package["files"].items()}
    found = {
        str(path.relative_to(STATIC / "vendor")): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (STATIC / "vendor").rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }

    assert found == listed


def test_the_schema_is_what_the_models_say(database_url):
    command.check(alembic_config(database_url))


def test_the_schema_goes_down_and_up_again(database_url):
    command.downgrade(alembic_config(database_url), "base")
    command.upgrade(alembic_config(database_url), "head")


def test_the_frozen_queue_schema_is_that_of_the_installed_package():
    assert (MIGRATIONS / "procrastinate_3_10.sql").read_text() == SchemaManager.get_schema()


def test_the_project_speaks_of_itself_alone():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    # Split, so that this file does not name what it looks for.
    foreign = re.compile("/wor" + "k/|\\.\\./sha" + "red|\\.lib" + "rary")

    naming = [
        name
        for name in tracked
        if (ROOT / name).suffix in {".py", ".md", ".html", ".js", ".toml", ".yml", ".sql", ".css"}
        and foreign.search((ROOT / name).read_text())
    ]

    assert naming == []
