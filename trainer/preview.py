"""A few sampled texts at the end of a run, for people to look at."""

from collections.abc import Sequence

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer import data, limits
from trainer.generate import Draw, draw_responses
from trainer.running.seeds import derive_seed
from trainer.running.watch import Watch
from trainer.spec import Message, Sampling


def sample_texts(
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Sequence[Message]],
    sampling: Sampling,
    *,
    max_tokens: int,
) -> list[str]:
    """Sample one response for each conversation: the last message, a blank line, the response."""
    responses = sample_responses(policy, tokenizer, conversations, sampling, max_tokens=max_tokens)
    return [
        f"{messages[-1].content}\n\n{response}"
        for messages, response in zip(conversations, responses, strict=True)
    ]


def sample_responses(
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Sequence[Message]],
    sampling: Sampling,
    *,
    max_tokens: int,
    watch: Watch = iter,
) -> list[str]:
    """Sample one response for each conversation; the same seed gives the same numbers to draw."""
    limit = limits.longest_sequence(policy.config, max_tokens)
    max_new_tokens = min(sampling.max_new_tokens, limit // 2)
    prompts = data.encode_prompts(tokenizer, conversations, max_tokens=limit - max_new_tokens)
    drawn = draw_responses(
        policy,
        [Draw(prompt.tokens, derive_seed(sampling.seed, *prompt.tokens)) for prompt in prompts],
        eos_id=data.eos_id_of(tokenizer),
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_new_tokens=max_new_tokens,
        watch=watch,
    )
    return [str(tokenizer.decode(one.tokens, skip_special_tokens=True)) for one in drawn]
