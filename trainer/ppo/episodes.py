"""The episodes of PPO: a prompt and a response each, sampled here or by a rollout server."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer import models
from trainer.architecture import sharding
from trainer.data import Example
from trainer.generate import Draw, Drawn, draw_responses
from trainer.ppo import rollout_server
from trainer.ppo.engine_gap import engine_gap, require_same_greedy, require_small_gap
from trainer.ppo.rollout_server import RolloutServer, Served
from trainer.ppo.rollouts import Rollouts
from trainer.rundir import Metrics
from trainer.running import parallel
from trainer.running.seeds import derive_seed
from trainer.running.watch import Watch
from trainer.spec import PPOSettings

WEIGHTS_FOLDER = "rollout-weights"


@dataclass(frozen=True)
class Episodes:
    """Prompts with their responses.

    Attributes:
        examples: a response keeps a sampled EOS.
        logprobs: what the sampler says of the tokens of each response that this rank sampled or
            was served, by its place.
    """

    examples: list[Example]
    logprobs: Mapping[int, Sequence[float]]


@contextlib.contextmanager
def open_server(settings: PPOSettings, run_dir: Path) -> Iterator[RolloutServer | None]:
    """Connect to the rollout server when the settings name it as the one who samples.

    With several ranks the first speaks to it; the others get None.

    Raises:
        RunRefusedError: when none is configured.
    """
    if settings.rollouts == "local" or not parallel.ranks().is_main:
        yield None
        return
    with rollout_server.connect(run_dir / WEIGHTS_FOLDER) as server:
        yield server


def sample_episodes(
    policy: PreTrainedModel,
    prompts: Sequence[Example],
    settings: PPOSettings,
    *,
    tokenizer: PreTrainedTokenizerBase,
    eos_id: int,
    iteration: int,
    server: RolloutServer | None = None,
    compares_greedy: bool = False,
    watch: Watch = iter,
) -> Episodes:
    """Sample one response for each prompt from the full distribution.

    Args:
        policy: as it is now; a server gets its weights first.
        prompts: one for each episode.
        settings: of the run.
        tokenizer: of the policy.
        eos_id: ends a response.
        iteration: seeds the responses.
        server: samples instead of this process; with several ranks the first has it.
        compares_greedy: whether the server's greedy responses must first be the policy's.
        watch: may end the run between two tokens that are sampled here, or while a server answers.
            Several ranks do not ask it, as the first has steps of its own.

    Raises:
        RunDivergedError: when the server cannot be reached or samples from other weights.
        RunRefusedError: when it refuses what is asked.
    """
    draws = [
        Draw(prompt.tokens, derive_seed(settings.seed, iteration, episode))
        for episode, prompt in enumerate(prompts)
    ]
    drawn: Sequence[Drawn | Served] = []
    if settings.rollouts == "local":
        drawn = draw_responses(
            policy,
            draws,
            eos_id=eos_id,
            temperature=settings.temperature,
            top_p=1.0,
            max_new_tokens=settings.max_new_tokens,
            neighbors=settings.responses_per_prompt,
            watch=watch,
        )
        responses = [tuple(one.tokens) for one in drawn]
    else:
        if parallel.ranks().count > 1:
            watch = iter
        state = sharding.whole_state(policy)
        with sharding.whole_weights(policy):
            if server is not None:  # on rank 0
                server.load(lambda at: models.save_model(policy, tokenizer, at, state=state))
                if compares_greedy:
                    compared = [draw.prompt for draw in draws]
                    require_same_greedy(server, policy, compared, eos_id=eos_id, watch=watch)
                drawn = server.draw(
                    draws,
                    eos_id=eos_id,
                    temperature=settings.temperature,
                    max_new_tokens=settings.max_new_tokens,
                    watch=watch,
                )
        responses = parallel.collect_sequences(
            {place: one.tokens for place, one in enumerate(drawn)},
            count=len(draws),
            longest=settings.max_new_tokens,
        )
    return Episodes(
        [
            Example((*prompt.tokens, *response), prompt.prompt_length)
            for prompt, response in zip(prompts, responses, strict=True)
        ],
        {place: one.logprobs for place, one in enumerate(drawn) if one.logprobs},
    )


def check_sampler(episodes: Episodes, rollouts: Rollouts, settings: PPOSettings) -> Metrics:
    """Return how far the sampler's log-probabilities are from the trainer's.

    Also here the sampler takes another way to them: keys and values from a cache, a token at a
    time.

    Raises:
        RunDivergedError: when those of a server are too far apart.
    """
    gap = engine_gap(episodes.logprobs, rollouts.logprobs)
    if settings.rollouts == "server":
        require_small_gap(gap)
    return {"sampler/logprob_gap_mean": gap.mean, "sampler/logprob_gap_max": gap.maximum}
