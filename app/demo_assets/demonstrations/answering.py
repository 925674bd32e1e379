"""How a demonstration is drawn: the answers of each quality that a topic offers, and the choice.

Most demonstrations are good. A known share is terse, wrong, rambling or unhelpful on purpose, so
that a model trained on them samples answers of visibly different quality for labelers to rank.
"""

import random
from dataclasses import dataclass
from typing import Literal

Quality = Literal["best", "fair", "terse", "wrong", "rambling", "unhelpful"]

SHARES: dict[Quality, float] = {
    "best": 0.54,
    "fair": 0.27,
    "terse": 0.08,
    "wrong": 0.03,
    "rambling": 0.05,
    "unhelpful": 0.03,
}

OPENERS = ("Good question! ", "Sure! ", "Of course. ", "Happy to help. ")
CLOSERS = (
    " I hope this helps!",
    " Let me know if you want to know more.",
    " Would you like to hear more?",
    " Feel free to ask another question.",
    " That is the short answer.",
)
UNHELPFUL = (
    "I do not know.",
    "That is a silly question.",
    "Why do you ask me that?",
    "I do not feel like answering today.",
    "Please look it up yourself.",
    "I am busy. Ask somebody else.",
    "This is boring. Next question.",
    "Who cares?",
)


@dataclass(frozen=True)
class Answers:
    """What may be answered to one prompt, by quality; each tuple holds at least one variant."""

    best: tuple[str, ...]
    fair: tuple[str, ...]
    terse: tuple[str, ...]
    wrong: tuple[str, ...]
    rambling: tuple[str, ...]
    unhelpful: tuple[str, ...] = UNHELPFUL
    openers: tuple[str, ...] = OPENERS
    closers: tuple[str, ...] = CLOSERS


@dataclass(frozen=True)
class Demonstration:
    """A prompt with one answer; prompts about the same subject belong to one group."""

    topic: str
    subject: str
    prompt: str
    response: str


def draw_response(rng: random.Random, answers: Answers) -> str:
    """Draw a quality, then one of its variants; good answers may get an opener or a closer."""
    quality = rng.choices(list(SHARES), list(SHARES.values()))[0]
    variants: tuple[str, ...] = getattr(answers, quality)
    response = rng.choice(variants)
    if quality == "best":
        response = _framed(rng, response, answers, opener_share=0.35, closer_share=0.35)
    elif quality == "fair":
        response = _framed(rng, response, answers, opener_share=0.2, closer_share=0.1)
    return response


def _framed(
    rng: random.Random, response: str, answers: Answers, *, opener_share: float, closer_share: float
) -> str:
    is_list = response.startswith(("1. ", "- "))
    if answers.closers and rng.random() < closer_share:
        closer = rng.choice(answers.closers)
        response += f"\n{closer.strip()}" if "\n" in response else closer
    if answers.openers and rng.random() < opener_share:
        opener = rng.choice(answers.openers)
        response = f"{opener.strip()}\n{response}" if is_list else f"{opener}{response}"
    return response
