"""Rankings grouped by prompt: what a reward model or DPO trains on and is measured with.

A prompt's responses are forwarded once, whoever ranked them; a step of training takes whole
prompts, since shuffled comparisons would let each response take part in many separate updates
(arXiv 2203.02155, footnote 5).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from transformers import PreTrainedTokenizerBase

from trainer import data
from trainer.running.lineage import unique_ids
from trainer.shared_prompt import Tree
from trainer.spec import Message, RankedResponse, RankingRow

HELD_OUT_SHARE = 0.1
TRAINING_COHORT = "training"

ResponseKey = tuple[str, str]  # id and text: ids alone may repeat between files


@dataclass(frozen=True)
class Ranking:
    """One labeler's ranking; `places` point into the responses of its prompt.

    Attributes:
        row_id: of its row, as lineage names it.
        labeler: who ranked.
        cohort: of the labeler; only that of the name `TRAINING_COHORT` is trained on.
        places: one per ranked response.
        ranks: one per place, 1 is best; None was not judged.
        ratings: one per place; None was not rated.
        weight: 1 / number of rankings of the same responses.
        round: of the slate; None where the file does not say.
        models: one per place, whose response it is; None where the file does not say.
    """

    row_id: str
    labeler: str
    cohort: str
    places: tuple[int, ...]
    ranks: tuple[int | None, ...]
    ratings: tuple[int | None, ...]
    weight: float
    round: int | None
    models: tuple[str | None, ...]


@dataclass(frozen=True)
class RankedPrompt:
    """A prompt with each of its responses once, and all rankings of them.

    Attributes:
        prompt_id: of the prompt.
        group: no group is on two sides of a split.
        is_held_out: True when the rows say that it must not be trained on.
        messages: the conversation, for people.
        whole: its tokens and those of its responses; one that was not cut while it was sampled has
            its EOS.
        tree: the same, cut to fit.
        unfinished: how many responses have no EOS, as PPO shows them to a reward model.
        rankings: of these responses.
        cut: what was cut to fit, in words; empty when nothing was.
    """

    prompt_id: str
    group: str
    is_held_out: bool
    messages: tuple[Message, ...]
    whole: Tree
    tree: Tree
    unfinished: int
    rankings: tuple[Ranking, ...]
    cut: str


def group_by_prompt(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[RankingRow], *, max_tokens: int
) -> list[RankedPrompt]:
    """Group rankings by prompt, in the order of their first appearance, and tokenize.

    Raises:
        RunRefusedError: when a prompt has no token.
    """
    names = unique_ids(
        f"{row.prompt_id}/{row.labeler}" if row.ranking is None else str(row.ranking)
        for row in rows
    )
    grouped: dict[str, list[tuple[str, RankingRow]]] = {}
    for name, row in zip(names, rows, strict=True):
        grouped.setdefault(row.prompt_id, []).append((name, row))
    firsts = [rankings[0][1] for rankings in grouped.values()]
    responses = [_responses_of([row for _, row in rankings]) for rankings in grouped.values()]
    prompt_tokens = data.tokenize_prompts(tokenizer, [row.messages for row in firsts])
    response_tokens = iter(
        data.tokenize(tokenizer, [text for found in responses for _, text in found], special=False)
    )
    eos = data.eos_id_of(tokenizer)
    prompts = []
    for first, found, tokens in zip(firsts, responses, prompt_tokens, strict=True):
        whole = Tree(
            tuple(tokens),
            tuple(
                data.end_response(next(response_tokens), is_unfinished=is_unfinished, eos_id=eos)
                for is_unfinished in found.values()
            ),
        )
        tree, cut = fit(whole, max_tokens)
        place = {key: at for at, key in enumerate(found)}
        prompts.append(
            RankedPrompt(
                prompt_id=first.prompt_id,
                group=first.group or first.prompt_id,
                # One row is enough: what anyone measures with must not be trained on.
                is_held_out=any(row.split != "train" for _, row in grouped[first.prompt_id]),
                messages=tuple(first.messages),
                whole=whole,
                tree=tree,
                unfinished=sum(response[-1] != eos for response in whole.responses),
                rankings=tuple(
                    _ranking(name, row, place) for name, row in grouped[first.prompt_id]
                ),
                cut=cut,
            )
        )
    return prompts


def _responses_of(rows: Sequence[RankingRow]) -> dict[ResponseKey, bool]:
    """Return each response once, and whether it was cut while it was sampled.

    One row that says so is enough: an older export does not know why a response ended.
    """
    is_unfinished: dict[ResponseKey, bool] = {}
    for row in rows:
        for response in row.responses:
            said = is_unfinished.get(_key(response), False)
            is_unfinished[_key(response)] = said or response.finish == "length"
    return is_unfinished


def _key(response: RankedResponse) -> ResponseKey:
    return response.id, response.text


def _ranking(name: str, row: RankingRow, place: Mapping[ResponseKey, int]) -> Ranking:
    return Ranking(
        row_id=name,
        labeler=row.labeler,
        cohort=row.cohort,
        places=tuple(place[_key(response)] for response in row.responses),
        ranks=tuple(row.ranks),
        ratings=tuple(row.ratings),
        weight=row.weight,
        round=row.round,
        models=tuple(response.model for response in row.responses),
    )


def fit(tree: Tree, max_tokens: int) -> tuple[Tree, str]:
    """Cut a tree so that its prompt and its longest response together fit, and say what was cut.

    The beginning of the prompt goes, once for all responses, so that they stay comparable; of a
    response that alone is too long the end is kept, where the reward is read.

    Args:
        tree: of any length.
        max_tokens: at least 2; one prompt token always stays, which predicts the first response
            token.
    """
    room = max_tokens - 1
    responses = tuple(response[-room:] for response in tree.responses)
    kept = min(len(tree.prompt), max_tokens - max(map(len, responses)))
    cut = []
    if kept < len(tree.prompt):
        cut.append(f"the first {len(tree.prompt) - kept} of {len(tree.prompt)} prompt tokens")
    shortened = sum(len(response) > room for response in tree.responses)
    if shortened:
        longest = max(map(len, tree.responses))
        cut.append(f"the beginning of {shortened} responses, the longest of {longest} tokens")
    why = f"cut to max_tokens {max_tokens}: {' and '.join(cut)}" if cut else ""
    return Tree(tree.prompt[len(tree.prompt) - kept :], responses), why


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


def keep_labelers(prompts: Sequence[RankedPrompt], labelers: set[str]) -> list[RankedPrompt]:
    """Return the prompts with the rankings of these labelers only; without any, a prompt goes.

    The rankings that stay take over the weight of the others of the same responses.
    """
    return _keep(prompts, lambda ranking: ranking.labeler in labelers)


def leave_out_held_labelers(
    prompts: Sequence[RankedPrompt],
) -> tuple[list[RankedPrompt], list[Ranking]]:
    """Return the prompts as `keep_labelers` does for the training cohort, and what was left out."""
    left_out = [
        ranking for prompt in prompts for ranking in prompt.rankings if not _is_trained_on(ranking)
    ]
    return (_keep(prompts, _is_trained_on) if left_out else list(prompts)), left_out


def _is_trained_on(ranking: Ranking) -> bool:
    return ranking.cohort == TRAINING_COHORT


def _keep(
    prompts: Sequence[RankedPrompt], is_kept: Callable[[Ranking], bool]
) -> list[RankedPrompt]:
    kept = []
    for prompt in prompts:
        own = [ranking for ranking in prompt.rankings if is_kept(ranking)]
        if own:
            kept.append(replace(prompt, rankings=reweighted(own, like=prompt.rankings)))
    return kept


def reweighted(own: Sequence[Ranking], *, like: Sequence[Ranking]) -> tuple[Ranking, ...]:
    """Share the weight that each slate has in `like` among those of its rankings that are left."""
    total, remaining = _weights(like), _weights(own)
    rankings = []
    for ranking in own:
        slate = frozenset(ranking.places)
        share = ranking.weight / remaining[slate] if remaining[slate] else 0.0
        rankings.append(replace(ranking, weight=share * total[slate]))
    return tuple(rankings)


def _weights(rankings: Sequence[Ranking]) -> dict[frozenset[int], float]:
    weights: dict[frozenset[int], float] = {}
    for ranking in rankings:
        slate = frozenset(ranking.places)
        weights[slate] = weights.get(slate, 0.0) + ranking.weight
    return weights
