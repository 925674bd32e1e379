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


def _labeled_before_0006(connection):
    """A project with one labeler a slate, its four slates, and two of them for two labelers."""
    connection.execute(PROJECT.replace("0)", "0.5)"))
    connection.execute(
        "insert into users (email, name, role, password_hash) "
        "select n || '@example.org', 'N', 'labeler', 'x' from generate_series(1, 2) n"
    )
    connection.execute(
        "insert into guideline_versions (project_id, version, text) values (1, 1, 'x')"
    )
    connection.execute("insert into rounds (project_id, number, source) values (1, 1, 'imported')")
    connection.execute(
        "insert into prompts (project_id, external_id, messages, content_hash, group_key, split) "
        "select 1, 'p' || n, '[]', convert_to('' || n, 'UTF8'), 'g', 'train' "
        "from generate_series(1, 4) n"
    )
    connection.execute(
        "insert into slates (round_id, prompt_id, status, places) "
        "select 1, n, 'ready', case when n = 1 then 2 else 1 end from generate_series(1, 4) n"
    )
    connection.execute(
        "insert into responses (slate_id, position, text) "
        "select s.id, n, 'Answer ' || n from slates s, generate_series(1, 2) n order by s.id, n"
    )
    connection.execute(
        "insert into tasks (project_id, slate_id, place, status, labeler_id) "
        "select 1, s.id, place, 'done', place from slates s, generate_series(1, s.places) place "
        "order by s.id, place"
    )
    connection.execute(
        "insert into rankings (task_id, slate_id, labeler_id, version, is_current, request_key, "
        "request_hash, guideline_version_id, display_order, propensity) "
        "select t.id, t.slate_id, t.labeler_id, 1, true, gen_random_uuid(), '', 1, "
        "array(select id from responses r where r.slate_id = t.slate_id order by id), 0.5 "
        "from tasks t"
    )
    connection.execute(
        "insert into ranking_items (ranking_id, response_id, rank) "
        "select r.id, shown.id, shown.rank from rankings r, "
        "unnest(r.display_order) with ordinality shown (id, rank)"
    )


def test_what_was_ranked_before_is_overlap_where_two_were_to_rank_it(database_url, connection):
    command.downgrade(alembic_config(database_url), "0005")
    _labeled_before_0006(connection)
    comparisons = connection.execute("select * from comparisons order by 1, 4, 5").fetchall()

    command.upgrade(alembic_config(database_url), "0006")

    expected = [(1, "overlap", 0.25, 0), (1, "overlap", 0.25, 0)] + [
        (slate, "fresh", 0.75, 0) for slate in (2, 3, 4)
    ]
    for table in ("tasks", "rankings"):
        assert (
            connection.execute(
                f"select slate_id, purpose, propensity, occasion from {table} order by id"
            ).fetchall()
            == expected
        )
    assert len(comparisons) == 5
    assert (
        connection.execute("select * from comparisons order by 1, 4, 5").fetchall() == comparisons
    )


def test_going_back_from_0006_forgets_checks_and_nothing_else(database_url, connection):
    command.downgrade(alembic_config(database_url), "0005")
    _labeled_before_0006(connection)
    comparisons = connection.execute("select * from comparisons order by 1, 4, 5").fetchall()
    command.upgrade(alembic_config(database_url), "0006")
    (check,) = connection.execute(
        "insert into tasks (project_id, slate_id, place, status, labeler_id, purpose, occasion, "
        "asked_round_id) values (1, 1, 0, 'done', 1, 'repeat', 1, 1) returning id"
    ).fetchone()
    connection.execute(
        "insert into rankings (task_id, slate_id, labeler_id, version, is_current, request_key, "
        "request_hash, guideline_version_id, display_order, purpose, occasion) "
        "values (%s, 1, 1, 1, true, gen_random_uuid(), '', 1, '{1,2}', 'repeat', 1)",
        [check],
    )
    connection.execute(
        "insert into gold (slate_id, ranks, explanation, created_by) values (1, '{}', 'x', 1)"
    )

    command.downgrade(alembic_config(database_url), "0005")

    assert connection.execute("select count(*) from tasks").fetchone() == (5,)
    assert (
        connection.execute("select * from comparisons order by 1, 4, 5").fetchall() == comparisons
    )


def test_rounds_get_who_labels_what_from_their_project(database_url, connection):
    command.downgrade(alembic_config(database_url), "0013")
    connection.execute(PROJECT.replace("0)", "0.5)"))
    connection.execute("update projects set screen = '{\"gold_share\": 0}'")
    connection.execute("insert into rounds (project_id, number, source) values (1, 1, 'imported')")

    command.upgrade(alembic_config(database_url), "0014")

    assert connection.execute(
        "select labels_per_slate, overlap_share, gold_share, anchor_share, repeat_share from rounds"
    ).fetchone() == (1, 0.5, 0, 0.02, 0.02)
