"""DPO on rankings (arXiv 2305.18290, equation 7): all comparisons of a prompt in one batch element.

The prompt and each response are forwarded once a step; what the reference model says of them is
read before the first one. The loss is the reward model's, of implicit rewards.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer import limits, models, rundir
from trainer.architecture import sharding
from trainer.architecture.pretrained import load_config
from trainer.evaluate import evaluate, pairwise_accuracy
from trainer.preference import comparisons, dpo_step
from trainer.preference.dpo_step import References
from trainer.preference.kwise_step import accumulate_loss, score_all
from trainer.preference.preferences import Preferences, read_preferences
from trainer.preference.rankings import RankedPrompt
from trainer.preview import sample_responses
from trainer.result import Lineage, RunResult
from trainer.running import optimization, parallel
from trainer.running.checkpoints import Checkpointer
from trainer.running.lineage import describe_lineage
from trainer.running.pace import Pace
from trainer.running.schedule import is_validation_due, plan_batches
from trainer.running.trained import Trained
from trainer.running.watch import Watch
from trainer.shared_prompt import expected_reach
from trainer.spec import DPOSettings, DPOSpec, Sampling

SHOWN_TEXTS, SHOWN_TOKENS = 8, 96


def run(spec: DPOSpec, run_dir: Path) -> None:
    """Do a DPO run: `model/` and `result.json` are there afterwards.

    Raises:
        RunRefusedError: when there is no comparison to train on or the model cannot be loaded.
        RunDivergedError: when the start-up check fails or a number stops being finite.
        StoppedError: SIGTERM or Ctrl-C came.
    """
    settings = spec.settings
    folder = models.resolve_folder(spec.base_model)
    tokenizer = models.load_tokenizer(folder)
    config = load_config(folder)
    max_tokens = limits.say_longest_sequence(config, settings.max_tokens)
    preferences = read_preferences(spec, run_dir, tokenizer, max_tokens=max_tokens)
    limits.require_memory(
        spec, rows=preferences.row_lengths(settings, reach=expected_reach(config))
    )
    lineage = describe_lineage(
        spec, run_dir, parents={"base_model": folder}, rows=preferences.row_use(settings)
    )
    policy = models.load_policy(folder, seed=settings.seed, compute=settings)
    models.require_same_vocabulary(policy, tokenizer, name=str(folder))
    train, held = preferences.train, preferences.held
    references = dpo_step.read_references(policy, [*train, *held], settings)

    metrics = train_policy(
        policy, tokenizer, preferences, references, spec, run_dir, lineage=lineage
    )

    reward = partial(dpo_step.reward_prompts, policy, references, settings)
    rewards = score_all(policy, reward, held, settings).tolist()
    judged = comparisons.judge(held, rewards)
    evaluation = evaluate(judged, preferences.training_labelers)
    shown = sample_shown(policy, tokenizer, [*held, *train], settings)
    metrics |= comparisons.closing_numbers(
        evaluation.accuracy,
        pairwise_accuracy(judged),
        loss=comparisons.mean_loss(held, rewards, settings.ties),
    )
    state = sharding.whole_state(policy)
    if not parallel.ranks().is_main:
        return
    with rundir.saving_model(run_dir) as unfinished:
        models.save_model(policy, tokenizer, unfinished, state=state)
    rundir.write_result(
        run_dir,
        RunResult(
            kind="dpo",
            metrics=rundir.finite(metrics),
            model=rundir.MODEL_FOLDER,
            rows=preferences.count(),
            texts=[f"{one['prompt']}\n\n{one['response']}" for one in shown],
            versions=rundir.versions(),
            lineage=lineage,
            evaluation=evaluation,
        ),
    )


def train_policy(
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    preferences: Preferences,
    references: References,
    spec: DPOSpec,
    run_dir: Path,
    *,
    lineage: Lineage,
) -> rundir.Metrics:
    """Train in place and return the numbers of the last step.

    Args:
        policy: a causal language model.
        tokenizer: of it, for the texts that people look at.
        preferences: to train and validate on.
        references: of all their prompts, read before this.
        spec: of the run.
        run_dir: where metrics, texts and checkpoints go.
        lineage: of what was read; checkpoints of other files or models are not resumed from.
    """
    settings, train = spec.settings, preferences.train
    watched = comparisons.spread(preferences.held, comparisons.VALIDATION_PROMPTS)
    plan = plan_batches(train, settings)
    tokens = [comparisons.tokens_of(batch) for batch in plan]
    reward = partial(dpo_step.reward_prompts, policy, references, settings)
    optimizer = optimization.make_optimizer(policy, learning_rate=settings.learning_rate)
    trained = Trained(models={"policy": policy}, optimizers={"policy": optimizer})
    with Checkpointer(
        run_dir, spec, trained, lineage=lineage, minutes=settings.checkpoint_minutes
    ) as checkpoints:
        resumed = checkpoints.resume()
        metrics: rundir.Metrics = resumed.state.get("metrics", {})
        pace = Pace(planned=sum(tokens), done=sum(tokens[: resumed.step]))
        with (
            parallel.appending(run_dir / rundir.METRICS_FILE) as metrics_file,
            parallel.appending(run_dir / rundir.TEXTS_FILE) as texts_file,
        ):
            for step in range(resumed.step, len(plan)):
                is_measured = is_validation_due(step, steps=len(plan))
                checkpoints.at_border(
                    step, {"metrics": rundir.finite(metrics)}, is_one_needed=is_measured
                )
                share = optimization.cosine_share(
                    step, steps=len(plan), warmup_steps=settings.warmup_steps
                )
                optimization.set_rate(optimizer, settings.learning_rate * share)
                loss, rewards = accumulate_loss(
                    policy, reward, plan[step], settings, until_stopped=checkpoints.until_stopped
                )
                if step == 0:
                    dpo_step.check_start(loss, settings, policy.device)
                norm = optimization.guarded_step(
                    optimizer,
                    policy.parameters(),
                    loss=loss,
                    step=step,
                    max_norm=settings.max_gradient_norm,
                )
                metrics = {
                    "loss/dpo": loss,
                    **dpo_step.describe(rewards.tolist(), plan[step], references, settings),
                    "gradient/norm": norm,
                    "learning_rate": settings.learning_rate * share,
                    **pace.advance(tokens[step]),
                }
                if is_measured:
                    watch = checkpoints.until_abandoned
                    of_watched = score_all(policy, reward, watched, settings, watch=watch).tolist()
                    metrics |= comparisons.validation_numbers(watched, of_watched, settings.ties)
                    shown = [*watched, *train]
                    texts = sample_shown(policy, tokenizer, shown, settings, watch=watch)
                    rundir.append_line(texts_file, {"step": step, "samples": texts})
                rundir.append_metrics(
                    metrics_file, step=step, progress=pace.progress, metrics=metrics
                )
        checkpoints.at_border(len(plan), {"metrics": rundir.finite(metrics)})
    return metrics


def sample_shown(
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[RankedPrompt],
    settings: DPOSettings,
    *,
    watch: Watch = iter,
) -> list[dict[str, str]]:
    """Sample a response to each of the first prompts; only the policy differs between calls."""
    shown = prompts[:SHOWN_TEXTS]
    responses = sample_responses(
        policy,
        tokenizer,
        [prompt.messages for prompt in shown],
        Sampling(max_new_tokens=SHOWN_TOKENS, seed=settings.seed),
        max_tokens=settings.max_tokens,
        watch=watch,
    )
    return [
        {"prompt": prompt.messages[-1].content, "response": response}
        for prompt, response in zip(shown, responses, strict=True)
    ]
