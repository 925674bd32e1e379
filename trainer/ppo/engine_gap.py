"""How far what samples computes something else than the trainer, and how far a server may.

Shapes: b responses, t tokens, v vocabulary entries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from trainer.architecture.compute import product_dtype
from trainer.errors import RunDivergedError
from trainer.generate import Draw
from trainer.ppo.rollout_server import RolloutServer, Served
from trainer.running import parallel
from trainer.running.watch import Watch

GREEDY_PROMPTS, GREEDY_TOKENS = 8, 16
# A greedy token may be this much less likely than the trainer's own choice: engines round apart.
GREEDY_GAP_NATS = {torch.float32: 1e-3, torch.bfloat16: 0.25, torch.float16: 0.05}
MEAN_GAP_NATS, MAX_GAP_NATS = 0.1, 5.0


@dataclass(frozen=True)
class EngineGap:
    """How far the log-probabilities of sampler and trainer are apart, in nats a token."""

    mean: float
    maximum: float


def require_same_greedy(
    server: RolloutServer,
    policy: PreTrainedModel,
    prompts: Sequence[tuple[int, ...]],
    *,
    eos_id: int,
    watch: Watch = iter,
) -> None:
    """Compare greedy responses to a few prompts with the policy's own choices.

    Args:
        server: to ask.
        policy: whose weights the server has.
        prompts: of which the first few are taken.
        eos_id: ends a response.
        watch: as that of `RolloutServer.draw`.

    Raises:
        RunDivergedError: when the server samples from other weights than the policy's.
    """
    prompts = list(prompts)[:GREEDY_PROMPTS]
    served = server.draw(
        [Draw(prompt, 0) for prompt in prompts],
        eos_id=eos_id,
        temperature=0.0,
        max_new_tokens=GREEDY_TOKENS,
        watch=watch,
    )
    logits = [
        _logits_of(policy, prompt, one.tokens) for prompt, one in zip(prompts, served, strict=True)
    ]
    gaps = [_greedy_gap(*pair) for pair in zip(logits, served, strict=True)]
    allowed = GREEDY_GAP_NATS[product_dtype(policy)]
    if max(gaps) > allowed:
        raise RunDivergedError(
            f"after new weights were loaded, the rollout server's greedy responses to "
            f"{sum(gap > allowed for gap in gaps)} of {len(gaps)} prompts are not those of the "
            f"policy (up to {max(gaps):.3g} nats less likely than the policy's own choice); "
            "look whether it reads the weights folder and serves the same model"
        )


def engine_gap(sampled: Mapping[int, Sequence[float]], logprobs: Tensor) -> EngineGap:
    """Compare the sampler's log-probabilities with the trainer's own, over all ranks.

    Args:
        sampled: the sampler's, of the responses that this rank has them of, by their place.
        logprobs: (b, t) of the tokens of all responses under the policy.
    """
    own = logprobs.cpu()
    apart = torch.cat(
        [own.new_zeros(0, dtype=torch.float64)]
        + [
            (torch.tensor(theirs, dtype=torch.float64) - own[place, : len(theirs)]).abs()
            for place, theirs in sampled.items()
        ]
    )
    tokens = parallel.total_of(len(apart))
    maximum = parallel.largest_of(float(apart.max()) if len(apart) else 0.0)
    return EngineGap(parallel.total_of(float(apart.sum())) / tokens, maximum)


def require_small_gap(gap: EngineGap) -> None:
    """Refuse to learn from responses of a server that computes something else.

    Raises:
        RunDivergedError: with the gap.
    """
    # Written so that a NaN is refused as well.
    if not (gap.mean <= MEAN_GAP_NATS and gap.maximum <= MAX_GAP_NATS):
        raise RunDivergedError(
            f"log-probabilities of the rollout server and the trainer are {gap.mean:.3g} nats a "
            f"token apart, at most {gap.maximum:.3g} ({MEAN_GAP_NATS} and {MAX_GAP_NATS} are "
            "allowed); compare precisions, and start vLLM with --logprobs-mode processed_logprobs "
            "when the temperature is not 1"
        )


@torch.no_grad()
def _logits_of(policy: PreTrainedModel, prompt: Sequence[int], response: Sequence[int]) -> Tensor:
    tokens = torch.tensor([[*prompt, *response]], device=policy.device)
    logits: Tensor = policy(tokens, use_cache=False).logits[0, len(prompt) - 1 : -1]
    return logits  # (t, v)


def _greedy_gap(logits: Tensor, served: Served) -> float:
    """Return how much less likely than the best one a response's tokens are at most, in nats."""
    tokens = torch.tensor(served.tokens, device=logits.device)
    chosen = logits.gather(-1, tokens[:, None]).squeeze(-1)
    return float((logits.max(-1).values - chosen).max())
