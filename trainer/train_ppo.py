"""PPO with a per-token KL penalty and the pretraining mix (arXiv 2203.02155, equation 2 and C.4).

One episode is one prompt and one response. An iteration samples a batch of episodes, reads the
four models once over them, and makes one optimizer step for each minibatch. All models stay in
eval mode: dropout would make the ratio of the first minibatch differ from 1. The value model
starts as a copy of the reward model. What a run reads is in `ppo/inputs.py`.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from trainer import advantages, limits, models, rundir
from trainer.architecture import sharding
from trainer.ppo.checks import check_first_kl, check_kl_limit
from trainer.ppo.episodes import check_sampler, open_server, sample_episodes
from trainer.ppo.inputs import Inputs, load_models, prompts_of, read_inputs
from trainer.ppo.rollout_server import RolloutServer
from trainer.ppo.rollouts import PPOModels, assess, describe
from trainer.ppo.scored_texts import averaged, load_average, sample_scored, texts_row
from trainer.ppo.update import Trainee, update
from trainer.result import Lineage, RunResult
from trainer.rundir import Metrics
from trainer.running import optimization, parallel
from trainer.running.checkpoints import Checkpointer
from trainer.running.lineage import describe_lineage
from trainer.running.pace import Pace
from trainer.spec import PPOSettings, PPOSpec


def run(spec: PPOSpec, run_dir: Path) -> None:
    """Do a PPO run: `model/` and `result.json` are there afterwards.

    Raises:
        RunRefusedError: when data is missing or policy and reward model do not fit together.
        RunDivergedError: when a start-up check fails or a number stops being finite.
        StoppedError: SIGTERM or Ctrl-C came.
    """
    limits.require_memory(spec)
    folder = models.resolve_folder(spec.base_model)
    reward_folder = models.resolve_folder(spec.reward_model)
    tokenizer = models.load_tokenizer(folder)
    loaded = load_models(folder, reward_folder, tokenizer, spec.settings)
    inputs = read_inputs(spec, run_dir, tokenizer, loaded)
    parents = {"base_model": folder, "reward_model": reward_folder}
    lineage = describe_lineage(spec, run_dir, parents=parents, rows=inputs.rows)

    metrics = train_policy(loaded, inputs, spec, run_dir, lineage=lineage)

    shown = sample_scored(loaded, inputs.shown, tokenizer, spec.settings, eos_id=inputs.eos_id)
    state = sharding.whole_state(loaded.policy)
    if not parallel.ranks().is_main:
        return
    with rundir.saving_model(run_dir) as unfinished:
        models.save_model(loaded.policy, tokenizer, unfinished, state=state)
    rundir.write_result(
        run_dir,
        RunResult(
            kind="ppo",
            metrics=rundir.finite(metrics),
            model=rundir.MODEL_FOLDER,
            rows={
                "prompts": len(inputs.prompts),
                "prompts_cut": sum(prompt.is_cut for prompt in inputs.prompts),
                "pretraining_texts": 0 if inputs.texts is None else len(inputs.texts.offsets),
                "episodes": spec.settings.steps * spec.settings.batch_size,
            },
            texts=[f"{text.prompt}\n\n{text.response}" for text in shown],
            versions=rundir.versions(),
            lineage=lineage,
        ),
    )


def train_policy(
    loaded: PPOModels, inputs: Inputs, spec: PPOSpec, run_dir: Path, *, lineage: Lineage
) -> Metrics:
    """Train the policy and the value model in place and return the numbers of the last iteration.

    The policy ends with its averaged weights when an average is kept; with LoRA those are the
    averages of the factors A and B, not of their product.

    Args:
        loaded: the four models.
        inputs: of the run.
        spec: of the run.
        run_dir: where metrics, texts and checkpoints go.
        lineage: of what was read; checkpoints of other files or models are not resumed from.

    Raises:
        RunDivergedError: when a start-up check fails or a number stops being finite.
        StoppedError: SIGTERM or Ctrl-C came; there is a checkpoint then.
    """
    settings = spec.settings
    trainee = Trainee.of(loaded, settings)
    with Checkpointer(
        run_dir,
        spec,
        trainee.saved_with(loaded),
        lineage=lineage,
        minutes=settings.checkpoint_minutes,
    ) as checkpoints:
        resumed = checkpoints.resume()
        metrics: Metrics = resumed.state.get("metrics", {})
        trainee.kl_coefficient = resumed.state.get("kl_coefficient", settings.kl_coefficient)
        trainee.passes = resumed.state.get("passes", 0)
        pace = Pace(planned=0, done=resumed.state.get("tokens", 0))
        with (
            open_server(settings, run_dir) as server,
            parallel.appending(run_dir / rundir.METRICS_FILE) as metrics_file,
            parallel.appending(run_dir / rundir.OPTIMIZER_STEPS_FILE) as steps_file,
            parallel.appending(run_dir / rundir.TEXTS_FILE) as texts_file,
        ):
            for iteration in range(resumed.step, settings.steps):
                checkpoints.at_border(iteration, _state(trainee, pace, metrics), is_one_needed=True)
                metrics, steps = iterate(
                    loaded,
                    trainee,
                    inputs,
                    settings,
                    checkpoints,
                    iteration=iteration,
                    is_first=iteration == resumed.step,
                    server=server,
                )
                tokens = int(metrics["tokens"] or 0)
                pace.planned = (pace.done + tokens) * settings.steps // (iteration + 1)
                metrics |= pace.advance(tokens)
                if is_evaluated(iteration, settings):
                    with averaged(loaded.policy, trainee.average):
                        texts = sample_scored(
                            loaded,
                            inputs.shown,
                            inputs.tokenizer,
                            settings,
                            eos_id=inputs.eos_id,
                            watch=checkpoints.until_abandoned,
                        )
                    rundir.append_line(texts_file, texts_row(iteration, texts))
                for step in steps:
                    rundir.append_line(steps_file, {"step": iteration, **rundir.finite(step)})
                rundir.append_metrics(
                    metrics_file,
                    step=iteration,
                    progress=(iteration + 1) / settings.steps,
                    metrics=metrics,
                )
        checkpoints.at_border(settings.steps, _state(trainee, pace, metrics))
    load_average(loaded.policy, trainee.average)
    return metrics


def iterate(
    loaded: PPOModels,
    trainee: Trainee,
    inputs: Inputs,
    settings: PPOSettings,
    checkpoints: Checkpointer,
    *,
    iteration: int,
    is_first: bool,
    server: RolloutServer | None,
) -> tuple[Metrics, list[Metrics]]:
    """Do one iteration: sample, read the four models, update, adapt the KL coefficient.

    Args:
        loaded: the four models.
        trainee: what else changes.
        inputs: of the run.
        settings: of the run.
        checkpoints: may end the run before the first optimizer step and between two of them.
        iteration: 0 .. steps - 1.
        is_first: of this process, so that what must hold at the start is checked.
        server: samples instead of this process.

    Returns:
        The metrics of the iteration and those of each optimizer step.

    Raises:
        RunDivergedError: when a check fails, the KL is above its limit or a number is not finite.
    """
    stopwatch = Stopwatch()
    share = optimization.warmup_share(iteration, warmup_steps=settings.warmup_steps)
    optimization.set_rate(trainee.policy_optimizer, settings.learning_rate * share)
    episodes = sample_episodes(
        loaded.policy,
        prompts_of(iteration, inputs.prompts, settings),
        settings,
        tokenizer=inputs.tokenizer,
        eos_id=inputs.eos_id,
        iteration=iteration,
        server=server,
        compares_greedy=is_first,
        watch=checkpoints.until_stopped,
    )
    metrics: Metrics = {"seconds/rollout": stopwatch.lap()}

    rollouts = assess(
        loaded,
        episodes.examples,
        settings,
        eos_id=inputs.eos_id,
        kl_coefficient=trainee.kl_coefficient,
        watch=checkpoints.until_stopped,
    )
    if iteration == 0:
        check_first_kl(rollouts)
    metrics |= describe(rollouts) | check_sampler(episodes, rollouts, settings)
    kl_nats = float(metrics["objective/kl"] or 0)
    check_kl_limit(kl_nats, limit_nats=settings.kl_limit_nats, iteration=iteration)
    metrics["objective/kl_coefficient"] = trainee.kl_coefficient
    metrics["learning_rate"] = settings.learning_rate * share
    metrics["seconds/scoring"] = stopwatch.lap()

    steps = list(
        update(
            loaded,
            rollouts,
            trainee,
            inputs.texts,
            settings,
            iteration=iteration,
            checks_ratio=is_first,
            until_stopped=checkpoints.until_stopped,
            until_abandoned=checkpoints.until_abandoned,
        )
    )
    metrics |= means(steps)
    metrics["policy/log_ratio_max"] = max(
        float(step["policy/log_ratio_max"] or 0) for step in steps
    )
    for name in ("seconds/ptx", "ptx/texts", "ptx/tokens"):
        metrics[name] = sum(step[name] or 0 for step in steps)
    metrics["seconds/update"] = stopwatch.lap() - float(metrics["seconds/ptx"] or 0)
    metrics["tokens"] = sum(len(example.tokens) for example in episodes.examples) + int(
        metrics["ptx/tokens"] or 0
    )
    if settings.kl_target_nats is not None:
        trainee.kl_coefficient = advantages.adapted_kl_coefficient(
            trainee.kl_coefficient,
            kl_nats,
            target_nats=settings.kl_target_nats,
            episodes=len(episodes.examples),
            horizon_episodes=settings.kl_horizon_episodes,
        )
    return metrics, steps


def is_evaluated(iteration: int, settings: PPOSettings) -> bool:
    """Tell whether texts are sampled after an iteration: the first, every n-th and the last."""
    return iteration % settings.evaluate_every == 0 or iteration == settings.steps - 1


def means(steps: Sequence[Metrics]) -> Metrics:
    """Return the mean over optimizer steps of each metric, over those that have it."""
    found = {
        name: [value for step in steps if (value := step[name]) is not None] for name in steps[0]
    }
    return {name: sum(values) / len(values) for name, values in found.items() if values}


class Stopwatch:
    """Says how many seconds each part of an iteration took."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def lap(self) -> float:
        """Return the seconds since the last call; what a GPU does was waited for by then."""
        now = time.monotonic()
        seconds, self._at = now - self._at, now
        return round(seconds, 4)


def _state(trainee: Trainee, pace: Pace, metrics: Metrics) -> dict[str, object]:
    return {
        "kl_coefficient": trainee.kl_coefficient,
        "passes": trainee.passes,
        "tokens": pace.done,
        "metrics": rundir.finite(metrics),
    }
