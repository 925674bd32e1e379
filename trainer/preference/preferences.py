"""The rankings of a run: read, split, fitted to the model, and what became of each of them."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from trainer import memory
from trainer.errors import RunRefusedError
from trainer.losses import comparisons_of
from trainer.memory import RowLengths
from trainer.preference.comparisons import PreferenceSettings, comparisons_in
from trainer.preference.rankings import (
    RankedPrompt,
    Ranking,
    group_by_prompt,
    leave_out_held_labelers,
    split_held_out,
)
from trainer.running.lineage import NEVER_REACHED, RowUse
from trainer.running.rows import read_numbered_rows
from trainer.running.schedule import plan_batches
from trainer.shared_prompt import Tree
from trainer.spec import DPOSpec, RankingRow, RewardSpec, Ties

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preferences:
    """The prompts of a run with their rankings.

    Attributes:
        train: prompts with at least one comparison.
        without_comparison: prompts that are not held out and have none.
        held: prompts that are only measured.
        of_held_labelers: rankings that labelers who are held out gave of the other prompts.
    """

    train: list[RankedPrompt]
    without_comparison: list[RankedPrompt]
    held: list[RankedPrompt]
    of_held_labelers: list[Ranking]

    @property
    def everything(self) -> list[RankedPrompt]:
        """All prompts."""
        return [*self.train, *self.without_comparison, *self.held]

    @property
    def training_labelers(self) -> set[str]:
        """Who gave any of the rankings that are trained on."""
        return {ranking.labeler for prompt in self.train for ranking in prompt.rankings}

    def row_lengths(self, settings: PreferenceSettings, *, reach: float) -> RowLengths:
        """Return how long the rows of forward passes with gradients are.

        Args:
            settings: of the run.
            reach: from `shared_prompt.expected_reach`.
        """
        sizes = [prompt.tree.size(reach) for prompt in self.train]
        largest = max(size.tokens for size in sizes)
        responses, longest = max(size.rows for size in sizes), max(size.width for size in sizes)
        is_shared = all(size.is_exact for size in sizes)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        budget = memory.forward_budget(settings.tokens_per_forward, device)
        # One row that cannot be shared makes all of its pass be padded.
        batch = settings.batch_size * (largest if is_shared else responses * longest)
        return RowLengths(max(largest, min(budget, batch)), largest, responses, longest)

    def count(self) -> dict[str, int]:
        """Return what `result.json` counts."""
        everything = self.everything
        return {
            "rankings": sum(len(prompt.rankings) for prompt in everything)
            + len(self.of_held_labelers),
            "prompts_train": len(self.train),
            "prompts_validation": len(self.held),
            "prompts_without_comparison": len(self.without_comparison),
            "responses": sum(len(prompt.tree.responses) for prompt in everything),
            "responses_unfinished": sum(prompt.unfinished for prompt in everything),
            "cut": sum(bool(prompt.cut) for prompt in everything),
        }

    def row_use(self, settings: PreferenceSettings) -> RowUse:
        """Say of each ranking whether it is trained on, and why not."""
        use = RowUse()
        use.dropped |= {one.row_id: "its labeler is held out" for one in self.of_held_labelers}
        plan = plan_batches(self.train, settings)
        reached = {prompt.prompt_id for batch in plan for prompt in batch}
        held_out = {prompt.prompt_id for prompt in self.held}
        for prompt in self.everything:
            for ranking in prompt.rankings:
                if prompt.prompt_id in held_out:
                    use.dropped[ranking.row_id] = "held out: measured, not trained on"
                elif ranking.weight == 0:
                    use.dropped[ranking.row_id] = "its weight is 0"
                elif not comparisons_of(ranking.ranks, ties=settings.ties):
                    use.dropped[ranking.row_id] = "no comparison: fewer than two ranks differ"
                elif prompt.prompt_id not in reached:
                    use.dropped[ranking.row_id] = NEVER_REACHED
                else:
                    use.used.append(ranking.row_id)
                if prompt.cut:
                    use.cut[ranking.row_id] = prompt.cut
        return use


def read_preferences(
    spec: RewardSpec | DPOSpec,
    run_dir: Path,
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_tokens: int,
) -> Preferences:
    """Read, tokenize and split the rankings of a run.

    Raises:
        RunRefusedError: when the file cannot be read, names two prompts by one id, or holds nothing
            to train on, or too little of it fits.
    """
    numbered = read_numbered_rows(run_dir / spec.rankings, RankingRow)
    if not numbered:
        raise RunRefusedError(f"{spec.rankings} holds no ranking; rank some slates first")
    _require_one_text(numbered, name=spec.rankings)
    rows = list(numbered.values())
    train, held = split_held_out(group_by_prompt(tokenizer, rows, max_tokens=max_tokens))
    if not train:
        splits = ", ".join(sorted({repr(row.split) for row in rows if row.split != "train"}))
        raise RunRefusedError(
            f"{spec.rankings}: all {len(rows)} rankings are held out, by the split {splits} of "
            "their prompt or of another of its group; give some prompts the split 'train'"
        )
    train, of_held_labelers = leave_out_held_labelers(train)
    if not train:
        raise RunRefusedError(
            f"{spec.rankings}: all rankings of prompts that are not held out are by labelers of "
            "another cohort than 'training', who are only measured; give some labelers that cohort"
        )
    usable = require_comparisons(train, spec.settings, name=spec.rankings)
    require_enough_kept(usable, spec.settings.ties, max_tokens=max_tokens)
    trained = {prompt.prompt_id for prompt in usable}
    rest = [prompt for prompt in train if prompt.prompt_id not in trained]
    return Preferences(usable, rest, held, of_held_labelers)


def _require_one_text(rows: Mapping[int, RankingRow], *, name: str) -> None:
    """Refuse two texts under one prompt_id, whose responses would be trained on after the first."""
    first_of: dict[str, int] = {}
    for number, row in rows.items():
        first = first_of.setdefault(row.prompt_id, number)
        if row.messages != rows[first].messages:
            raise RunRefusedError(
                f"{name} lines {first} and {number} are of one prompt, {row.prompt_id!r}, but "
                "their messages differ; give each text a prompt_id of its own"
            )


def require_comparisons(
    prompts: Sequence[RankedPrompt], settings: PreferenceSettings, *, name: str
) -> list[RankedPrompt]:
    """Return the prompts with at least one comparison.

    Raises:
        RunRefusedError: when there is none; `name` says of what.
    """
    usable = [prompt for prompt in prompts if comparisons_in(prompt, settings.ties)]
    if not usable:
        rankings = [ranking for prompt in prompts for ranking in prompt.rankings]
        without_weight = sum(not ranking.weight for ranking in rankings)
        weights = f" ({without_weight} of them have the weight 0)" if without_weight else ""
        raise RunRefusedError(
            f"{name} has no strict comparison to train on: {len(rankings)} rankings of "
            f"{len(prompts)} prompts that are not held out{weights}; rank more slates without ties"
        )
    return usable


def require_enough_kept(prompts: Sequence[RankedPrompt], ties: Ties, *, max_tokens: int) -> None:
    """Refuse prompts of which nothing is left to compare, and log when most of them are cut.

    What is left is a response that is whole, and one comparison of two that still differ.

    Args:
        prompts: to train on, with a comparison each.
        ties: of the run.
        max_tokens: that they were cut to.

    Raises:
        RunRefusedError: with the number of tokens that they have.
    """
    cut = [prompt for prompt in prompts if prompt.cut]
    if not cut:
        return
    longest = max(_tokens(prompt.whole) for prompt in prompts)
    advice = f"raise max_tokens, or take a model with more positions; {longest} hold all of them"
    shortest = min(len(response) for prompt in prompts for response in prompt.whole.responses)
    if shortest >= max_tokens:
        raise RunRefusedError(
            f"max_tokens {max_tokens} leaves only the end of every response, the shortest of which "
            f"has {shortest} tokens; {advice}"
        )
    if not any(_differs(prompt, ties) for prompt in prompts):
        raise RunRefusedError(
            f"cut to max_tokens {max_tokens}, the responses of each comparison are the same; "
            f"{advice}"
        )
    count, of_cut = (sum(len(one.rankings) for one in some) for some in (prompts, cut))
    if of_cut > count / 2:
        log.warning(
            "%d of the %d rankings to train on are cut to max_tokens %d; %s",
            of_cut,
            count,
            max_tokens,
            advice,
        )


def _tokens(tree: Tree) -> int:
    return len(tree.prompt) + max(map(len, tree.responses))


def _differs(prompt: RankedPrompt, ties: Ties) -> bool:
    """Tell whether a comparison is of two responses that cutting did not make the same."""
    kept, whole = prompt.tree.responses, prompt.whole.responses
    return any(
        kept[row.chosen] != kept[row.rejected] or whole[row.chosen] == whole[row.rejected]
        for row in comparisons_in(prompt, ties)
    )
