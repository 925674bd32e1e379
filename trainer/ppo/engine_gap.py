"""How far a rollout server computes something else than the trainer, and how far it may.

Shapes: t tokens, v vocabulary entries, r response tokens of all responses.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from trainer.architecture.compute import product_dtype
from trainer.errors import RunDivergedError
from trainer.generate import Draw
from trainer.ppo.rollout_server import RolloutServer, Served
from trainer.running.watch import Watch

GREEDY_PROMPTS, GREEDY_TOKENS = 8, 16
# A greedy token may be this much less likely than the trainer's own choice: engines round apart.
GREEDY_GAP_NATS = {torch.float32: 1e-3, torch.bfloat16: 0.25, torch.float16: 0.05}
MEAN_GAP_NATS, MAX_GAP_NATS = 0.1, 5.0


@dataclass(frozen=True)
class EngineGap:
    """How far the log-probabilities of server and trainer are apart, in nats a token."""

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


def engine_gap(served: Sequence[Served], logprobs: Tensor) -> EngineGap:
    """Compare the server's log-probabilities with the trainer's own.

    Args:
        served: responses.
        logprobs: (r,) of their tokens under the policy, one response after the other.
    """
    theirs = torch.tensor([value for one in served for value in one.logprobs])
    apart = (theirs - logprobs.float().cpu()).abs()
    return EngineGap(float(apart.mean()), float(apart.max()))


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
