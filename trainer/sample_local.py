"""Sampling from a model folder on this machine; `sample` loads this module only when it must."""

from collections.abc import Sequence

import torch

from trainer import data, limits, models
from trainer.generate import Draw, draw_responses
from trainer.sampling.sampler import Request, Sampled, Sampler
from trainer.spec import Sampling

# Few on a CPU: the first slates are there within seconds, also on two slow cores. What a GPU needs
# for a token is mostly the time to read the weights, whatever the number of rows.
CPU_PROMPTS_AT_ONCE, GPU_PROMPTS_AT_ONCE = 4, 128
# A model whose config names no limit is taken to read this much.
DEFAULT_CONTEXT_TOKENS = 131_072


def open_sampler(location: str, sampling: Sampling) -> Sampler:
    """Load a policy and return what samples from it.

    Raises:
        RunRefusedError: when it cannot be loaded or has no room for so long a response.
    """
    folder = models.resolve_folder(location)
    tokenizer = models.load_tokenizer(folder)
    policy = models.load_policy(folder, seed=sampling.seed, dtype=_dtype())
    models.require_same_vocabulary(policy, tokenizer, name=str(folder))
    room = limits.prompt_room(policy, sampling.max_new_tokens, DEFAULT_CONTEXT_TOKENS)

    def sample(requests: Sequence[Request]) -> list[Sampled]:
        prompts = data.encode_prompts(
            tokenizer, [request.prompt.messages for request in requests], max_tokens=room
        )
        drawn = draw_responses(
            policy,
            [
                Draw(prompt.tokens, request.seed)
                for request, prompt in zip(requests, prompts, strict=True)
            ],
            eos_id=data.eos_id_of(tokenizer),
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_new_tokens=sampling.max_new_tokens,
        )
        return [
            Sampled(
                str(tokenizer.decode(one.tokens, skip_special_tokens=True)),
                one.finish,
                cut=f"its beginning, to {room} tokens" if prompt.is_cut else "",
            )
            for one, prompt in zip(drawn, prompts, strict=True)
        ]

    return sample


def prompts_at_once() -> int:
    """Return for how many prompts responses are sampled together."""
    return GPU_PROMPTS_AT_ONCE if torch.cuda.is_available() else CPU_PROMPTS_AT_ONCE


def _dtype() -> torch.dtype:
    # Sampling is bound by memory traffic on a GPU; a CPU is slower in bfloat16.
    return torch.bfloat16 if torch.cuda.is_available() else torch.float32
