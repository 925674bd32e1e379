"""Migrations that change rows: what is there before them is as it should be after them."""

import psycopg
import pytest
from alembic import command

from app.db import alembic_config

PROJECT = (
    "insert into projects (slug, name, labels_per_slate, overlap_share) "
    "values ('demo', 'Demo', 1, 0)"
)
RUN = "insert into runs (project_id, kind, settings) select id, %s, '{}' from projects returning id"
METRICS = "insert into run_metrics (run_id, attempt, step, values) values (%s, %s, %s, '{}')"


@pytest.fixture
def connection(database_url):
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as opened:
        yield opened


def test_of_the_steps_of_a_resumed_run_those_that_count_stay(database_url, connection):
    command.downgrade(alembic_config(database_url), "0002")
    connection.execute(PROJECT)
    (run,) = connection.execute(RUN, ["sft"]).fetchone()
    for attempt, step in ((1, 0), (1, 1), (1, 2), (1, 3), (2, 2)):
        connection.execute(METRICS, [run, attempt, step])

    command.upgrade(alembic_config(database_url), "0003")

    left = connection.execute("select attempt, step from run_metrics order by step").fetchall()
    assert left == [(1, 0), (1, 1), (2, 2)]


def test_going_back_leaves_no_run_that_the_older_program_does_not_know(database_url, connection):
    connection.execute(PROJECT)
    (known,) = connection.execute(RUN, ["ppo"]).fetchone()
    (unknown,) = connection.execute(RUN, ["dpo"]).fetchone()
    connection.execute(METRICS, [unknown, 1, 0])
    connection.execute(
        "insert into models (name, kind, path, run_id) values ('pi', 'policy', '/x', %s)", [unknown]
    )

    command.downgrade(alembic_config(database_url), "0002")

    assert connection.execute("select id from runs").fetchall() == [(known,)]
    assert connection.execute("select name, run_id from models").fetchall() == [("pi", None)]
