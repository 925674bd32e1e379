"""Start a training run: everything that can be refused is refused here, before any GPU is used."""

import asyncio
import uuid
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.accounts.viewer import Viewer
from app.datasets.commands import TRAIN, current_dataset
from app.datasets.frozen import RANKINGS, dataset_folder, open_frozen, read_rankings
from app.datasets.queries import DatasetView, dataset_for
from app.errors import Fault, InvalidError, NotFoundError
from app.jobs.commands import queue_run
from app.jobs.machine import read_machine
from app.projects.queries import ProjectView
from app.registry.queries import ModelView, model_by_name
from app.registry.reach import reach_of
from app.settings import Settings
from app.training.enough_data import (
    Rows,
    labelers_needed,
    require_enough_data,
    require_enough_labelers,
    rows_of,
)
from app.training.memory import require_memory
from app.training.model_folder import largest_rank_of, same_vocabulary
from app.training.settings import TrainingKind, TrainingSettings, refused_setting
from app.web.translation import gettext
from trainer.spec import PPOSettings

# What each kind of run can start from; the first kind is what the form offers first.
STARTS_FROM: dict[TrainingKind, tuple[str, ...]] = {
    "sft": ("base", "sft"),
    "reward": ("sft", "base"),
    "dpo": ("sft", "policy"),
    "ppo": ("sft", "policy"),
}

# What a snapshot would hold now, in the order of `Rows`; one comparison is enough to know that
# there are some.
AVAILABLE = text("""
select (select count(*) from demonstrations where project_id = :project_id) as demonstrations,
       (select count(*) from rankings r join tasks t on t.id = r.task_id
        where t.project_id = :project_id and r.is_current and not r.is_check
          and r.id not in (select ranking_id from excluded_rankings)
          and not exists (select from left_out_rankings x where x.ranking_id = r.id)) as rankings,
       (select count(*) from (
           select from comparisons c join slates s on s.id = c.slate_id
           join rounds d on d.id = s.round_id where d.project_id = :project_id
             and not exists (select from left_out_rankings x where x.ranking_id = c.ranking_id)
           limit 1
       ) one) as comparisons,
       (select count(*) from prompts where project_id = :project_id) as prompts,
       (select count(*) from pretraining_texts where project_id = :project_id) as pretraining,
       (select count(*) from demonstrations
        where project_id = :project_id and split = 'train') as training_demonstrations,
       (select count(*) from (
           select from comparisons c join slates s on s.id = c.slate_id
           join prompts p on p.id = s.prompt_id
           where p.project_id = :project_id and p.split = 'train'
             and not exists (select from left_out_rankings x where x.ranking_id = c.ranking_id)
           limit 1
       ) one) as training_comparisons
""")

LABELERS = text("""
select count(distinct r.labeler_id) from rankings r
join slates s on s.id = r.slate_id join prompts p on p.id = s.prompt_id
where p.project_id = :project_id and p.split = 'train' and r.is_current and not r.is_check
  and r.id not in (select ranking_id from excluded_rankings)
  and not exists (select from left_out_rankings x where x.ranking_id = r.id)
""")

# Two requests with one key must not both find nothing and both start a run.
ONE_AT_A_TIME = text("select pg_advisory_xact_lock(hashtextextended(:key, 0))")
STARTED_BEFORE = text("""
select id from runs where created_by_id = :viewer_id and request_key = :key
""")
KEEP_KEY = text("update runs set request_key = :key where id = :run_id")


@dataclass(frozen=True)
class NewRun:
    """What an admin asks for; without `dataset_id` the project as it stands is trained on."""

    kind: TrainingKind
    base_model: str
    settings: TrainingSettings
    reward_model: str | None = None
    dataset_id: int | None = None
    request_key: uuid.UUID | None = None


@dataclass(frozen=True)
class QueuedRun:
    """The queued run; `is_new` is false when the same request had started it before."""

    id: int
    is_new: bool


async def start_run(
    tx: AsyncSession,
    engine: AsyncEngine,
    settings: Settings,
    viewer: Viewer,
    project: ProjectView,
    new: NewRun,
) -> QueuedRun:
    """Check the request, find or make the dataset when none is named, and queue the run.

    Args:
        tx: the run is inserted and enqueued in it.
        engine: a snapshot is read, and its row committed, on a connection of its own.
        settings: where datasets lie.
        viewer: the admin who asks.
        project: whose data is trained on.
        new: what they ask for.

    Raises:
        InvalidError: a model, the dataset or the machine does not fit, or there is too little data.
    """
    if new.request_key is not None:
        await tx.execute(ONE_AT_A_TIME, {"key": f"run:{viewer.id}:{new.request_key}"})
        started = await tx.scalar(STARTED_BEFORE, {"viewer_id": viewer.id, "key": new.request_key})
        if started is not None:
            return QueuedRun(id=started, is_new=False)
    _require_rollout_server(settings, new)
    base = await _model(tx, "base_model", new.base_model, STARTS_FROM[new.kind], new.kind)
    reward = await _reward_model(tx, new, base)
    models = [one for one in (base, reward) if one is not None]
    await _require_room(new.settings, models)
    # The reward model of an sft run is only read.
    await _require_rank(new.settings, models if new.kind == "ppo" else [base])
    folders = [one.path for one in models]
    machine = await asyncio.to_thread(read_machine, settings.root)
    await asyncio.to_thread(require_memory, new.settings, folders, machine)
    dataset = await _dataset(tx, engine, settings, viewer, project, new)
    require_enough_data(new.kind, new.settings, rows_of(dataset.manifest))
    run_id = await queue_run(
        tx,
        project_id=project.id,
        kind=new.kind,
        settings=new.settings.model_dump(mode="json"),
        dataset_id=dataset.id,
        base_model_id=base.id,
        reward_model_id=None if reward is None else reward.id,
        created_by_id=viewer.id,
    )
    await tx.execute(KEEP_KEY, {"run_id": run_id, "key": new.request_key})
    return QueuedRun(id=run_id, is_new=True)


async def _model(
    tx: AsyncSession, field: str, name: str, kinds: tuple[str, ...], run: TrainingKind
) -> ModelView:
    """The named model.

    Raises:
        InvalidError: there is none, it is of another kind, or its files are elsewhere.
    """
    try:
        model = await model_by_name(tx, name)
    except NotFoundError:
        raise _refused(
            field,
            gettext("there is no model with this name; GET /models lists them"),
            "unknown_model",
        ) from None
    if model.kind not in kinds:
        raise _refused(
            field,
            gettext(
                "%(name)s is of the kind %(kind)s, but a run of the kind %(run)s takes one of the "
                "kind %(kinds)s here",
                name=name,
                kind=model.kind,
                run=run,
                kinds=gettext(" or ").join(kinds),
            ),
            "wrong_model_kind",
        )
    if model.endpoint_model is not None:
        raise _refused(
            field,
            gettext(
                "%(name)s is served by an endpoint; training needs a model with files", name=name
            ),
            "no_folder",
        )
    return model


def _require_rollout_server(settings: Settings, new: NewRun) -> None:
    """Check that there is a server when the run samples there.

    Raises:
        InvalidError: none is configured.
    """
    is_elsewhere = isinstance(new.settings, PPOSettings) and new.settings.rollouts == "server"
    if is_elsewhere and settings.rollout_url is None:
        raise refused_setting(
            "rollouts",
            gettext(
                "no rollout server is configured; an operator sets PODIUM_ROLLOUT_URL, or choose "
                "local"
            ),
            code="no_rollout_server",
        )


async def _reward_model(tx: AsyncSession, new: NewRun, base: ModelView) -> ModelView | None:
    """The reward model of a ppo run, or the one that chooses the checkpoint of an sft run.

    Raises:
        InvalidError: it is missing, superfluous, or cannot read the tokens of a ppo run's policy.
    """
    if new.reward_model is None:
        if new.kind == "ppo":
            raise _refused(
                "reward_model",
                gettext("a ppo run needs one; train it with a reward run"),
                "no_reward_model",
            )
        return None
    if new.kind not in ("sft", "ppo"):
        raise _refused(
            "reward_model",
            gettext("a run of the kind %(kind)s takes none; leave it out", kind=new.kind),
            "wrong_model_kind",
        )
    reward = await _model(tx, "reward_model", new.reward_model, ("reward",), new.kind)
    # In an sft run it reads the answers as texts, with a tokenizer of its own.
    if new.kind == "ppo" and not await asyncio.to_thread(same_vocabulary, base, reward):
        raise _refused(
            "reward_model",
            gettext(
                "%(reward)s and %(base)s have different vocabularies; choose a reward model that "
                "was trained from a model with the same tokenizer",
                reward=reward.name,
                base=base.name,
            ),
            "other_vocabulary",
        )
    return reward


async def _require_room(settings: TrainingSettings, models: list[ModelView]) -> None:
    """Check that a sampled response fits into every model that reads it, with some of its prompt.

    Raises:
        InvalidError: it does not; the message says how long it may be.
    """
    if not isinstance(settings, PPOSettings):
        return
    reach = await asyncio.to_thread(reach_of, models)
    refusal = None if reach is None else reach.refusal(settings.max_new_tokens)
    if refusal is not None:
        raise refused_setting("max_new_tokens", refusal, code="response_too_long")


async def _require_rank(settings: TrainingSettings, trained: list[ModelView]) -> None:
    """Check that an adapter has no more ranks than the layers that it is added to.

    Raises:
        InvalidError: it has; the message says how many it may have.
    """
    if settings.lora_rank is None:
        return
    largest = await asyncio.to_thread(largest_rank_of, trained)
    if largest is not None and settings.lora_rank > largest:
        raise refused_setting(
            "lora_rank",
            gettext(
                "must be at most %(largest)s: the linear layers have no larger rank, so that "
                "beyond it an adapter adds nothing",
                largest=largest,
            ),
            code="rank_too_large",
        )


async def _dataset(
    tx: AsyncSession,
    engine: AsyncEngine,
    settings: Settings,
    viewer: Viewer,
    project: ProjectView,
    new: NewRun,
) -> DatasetView:
    """The named dataset, or that of the project as it stands.

    Raises:
        InvalidError: the project has no such dataset, or too little data for a useful snapshot.
    """
    if new.dataset_id is None:
        available = await tx.execute(AVAILABLE, {"project_id": project.id})
        require_enough_data(new.kind, new.settings, Rows(*available.one()))
        if labelers_needed(new.settings):
            labelers = await tx.scalar(LABELERS, {"project_id": project.id})
            require_enough_labelers(new.settings, labelers or 0)
        return await current_dataset(engine, viewer, project, settings.root)
    unknown = _refused(
        "dataset", gettext("the project has no dataset with this id"), "unknown_dataset"
    )
    try:
        dataset = await dataset_for(tx, viewer, new.dataset_id)
    except NotFoundError:
        raise unknown from None
    if dataset.project != project.slug:
        raise unknown
    if labelers_needed(new.settings):
        folder = dataset_folder(settings.root, dataset.id)
        require_enough_labelers(new.settings, await asyncio.to_thread(_labelers_in, folder))
    return dataset


def _labelers_in(folder: Path) -> int:
    """How many labelers ranked prompts that are not held out."""
    rankings = read_rankings(open_frozen(folder, RANKINGS), split=TRAIN)
    return len({row["labeler"] for row in rankings})


def _refused(field: str, message: str, code: str) -> InvalidError:
    return InvalidError(f"{field}: {message}", code=code, faults=(Fault(("body", field), message),))
