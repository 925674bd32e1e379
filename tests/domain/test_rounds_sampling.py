"""Rounds that are sampled: slates and places, and a worker that may die at any moment."""

import json
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.accounts.viewer import Viewer
from app.db import transaction
from app.errors import InvalidError
from app.jobs.commands import StaleAttemptError, request_cancel, start_attempt
from app.jobs.handlers import StartedRun
from app.projects.commands import NewProject, create_project
from app.projects.queries import ProjectView
from app.prompts.commands import import_prompts
from app.registry.commands import NewModel, register_model
from app.registry.location import Location
from app.rounds.commands import NewRound, StartedRound, create_round
from app.rounds.queries import round_of, slates_of
from app.rounds.sampling import SampleHandler
from app.settings import Settings
from trainer.result import RunResult
from trainer.spec import SampleSpec, Sampling
from trainer.spec_file import read_spec

SAMPLING = Sampling(temperature=0.7, top_p=0.9, max_new_tokens=32, seed=5)
RESULT = RunResult(kind="sample", metrics={}, rows={}, versions={})


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        data_dir=tmp_path,
        secret_key="k" * 48,
        sampler_url="http://localhost:1",
    )


@pytest.fixture
async def viewer(engine: AsyncEngine) -> Viewer:
    insert = text(
        "insert into users (email, name, role, password_hash) "
        "values ('a@example.org', 'A', 'admin', 'x') returning id"
    )
    async with transaction(engine) as tx:
        user_id = await tx.scalar(insert)
    return Viewer(id=user_id, email="a@example.org", name="A", role="admin")


@pytest.fixture
async def project(engine: AsyncEngine, settings: Settings, viewer: Viewer) -> ProjectView:
    """A project with ten prompts, and the models `one` and `two` behind the endpoint."""
    new = NewProject(slug="demo", name="Demo", guidelines="Be kind.", overlap_share=0.2)
    prompts = "\n".join(
        json.dumps({"prompt": f"Q{n}?", "split": "test" if n < 3 else "train"}) for n in range(10)
    )
    async with transaction(engine) as tx:
        project = await create_project(tx, viewer, new)
        await import_prompts(tx, project, prompts.encode())
        for name in ("one", "two"):
            location = Location(endpoint_model=f"served-{name}")
            await register_model(tx, settings, NewModel(name, "sft", location))
    return project


async def started(
    engine: AsyncEngine,
    settings: Settings,
    viewer: Viewer,
    project: ProjectView,
    **changes: object,
) -> StartedRound:
    wanted = {"models": ("one", "two"), "responses_per_prompt": 4, "sampling": SAMPLING}
    async with transaction(engine) as tx:
        new = NewRound(**{**wanted, **changes})
        return await create_round(tx, settings, viewer, project, new)


async def attempt_at(engine: AsyncEngine, run_id: int) -> StartedRun:
    async with transaction(engine) as tx:
        run = await start_attempt(tx, run_id, code_version="test")
    assert run is not None
    return run


def response(text: str, **changes: object) -> dict[str, object]:
    return {
        "text": text,
        "model": "one",
        "seed": 11,
        "temperature": 0.7,
        "top_p": 0.9,
        "max_new_tokens": 32,
        "attempts": 1,
        "finish": "stop",
        **changes,
    }


def asked_for(run_dir: Path) -> list[str]:
    lines = (run_dir / "prompts.jsonl").read_text().splitlines()
    return [json.loads(line)["prompt_id"] for line in lines]


def answer(run_dir: Path, slate_id: str, texts: tuple[str, ...] = ("a", "b", "c", "d")) -> None:
    """Append a line as the trainer does."""
    line = {"prompt_id": slate_id, "responses": [response(text) for text in texts]}
    with (run_dir / "responses.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


async def count(engine: AsyncEngine, table: str, where: str = "true") -> int:
    async with engine.connect() as connection:
        return await connection.scalar(text(f"select count(*) from {table} where {where}"))


async def test_a_round_has_a_pending_slate_per_prompt_and_a_queued_run(
    engine, settings, viewer, project
):
    made = await started(engine, settings, viewer, project)

    async with transaction(engine) as tx:
        row = await round_of(tx, project, made.number)
    assert (row.pending, row.ready, row.tasks) == (10, 0, 0)
    assert (row.run_id, row.run_status, row.models) == (made.run_id, "queued", ["one", "two"])
    assert await count(engine, "slates", "places = 2") == 2
    assert await count(engine, "slates", "places = 1") == 8


async def test_which_slates_overlap_differs_between_rounds(engine, settings, viewer, project):
    for _ in range(6):
        await started(engine, settings, viewer, project)

    assert await count(engine, "slates", "places = 2") == 12
    query = text("select count(distinct prompt_id) from slates where places = 2")
    async with engine.connect() as connection:
        assert await connection.scalar(query) > 2


async def test_a_split_and_a_limit_choose_the_prompts(engine, settings, viewer, project):
    made = await started(engine, settings, viewer, project, split="test", limit=2)

    assert made.slates == 2


async def test_a_limit_takes_the_prompts_that_were_used_least(engine, settings, viewer, project):
    await started(engine, settings, viewer, project, limit=6)
    await started(engine, settings, viewer, project, limit=4)

    query = text("select count(distinct prompt_id) from slates")
    async with engine.connect() as connection:
        assert await connection.scalar(query) == 10


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"models": ("missing",)}, "unknown_model"),
        ({"models": ("one", "one")}, "bad_models"),
        ({"models": ()}, "bad_models"),
        ({"models": ("judge",)}, "model_not_sampled"),
        ({"models": ("untrained",)}, "model_not_sampled"),
        ({"responses_per_prompt": 3}, "bad_responses_per_prompt"),
        ({"responses_per_prompt": 10}, "bad_responses_per_prompt"),
        ({"split": "validation"}, "no_prompts"),
    ],
)
async def test_a_round_that_cannot_be_sampled_is_refused(
    changes, code, engine, settings, viewer, project
):
    async with transaction(engine) as tx:
        await tx.execute(
            text(
                "insert into models (name, kind, path, file_sha256) values "
                "('judge', 'reward', '/x', '{\"model.safetensors\": \"0\"}'), "
                "('untrained', 'base', '/x', '{}')"
            )
        )

    with pytest.raises(InvalidError) as refusal:
        await started(engine, settings, viewer, project, **changes)

    assert refusal.value.code == code
    assert await count(engine, "rounds") == 0


async def test_a_model_of_an_endpoint_is_refused_when_none_is_configured(
    engine, settings, viewer, project
):
    without = settings.model_copy(update={"sampler_url": None})

    with pytest.raises(InvalidError) as refusal:
        await started(engine, without, viewer, project)

    assert refusal.value.code == "no_endpoint"


async def test_the_trainer_is_told_models_settings_and_pending_slates(
    engine, settings, viewer, project, tmp_path
):
    made = await started(engine, settings, viewer, project)
    run = await attempt_at(engine, made.run_id)

    await SampleHandler(settings).prepare(engine, run, tmp_path)

    spec = read_spec(tmp_path, "sample")
    assert isinstance(spec, SampleSpec)
    assert [(m.name, m.endpoint_model) for m in spec.models] == [
        ("one", "served-one"),
        ("two", "served-two"),
    ]
    assert (spec.responses_per_prompt, spec.sampling) == (4, SAMPLING)
    assert len(asked_for(tmp_path)) == 10


async def test_sampled_responses_make_a_slate_ready_with_its_tasks(
    engine, settings, viewer, project, tmp_path
):
    made = await started(engine, settings, viewer, project, limit=1)
    run = await attempt_at(engine, made.run_id)
    handler = SampleHandler(settings)
    await handler.prepare(engine, run, tmp_path)
    answer(tmp_path, asked_for(tmp_path)[0])

    await handler.ingest(engine, run, tmp_path)

    async with transaction(engine) as tx:
        row = await round_of(tx, project, made.number)
        slate = (await slates_of(tx, row.id)).slates[0]
        await handler.complete(tx, run, tmp_path, RESULT)
    first = slate.responses[0]
    assert (slate.status, row.tasks_open) == ("ready", slate.places)
    assert [r.text for r in slate.responses] == ["a", "b", "c", "d"]
    assert (first.model, first.seed, first.temperature) == ("one", 11, 0.7)
    assert (first.top_p, first.max_new_tokens, first.attempts) == (0.9, 32, 1)
    assert first.finish == "stop"


async def test_reading_the_same_responses_again_stores_them_once(
    engine, settings, viewer, project, tmp_path
):
    made = await started(engine, settings, viewer, project)
    run = await attempt_at(engine, made.run_id)
    await SampleHandler(settings).prepare(engine, run, tmp_path)
    for slate_id in asked_for(tmp_path)[:3]:
        answer(tmp_path, slate_id)

    await SampleHandler(settings).ingest(engine, run, tmp_path)
    await SampleHandler(settings).ingest(engine, run, tmp_path)

    assert await count(engine, "responses") == 12
    assert await count(engine, "slates", "status = 'ready'") == 3


async def test_half_a_line_is_read_when_it_is_complete(engine, settings, viewer, project, tmp_path):
    made = await started(engine, settings, viewer, project)
    run = await attempt_at(engine, made.run_id)
    handler = SampleHandler(settings)
    await handler.prepare(engine, run, tmp_path)
    answer(tmp_path, asked_for(tmp_path)[0])
    path = tmp_path / "responses.jsonl"
    whole = path.read_bytes()

    path.write_bytes(whole[:50])
    await handler.ingest(engine, run, tmp_path)
    stored_early = await count(engine, "responses")
    path.write_bytes(whole)
    await handler.ingest(engine, run, tmp_path)

    assert stored_early == 0
    assert await count(engine, "responses") == 4


async def test_the_attempt_after_a_killed_worker_stores_what_that_one_left_and_goes_on(
    engine, settings, viewer, project, tmp_path
):
    made = await started(engine, settings, viewer, project)
    first = await attempt_at(engine, made.run_id)
    handler = SampleHandler(settings)
    await handler.prepare(engine, first, tmp_path)
    wanted = asked_for(tmp_path)
    answer(tmp_path, wanted[0])
    await handler.ingest(engine, first, tmp_path)
    answer(tmp_path, wanted[1])  # sampled, but its worker died before storing it
    async with transaction(engine) as tx:
        await tx.execute(text("update runs set heartbeat_at = now() - interval '1 hour'"))
    second = await attempt_at(engine, made.run_id)

    await SampleHandler(settings).prepare(engine, second, tmp_path)

    # The list is the same: the trainer passes over the two that stand in responses.jsonl.
    assert asked_for(tmp_path) == wanted
    assert await count(engine, "slates", "status = 'ready'") == 2
    answer(tmp_path, wanted[2])
    with pytest.raises(StaleAttemptError):
        await handler.ingest(engine, first, tmp_path)
    assert await count(engine, "slates", "status = 'ready'") == 2


async def test_without_the_files_of_the_killed_attempt_only_pending_slates_are_asked_for(
    engine, settings, viewer, project, tmp_path
):
    made = await started(engine, settings, viewer, project)
    first = await attempt_at(engine, made.run_id)
    handler = SampleHandler(settings)
    await handler.prepare(engine, first, tmp_path)
    wanted = asked_for(tmp_path)
    answer(tmp_path, wanted[0])
    await handler.ingest(engine, first, tmp_path)
    async with transaction(engine) as tx:
        await tx.execute(text("update runs set heartbeat_at = now() - interval '1 hour'"))
    second = await attempt_at(engine, made.run_id)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    await SampleHandler(settings).prepare(engine, second, elsewhere)

    assert asked_for(elsewhere) == wanted[1:]


async def test_a_cancelled_run_keeps_what_it_has_and_stores_no_more(
    engine, settings, viewer, project, tmp_path
):
    made = await started(engine, settings, viewer, project)
    run = await attempt_at(engine, made.run_id)
    handler = SampleHandler(settings)
    await handler.prepare(engine, run, tmp_path)
    answer(tmp_path, asked_for(tmp_path)[0])
    await handler.ingest(engine, run, tmp_path)
    async with transaction(engine) as tx:
        await tx.execute(text("update runs set heartbeat_at = now() - interval '1 hour'"))
        await request_cancel(tx, run.id)
    answer(tmp_path, asked_for(tmp_path)[1])

    with pytest.raises(StaleAttemptError):
        await handler.ingest(engine, run, tmp_path)

    assert await count(engine, "responses") == 4


async def test_a_slate_with_too_few_usable_responses_is_kept_but_not_offered(
    engine, settings, viewer, project, tmp_path
):
    made = await started(engine, settings, viewer, project, limit=1)
    run = await attempt_at(engine, made.run_id)
    handler = SampleHandler(settings)
    await handler.prepare(engine, run, tmp_path)
    answer(tmp_path, asked_for(tmp_path)[0], ("a", "b", " a ", ""))

    await handler.ingest(engine, run, tmp_path)

    async with transaction(engine) as tx:
        row = await round_of(tx, project, made.number)
        found = await slates_of(tx, row.id, with_problems=True)
    assert (row.unusable, row.tasks) == (1, 0)
    assert [r.problem for r in found.slates[0].responses] == [None, None, "duplicate", "empty"]


async def test_a_slate_stays_usable_when_one_of_five_responses_fails(
    engine, settings, viewer, project, tmp_path
):
    made = await started(engine, settings, viewer, project, limit=1, responses_per_prompt=5)
    run = await attempt_at(engine, made.run_id)
    handler = SampleHandler(settings)
    await handler.prepare(engine, run, tmp_path)
    answer(tmp_path, asked_for(tmp_path)[0], ("a", "b", "c", "d", ""))

    await handler.ingest(engine, run, tmp_path)

    assert await count(engine, "slates", "status = 'ready'") == 1
    assert await count(engine, "tasks") >= 1


async def test_a_null_character_in_a_response_becomes_a_visible_mark(
    engine, settings, viewer, project, tmp_path
):
    made = await started(engine, settings, viewer, project, limit=1)
    run = await attempt_at(engine, made.run_id)
    handler = SampleHandler(settings)
    await handler.prepare(engine, run, tmp_path)
    answer(tmp_path, asked_for(tmp_path)[0], ("a\x00", "b", "c", "d"))

    await handler.ingest(engine, run, tmp_path)

    assert await count(engine, "responses", "text = 'a\N{REPLACEMENT CHARACTER}'") == 1


async def test_a_run_that_left_slates_out_does_not_succeed(
    engine, settings, viewer, project, tmp_path
):
    made = await started(engine, settings, viewer, project)
    run = await attempt_at(engine, made.run_id)

    async with transaction(engine) as tx:
        with pytest.raises(InvalidError, match="10 slates"):
            await SampleHandler(settings).complete(tx, run, tmp_path, RESULT)
