"""The `podium` command as a process: what it prints and its exit codes; B122 of bad input."""

import json
import os
import subprocess
import sys

import psycopg
import pytest

SECRET = "s" * 48


@pytest.fixture
def environment(database_url, tmp_path):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PODIUM_")}
    return {
        **clean,
        "PODIUM_DATABASE_URL": database_url.replace("+psycopg", ""),
        "PODIUM_SECRET_KEY": SECRET,
        "PODIUM_DATA_DIR": str(tmp_path),
    }


def podium(environment, *arguments, stdin=""):
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        env=environment, input=stdin, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def make_user(environment, email="ada@example.org", role="admin", password="a long password"):
    return podium(environment, "user", "create", email, "--role", role, stdin=password + "\n")


def test_a_user_and_a_token_are_made_and_only_the_token_is_printed(environment):
    made = make_user(environment)
    token = podium(environment, "token", "create", "ada@example.org", "--days", "3")

    assert (made.returncode, made.stdout) == (0, "")
    assert token.returncode == 0
    assert token.stdout.startswith("podium_")
    assert len(token.stdout.split()) == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"password": "short"}, "12 to 256 characters"),
        ({"email": "nobody"}, "name@example.org"),
        ({"role": "owner"}, "admin or labeler"),
    ],
)
def test_a_user_that_cannot_be_made_is_one_line_and_exit_code_1(changes, says, environment):
    done = make_user(environment, **changes)

    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "short" not in done.stderr


def test_prompts_are_imported_and_exported_from_files(environment, tmp_path, database_url):
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "with p as (insert into projects (slug, name, labels_per_slate, overlap_share) "
            "values ('demo', 'Demo', 1, 0) returning id) "
            "insert into guideline_versions (project_id, version, text) select id, 1, 'x' from p"
        )
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"prompt": "one"}\n{"prompt": "two"}\nbroken\n')

    imported = podium(environment, "import", "prompts", "demo", str(file))
    strict = podium(environment, "import", "prompts", "demo", str(file), "--strict")
    output = tmp_path / "out.jsonl"
    exported = podium(environment, "export", "demo", "comparisons", "-o", str(output))

    assert imported.stdout == "2 imported, 0 duplicates, 1 rejected\n"
    assert imported.stderr.startswith("line 3: ")
    assert strict.returncode == 1
    assert (exported.returncode, output.read_text()) == (0, "")


def test_check_names_the_broken_invariant_and_exits_with_1(environment, database_url):
    whole = podium(environment, "check")
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "with u as (insert into users (email, name, role, password_hash, is_active) "
            "values ('x@y.z', 'X', 'labeler', '-', false) returning id) "
            "insert into sessions (token_hash, user_id, expires_at) select '1', id, now() from u"
        )
    broken = podium(environment, "check")

    assert (whole.returncode, whole.stdout) == (0, "")
    assert broken.returncode == 1
    assert broken.stdout.startswith("session_of_a_disabled_user: ")


def test_migrate_may_be_repeated(environment):
    assert podium(environment, "migrate").returncode == 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"PODIUM_SECRET_KEY": ""}, "PODIUM_SECRET_KEY is not set"),
        ({"PODIUM_SECRET_KEY": "short"}, "5 characters"),
        ({"PODIUM_SECRET_KEY": "change-me-" * 5}, "example"),
        ({"PODIUM_DATABASE_URL": "postgresql://nobody:x@127.0.0.1:1/none"}, "database"),
        ({"PODIUM_DATABASE_URL": "nonsense"}, "DATABASE_URL"),
        ({"PODIUM_LEASE_MINUTES": "0"}, "LEASE_MINUTES"),
    ],
)
def test_an_unusable_environment_is_one_clear_line_and_exit_code_2(changes, says, environment):
    done = podium({**environment, **changes}, "check")

    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert "nobody:x" not in done.stderr


def test_a_data_folder_that_cannot_be_written_is_one_clear_line(environment, tmp_path):
    (tmp_path / "file").write_text("")
    without = {k: v for k, v in environment.items() if k != "PODIUM_DATABASE_URL"}

    done = podium(
        {**without, "PODIUM_SECRET_KEY": "", "PODIUM_DATA_DIR": str(tmp_path / "file")}, "check"
    )

    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr


def test_help_lists_every_setting(environment):
    shown = podium(environment, "--help").stdout.replace("\n", " ")

    for name in (
        "DATABASE_URL",
        "DATA_DIR",
        "SECRET_KEY",
        "MODEL_ROOTS",
        "SAMPLER_URL",
        "SAMPLER_KEY",
    ):
        assert f"PODIUM_{name}" in shown


def test_comparisons_go_to_stdout_without_an_output_file(environment, tmp_path):
    done = podium(environment, "export", "nothing", "rankings")

    assert done.returncode == 1
    assert "no such project" in done.stderr
    assert json.dumps(done.stdout) == '""'
