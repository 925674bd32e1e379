"""Which of the weights that SFT passes through are saved: those whose answers score best.

The validation loss rises after the first epoch while answers still get better, so a reward model
chooses (arXiv 2203.02155, C.1). It reads texts: its tokenizer may differ from the policy's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer import data, forward, limits, models
from trainer.architecture.adapters import trainable_parameters
from trainer.errors import RunDivergedError, RunRefusedError
from trainer.generate import Draw, Drawn, draw_responses
from trainer.rundir import Metrics
from trainer.running.seeds import derive_seed
from trainer.running.trained import JSON
from trainer.running.watch import Watch
from trainer.spec import Message, SFTSettings

ANSWERED_PROMPTS = 64
ANSWER_TOKENS = 128


@dataclass(frozen=True)
class Judge:
    """A reward model with the held-out prompts whose sampled answers it scores.

    Attributes:
        folder: of the reward model.
        model: the reward model.
        tokenizer: of the reward model.
        policy_tokenizer: of what is judged.
        prompts: conversations.
        settings: of the run.
    """

    folder: Path
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    policy_tokenizer: PreTrainedTokenizerBase
    prompts: Sequence[Sequence[Message]]
    settings: SFTSettings

    def mean_score(self, policy: PreTrainedModel, *, watch: Watch = iter) -> float:
        """Sample one answer for each prompt, with the same seeds every time, and score them."""
        answers = self._sample(policy, watch)
        decode = self.policy_tokenizer.decode
        examples = data.encode_examples(
            self.tokenizer,
            self.prompts,
            [str(decode(one.tokens, skip_special_tokens=True)) for one in answers],
            max_tokens=limits.longest_sequence(self.model.config, self.settings.max_tokens),
            unfinished={place for place, one in enumerate(answers) if one.finish == "length"},
        )
        trees = [example.tree() for example in examples]
        tokens = self.settings.tokens_per_forward
        scores = forward.scores_of(self.model, trees, tokens=tokens, watch=watch)
        return float(scores.double().mean())

    def _sample(self, policy: PreTrainedModel, watch: Watch) -> list[Drawn]:
        limit = limits.longest_sequence(policy.config, self.settings.max_tokens)
        longest = min(ANSWER_TOKENS, limit // 2)
        prompts = data.encode_prompts(
            self.policy_tokenizer, self.prompts, max_tokens=limit - longest
        )
        return draw_responses(
            policy,
            [
                Draw(prompt.tokens, derive_seed(self.settings.seed, "answer", index))
                for index, prompt in enumerate(prompts)
            ],
            eos_id=data.eos_id_of(self.policy_tokenizer),
            temperature=1.0,
            top_p=1.0,
            max_new_tokens=longest,
            watch=watch,
        )


@dataclass
class Selection:
    """The weights with the best score so far.

    Attributes:
        judge: gives the scores.
        best: copies of the trained weights, by name.
        score: theirs; None before the first.
        step: after which they were taken.
    """

    judge: Judge
    best: dict[str, Tensor]
    score: float | None = None
    step: int | None = None

    @torch.no_grad()
    def consider(self, policy: PreTrainedModel, *, step: int, watch: Watch = iter) -> float:
        """Score the policy, keep its weights if they are the best, and return the score.

        Raises:
            RunDivergedError: when the score is not finite.
        """
        score = self.judge.mean_score(policy, watch=watch)
        if not math.isfinite(score):
            raise RunDivergedError(
                f"the reward model {self.judge.folder} scores the answers sampled at step {step} "
                f"{score} on average; choose another reward model, or train it again with a lower "
                "learning rate"
            )
        if self.score is None or score > self.score:
            self.score, self.step = score, step
            for name, weights in trainable_parameters(policy).items():
                self.best[name].copy_(weights)
        return score

    @torch.no_grad()
    def load_best(self, policy: PreTrainedModel) -> Metrics:
        """Give the policy the best weights and return what is said of them."""
        for name, weights in trainable_parameters(policy).items():
            weights.copy_(self.best[name])
        return {"selection/step": self.step, "selection/reward": self.score}

    def state(self) -> dict[str, JSON]:
        """Return what a checkpoint needs beside `best`."""
        return {"score": self.score, "step": self.step}


def open_selection(
    reward_model: str,
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[Message]],
    settings: SFTSettings,
) -> Selection:
    """Load the reward model that chooses.

    Raises:
        RunRefusedError: when it is none, or there are no prompts to answer.
    """
    folder: Path = models.resolve_folder(reward_model)
    if not models.is_reward_model(folder):
        raise RunRefusedError(f"{folder} is not a reward model; train one first")
    if not prompts:
        raise RunRefusedError(
            "reward_model chooses by answers to held-out prompts, but no demonstration is held "
            "out; hold some out or leave reward_model empty"
        )
    judge = Judge(
        folder,
        models.load_frozen_reward_model(folder, seed=settings.seed, compute=settings),
        models.load_tokenizer(folder),
        tokenizer,
        prompts[:ANSWERED_PROMPTS],
        settings,
    )
    best = {
        name: weights.detach().clone() for name, weights in trainable_parameters(policy).items()
    }
    return Selection(judge, best)
