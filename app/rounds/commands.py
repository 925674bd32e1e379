"""Writes of rounds: start one, store what was sampled for it, and import answers made elsewhere."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.errors import Fault, InvalidError
from app.jobs.commands import hold_attempt, queue_run
from app.jobs.handlers import StartedRun
from app.projects.commands import lock_project
from app.projects.queries import ProjectView
from app.prompts.commands import store_prompts
from app.prompts.import_rows import Rejection
from app.prompts.split import Split
from app.registry.queries import ModelView, all_models
from app.registry.reach import reach_of
from app.rounds.answers import MIN_OFFERED_SAMPLED, is_offerable, problems_of, storable
from app.rounds.import_rows import ImportedSlate, parse_answers
from app.rounds.overlap import NOTHING, OverlapWish
from app.rounds.storage import (
    NewResponse,
    add_responses,
    add_slates,
    finish_slates,
    new_round,
)
from app.settings import Settings
from app.web.translation import gettext
from trainer.spec import MAX_RESPONSES, SampledSlate, Sampling

MIN_SAMPLED = 4
SEED_BITS = 31
BATCH_SLATES = 2_000
SAMPLED_KINDS = ("base", "sft", "policy")

# Prompts that were used least come first, so that a limit does not pick the same ones every time.
CHOOSE_PROMPTS = text("""
select p.id from prompts p
where p.project_id = :project_id and (cast(:split as text) is null or p.split = :split)
order by (select count(*) from slates s where s.prompt_id = p.id), p.id
limit :limit
""")

ADD_ROUND_MODELS = text("""
insert into round_models (round_id, model_id)
select :round_id, id from models where name = any(cast(:names as text[]))
""")

PROMPTS_BY_HASH = text("""
select encode(content_hash, 'hex'), id from prompts
where project_id = :project_id and content_hash = any(
    select decode(hash, 'hex') from unnest(cast(:hashes as text[])) as hash)
""")

CLAIM_SLATES = text("""
select id from slates
where round_id = :round_id and id = any(cast(:slate_ids as bigint[])) and status = 'pending'
order by id for update
""")


@dataclass(frozen=True)
class NewRound:
    """What an admin asks for; without a seed the round gets a random one."""

    models: tuple[str, ...]
    responses_per_prompt: int
    sampling: Sampling
    split: Split | None = None
    limit: int | None = None
    overlap: OverlapWish = NOTHING


@dataclass(frozen=True)
class StartedRound:
    """The round's number within its project, and the run that samples it."""

    number: int
    run_id: int
    slates: int


@dataclass(frozen=True)
class ImportedRound:
    """What became of the lines of an import."""

    number: int
    slates: int
    rejected: tuple[Rejection, ...]


async def create_round(
    tx: AsyncSession, settings: Settings, viewer: Viewer, project: ProjectView, new: NewRound
) -> StartedRound:
    """Start a round: its pending slates, and the run that samples their responses.

    Raises:
        InvalidError: a model cannot be sampled, has no room for the response, or no prompt fits.
    """
    if not MIN_SAMPLED <= new.responses_per_prompt <= MAX_RESPONSES:
        raise InvalidError(
            gettext(
                "Sample %(least)s to %(most)s responses per prompt.",
                least=MIN_SAMPLED,
                most=MAX_RESPONSES,
            ),
            code="bad_responses_per_prompt",
        )
    models = await _sampled_models(tx, settings, new)
    await _require_room(models, new.sampling)
    await lock_project(tx, project)
    prompts = await tx.scalars(
        CHOOSE_PROMPTS, {"project_id": project.id, "split": new.split, "limit": new.limit}
    )
    prompt_ids = list(prompts)
    if not prompt_ids:
        missing = (
            gettext(
                "The project has no prompts in the split %(split)s; import some first.",
                split=new.split,
            )
            if new.split
            else gettext("The project has no prompts yet; import some first.")
        )
        raise InvalidError(missing, code="no_prompts")
    made = await new_round(
        tx,
        project,
        source="sampled",
        overlap=new.overlap,
        responses_per_prompt=new.responses_per_prompt,
        sampling=new.sampling.model_dump_json(),
    )
    names = [model.name for model in models]
    await tx.execute(ADD_ROUND_MODELS, {"round_id": made.id, "names": names})
    await add_slates(tx, made.id, prompt_ids)
    run_id = await queue_run(
        tx,
        project_id=project.id,
        kind="sample",
        settings={
            "models": names,
            "responses_per_prompt": new.responses_per_prompt,
            "sampling": new.sampling.model_dump(),
            "prompts": {"split": new.split, "limit": new.limit},
        },
        round_id=made.id,
        created_by_id=viewer.id,
    )
    return StartedRound(number=made.number, run_id=run_id, slates=len(prompt_ids))


def random_seed() -> int:
    """A seed for a round that was given none, so that two rounds do not repeat each other."""
    return secrets.randbits(SEED_BITS)


async def _sampled_models(tx: AsyncSession, settings: Settings, new: NewRound) -> list[ModelView]:
    """The round's models in the order of the registry.

    Raises:
        InvalidError: one is unknown, named twice, or of a kind that gives no responses.
    """
    if not 1 <= len(new.models) <= new.responses_per_prompt or len(set(new.models)) != len(
        new.models
    ):
        raise InvalidError(
            f"Choose 1 to {new.responses_per_prompt} different models, "
            "so that each gives at least one response.",
            code="bad_models",
        )
    known = {model.name: model for model in await all_models(tx)}
    for name in new.models:
        model = known.get(name)
        if model is None:
            raise InvalidError(
                f"There is no model named {name!r}; register it first.", code="unknown_model"
            )
        if model.kind not in SAMPLED_KINDS or model.is_untrained:
            raise InvalidError(
                f"Model {name!r} gives no responses: "
                f"{'it has no weights' if model.is_untrained else 'it is a reward model'}.",
                code="model_not_sampled",
            )
        if model.endpoint_model is not None and settings.sampler_url is None:
            raise InvalidError(
                f"Model {name!r} is served by an endpoint, and none is configured; "
                "an operator sets PODIUM_SAMPLER_URL.",
                code="no_endpoint",
            )
    return [known[name] for name in new.models]


async def _require_room(models: Sequence[ModelView], sampling: Sampling) -> None:
    """Check that each model can write a response of the greatest length after some of its prompt.

    Raises:
        InvalidError: one cannot; the message says how long a response may be.
    """
    reach = await asyncio.to_thread(reach_of, models)
    refusal = None if reach is None else reach.refusal(sampling.max_new_tokens)
    if refusal is not None:
        raise InvalidError(
            f"max_new_tokens: {refusal}",
            code="response_too_long",
            faults=(Fault(("body", "sampling", "max_new_tokens"), refusal),),
        )


async def record_samples(tx: AsyncSession, run: StartedRun, sampled: Sequence[SampledSlate]) -> int:
    """Store the responses of pending slates and open their places; returns how many slates.

    A slate that has its responses already is passed over: nothing is stored twice.

    Raises:
        StaleAttemptError: another attempt has taken the run over.
    """
    await hold_attempt(tx, run)
    by_slate = {int(slate.prompt_id): slate for slate in sampled}
    claimed = await tx.scalars(
        CLAIM_SLATES, {"round_id": run.round_id, "slate_ids": list(by_slate)}
    )
    at_least = min(MIN_OFFERED_SAMPLED, run.settings["responses_per_prompt"])
    responses: list[NewResponse] = []
    statuses: dict[int, str] = {}
    for slate_id in claimed:
        new = _sampled_responses(slate_id, by_slate[slate_id])
        problems = [response.problem for response in new]
        usable = is_offerable(problems, at_least=at_least)
        statuses[slate_id] = "ready" if usable else "unusable"
        responses.extend(new)
    if statuses:
        await add_responses(tx, responses)
        await finish_slates(tx, run.project_id, statuses)
    return len(statuses)


def _sampled_responses(slate_id: int, slate: SampledSlate) -> list[NewResponse]:
    texts = [storable(response.text) for response in slate.responses]
    # Looked at here as well: the trainer compares what it sampled, this what is stored.
    problems = problems_of(texts)
    return [
        NewResponse(
            slate_id=slate_id,
            position=position,
            text=text_,
            model=response.model,
            problem=response.problem or problem,
            seed=response.seed,
            temperature=response.temperature,
            top_p=response.top_p,
            max_new_tokens=response.max_new_tokens,
            attempts=response.attempts,
            finish=response.finish,
        )
        for position, (response, text_, problem) in enumerate(
            zip(slate.responses, texts, problems, strict=True)
        )
    ]


async def import_responses(
    tx: AsyncSession, project: ProjectView, data: bytes, overlap: OverlapWish = NOTHING
) -> ImportedRound:
    """Make a round from answers that were made elsewhere; new prompts are stored on the way.

    Raises:
        DomainError: the file cannot be taken, or none of its lines can.
    """
    slates, rejected = await asyncio.to_thread(parse_answers, data)
    stored = await store_prompts(tx, project, [slate.prompt for slate in slates])
    rejected = sorted((*rejected, *stored.rejected), key=lambda item: item.line)
    refused = {item.line for item in rejected}
    slates = [slate for slate in slates if slate.line not in refused]
    if not slates:
        first = rejected[0]
        raise InvalidError(
            f"Nothing was imported: none of the lines can be taken. "
            f"Line {first.line}: {first.error}",
            code="rejected",
        )
    made = await new_round(tx, project, source="imported", overlap=overlap)
    prompt_ids = await _prompt_ids(tx, project, slates)
    slate_ids = await add_slates(
        tx, made.id, [prompt_ids[slate.prompt.content_hash] for slate in slates]
    )
    names = {answer.model for slate in slates for answer in slate.answers if answer.model}
    await tx.execute(ADD_ROUND_MODELS, {"round_id": made.id, "names": list(names)})
    remaining = iter(slates)
    while batch := list(islice(remaining, BATCH_SLATES)):
        ids = [slate_ids[prompt_ids[slate.prompt.content_hash]] for slate in batch]
        await add_responses(tx, _imported_responses(ids, batch))
        await finish_slates(tx, project.id, dict.fromkeys(ids, "ready"))
    return ImportedRound(number=made.number, slates=len(slates), rejected=tuple(rejected))


async def _prompt_ids(
    tx: AsyncSession, project: ProjectView, slates: Sequence[ImportedSlate]
) -> dict[str, int]:
    hashes = [slate.prompt.content_hash for slate in slates]
    rows = await tx.execute(PROMPTS_BY_HASH, {"project_id": project.id, "hashes": hashes})
    return {row[0]: row[1] for row in rows}


def _imported_responses(
    slate_ids: Sequence[int], slates: Sequence[ImportedSlate]
) -> list[NewResponse]:
    return [
        NewResponse(
            slate_id=slate_id,
            position=position,
            text=answer.text,
            model=answer.model,
            problem=answer.problem,
        )
        for slate_id, slate in zip(slate_ids, slates, strict=True)
        for position, answer in enumerate(slate.answers)
    ]
