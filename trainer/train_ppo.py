"""PPO with a per-token KL penalty and the pretraining mix (arXiv 2203.02155, equation 2 and C.4).

One episode is one prompt and one response. All models stay in eval mode: dropout would make the
ratio of the first minibatch differ from 1. The value model is a copy of the reward model.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from trainer import data, models, optimization, rundir
from trainer.data import Example
from trainer.ppo_update import Trainee, check_first_kl, update
from trainer.preview import sample_texts
from trainer.rollouts import PPOModels, assess, describe, sample_episodes
from trainer.rows import read_rows
from trainer.spec import (
    PPOSettings,
    PPOSpec,
    PretrainingRow,
    PromptRow,
    RunResult,
    Sampling,
)

SHOWN_TEXTS = 8


def run(spec: PPOSpec, run_dir: Path) -> None:
    """Do a PPO run: `model/` and `result.json` are there afterwards.

    Raises:
        RunRefusedError: when data is missing or policy and reward model do not fit together.
        RunDivergedError: when a start-up check fails or a number stops being finite.
    """
    rundir.start_over(run_dir)
    settings = spec.settings
    rows = read_rows(run_dir / spec.prompts, PromptRow)
    rows = [row for row in rows if row.split == "train"] or rows
    folder = models.resolve_folder(spec.base_model)
    tokenizer = models.load_tokenizer(folder)
    loaded = load_models(folder, models.resolve_folder(spec.reward_model), tokenizer, settings)
    max_tokens = models.context_limit(loaded.reward, settings.max_tokens)
    room = models.prompt_room(loaded.policy, settings.max_new_tokens, max_tokens)
    prompts = data.encode_prompts(tokenizer, [row.messages for row in rows], max_tokens=room)
    texts = _read_texts(spec, run_dir, tokenizer, max_tokens=max_tokens)
    if not prompts:
        raise rundir.RunRefusedError(f"{spec.prompts} holds no prompt; there is nothing to sample")
    if settings.ptx_coefficient > 0 and not texts:
        raise rundir.RunRefusedError(
            "ptx_coefficient is above 0 but there are no pretraining texts; add some or set it to 0"
        )

    metrics = train_policy(
        loaded, prompts, texts, settings, run_dir, eos_id=data.eos_id_of(tokenizer)
    )

    with rundir.saving_model(run_dir) as unfinished:
        models.save_model(loaded.policy, tokenizer, unfinished)
    rundir.write_result(
        run_dir,
        RunResult(
            kind="ppo",
            metrics=metrics,
            model=rundir.MODEL_FOLDER,
            rows={
                "prompts": len(prompts),
                "prompts_cut": sum(prompt.is_cut for prompt in prompts),
                "pretraining_texts": len(texts),
                "pretraining_texts_cut": sum(text.is_cut for text in texts),
                "episodes": settings.steps * settings.batch_size,
            },
            texts=sample_texts(
                loaded.policy,
                tokenizer,
                [row.messages for row in rows[:SHOWN_TEXTS]],
                Sampling(
                    temperature=settings.temperature,
                    max_new_tokens=settings.max_new_tokens,
                    seed=settings.seed,
                ),
                max_tokens=max_tokens,
            ),
            versions=rundir.versions(),
        ),
    )


def load_models(
    policy_folder: Path,
    reward_folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    settings: PPOSettings,
) -> PPOModels:
    """Load the four models; the reference is the policy's twin, the value model the reward's.

    Raises:
        RunRefusedError: when the reward model has no trained head or another vocabulary.
    """
    if not models.is_reward_model(reward_folder):
        raise rundir.RunRefusedError(f"{reward_folder} is not a reward model; train one first")
    _require_same_tokens(tokenizer, models.load_tokenizer(reward_folder))
    loaded = PPOModels(
        policy=models.load_policy(policy_folder, seed=settings.seed),
        reference=models.load_policy(policy_folder, seed=settings.seed),
        reward=models.load_reward_model(reward_folder, seed=settings.seed),
        value=models.load_reward_model(reward_folder, seed=settings.seed),
    )
    models.require_same_vocabulary(loaded.policy, tokenizer, name=str(policy_folder))
    models.require_same_vocabulary(loaded.reward, tokenizer, name=str(reward_folder))
    for frozen in (loaded.reference, loaded.reward):
        frozen.requires_grad_(False)
    return loaded


def train_policy(
    loaded: PPOModels,
    prompts: Sequence[Example],
    texts: Sequence[Example],
    settings: PPOSettings,
    run_dir: Path,
    *,
    eos_id: int,
) -> rundir.Metrics:
    """Train the policy and the value model in place and return the numbers of the last iteration.

    Args:
        loaded: the four models.
        prompts: to sample responses for.
        texts: of the pretraining mix; may be empty.
        settings: of the run.
        run_dir: where metrics go.
        eos_id: ends a response.

    Raises:
        RunDivergedError: when a start-up check fails or a number stops being finite.
    """
    trainee = Trainee.of(loaded, settings, texts=endless(texts, settings.seed) if texts else None)
    upcoming = endless(prompts, settings.seed + 1)
    metrics: rundir.Metrics = {}
    with rundir.appending(run_dir / rundir.METRICS_FILE) as file:
        for iteration in range(settings.steps):
            share = optimization.warmup_share(iteration, warmup_steps=settings.warmup_steps)
            optimization.set_rate(trainee.policy_optimizer, settings.learning_rate * share)
            examples = sample_episodes(
                loaded.policy,
                [next(upcoming) for _ in range(settings.batch_size)],
                settings,
                eos_id=eos_id,
                iteration=iteration,
            )
            rollouts = assess(loaded, examples, settings, eos_id=eos_id)
            if iteration == 0:
                check_first_kl(rollouts)
            metrics = describe(rollouts)
            metrics |= update(loaded, rollouts, trainee, settings, iteration=iteration)
            metrics["learning_rate"] = settings.learning_rate * share
            rundir.append_metrics(
                file,
                step=iteration,
                progress=(iteration + 1) / settings.steps,
                metrics=metrics,
            )
    if trainee.average is not None:
        loaded.policy.load_state_dict(trainee.average, strict=False)
    return metrics


def endless(examples: Sequence[Example], seed: int) -> Iterator[Example]:
    """Yield all examples in random order, again and again, each once per round."""
    order = random.Random(seed)  # noqa: S311 - an order of examples, not a secret
    while True:
        yield from order.sample(examples, len(examples))


def _read_texts(
    spec: PPOSpec, run_dir: Path, tokenizer: PreTrainedTokenizerBase, *, max_tokens: int
) -> list[Example]:
    if spec.pretraining is None:
        return []
    rows = read_rows(run_dir / spec.pretraining, PretrainingRow)
    return data.encode_texts(tokenizer, [row.text for row in rows], max_tokens=max_tokens)


def _require_same_tokens(policy: PreTrainedTokenizerBase, reward: PreTrainedTokenizerBase) -> None:
    different = [
        what
        for what, ours, theirs in (
            ("vocabulary", policy.get_vocab(), reward.get_vocab()),
            ("EOS token", policy.eos_token_id, reward.eos_token_id),
            ("chat template", policy.chat_template, reward.chat_template),
        )
        if ours != theirs
    ]
    if different:
        raise rundir.RunRefusedError(
            f"policy and reward model differ in their {' and '.join(different)}; train the reward "
            "model from a model with the policy's tokenizer"
        )
