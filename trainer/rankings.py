"""Rankings grouped by prompt: what a reward model trains on and is measured with.

A prompt's responses are scored once, whoever ranked them; a step of training takes whole prompts,
since shuffled comparisons would let each response take part in many separate updates (arXiv
2203.02155, footnote 5).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from trainer import data
from trainer.data import Example
from trainer.spec import RankedResponse, RankingRow

HELD_OUT_SHARE = 0.1


@dataclass(frozen=True)
class Ranking:
    """One labeler's ranking; `places` point into the responses of its prompt."""

    places: tuple[int, ...]
    ranks: tuple[int | None, ...]
    weight: float


@dataclass(frozen=True)
class RankedPrompt:
    """A prompt with each of its responses once, and all rankings of them."""

    prompt_id: str
    group: str
    is_held_out: bool
    responses: tuple[Example, ...]
    rankings: tuple[Ranking, ...]


def group_by_prompt(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[RankingRow], *, max_tokens: int
) -> list[RankedPrompt]:
    """Group rankings by prompt, in the order of their first appearance, and tokenize."""
    grouped: dict[str, list[RankingRow]] = {}
    for row in rows:
        grouped.setdefault(row.prompt_id, []).append(row)
    prompts = []
    for prompt_id, rankings in grouped.items():
        responses: dict[tuple[str, str], RankedResponse] = {}
        for row in rankings:
            responses |= {(response.id, response.text): response for response in row.responses}
        place = {key: at for at, key in enumerate(responses)}
        examples = data.encode_examples(
            tokenizer,
            [rankings[0].messages] * len(responses),
            [response.text for response in responses.values()],
            max_tokens=max_tokens,
        )
        first = rankings[0]
        prompts.append(
            RankedPrompt(
                prompt_id=prompt_id,
                group=first.group or prompt_id,
                is_held_out=first.split != "train",
                responses=tuple(examples),
                rankings=tuple(
                    Ranking(
                        tuple(place[response.id, response.text] for response in row.responses),
                        tuple(row.ranks),
                        row.weight,
                    )
                    for row in rankings
                ),
            )
        )
    return prompts


def split_held_out(
    prompts: Sequence[RankedPrompt],
) -> tuple[list[RankedPrompt], list[RankedPrompt]]:
    """Return the prompts to train on and those held out.

    The rows' split decides. When it holds nothing out, a tenth of the groups, chosen by the hash
    of their name, is; no group is on two sides.
    """
    if any(prompt.is_held_out for prompt in prompts):
        held_groups = {prompt.group for prompt in prompts if prompt.is_held_out}
    else:
        groups = sorted(
            {prompt.group for prompt in prompts},
            key=lambda group: hashlib.sha256(group.encode()).digest(),
        )
        held_groups = set(groups[: int(len(groups) * HELD_OUT_SHARE)])
    return (
        [prompt for prompt in prompts if prompt.group not in held_groups],
        [prompt for prompt in prompts if prompt.group in held_groups],
    )
