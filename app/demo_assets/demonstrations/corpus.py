"""The whole set: demonstrations to train on, prompts held out from them, and plain texts."""

import random
import re
from collections.abc import Callable
from typing import NamedTuple

from app.demo_assets.demonstrations import (
    advice,
    animals,
    arithmetic,
    definitions,
    differences,
    geography,
    ideas,
    letters,
    lists,
    plain_texts,
    poems,
    reading,
    reasons,
    recipes,
    refusals,
    rewriting,
    smalltalk,
    stories,
)
from app.demo_assets.demonstrations.answering import Demonstration


class Topic(NamedTuple):
    """A source of demonstrations, with its share of them and how many prompts are held out."""

    draw: Callable[[random.Random], Demonstration]
    share: int
    held_out: int
    use_case: str


# Use cases are named as in Table 1 of InstructGPT (arXiv 2203.02155).
TOPICS = (
    Topic(definitions.draw, 9, 14, "open-qa"),
    Topic(reasons.draw, 7, 12, "open-qa"),
    Topic(geography.draw, 6, 10, "open-qa"),
    Topic(animals.draw, 7, 12, "open-qa"),
    Topic(differences.draw, 4, 8, "open-qa"),
    Topic(recipes.draw, 6, 10, "generation"),
    Topic(advice.draw, 7, 12, "generation"),
    Topic(lists.draw, 6, 12, "generation"),
    Topic(ideas.draw, 4, 8, "brainstorming"),
    Topic(rewriting.draw, 11, 18, "rewrite"),
    Topic(arithmetic.draw, 8, 10, "open-qa"),
    Topic(stories.draw, 10, 14, "generation"),
    Topic(poems.draw, 4, 8, "generation"),
    Topic(refusals.draw, 6, 10, "other"),
    Topic(letters.draw, 4, 8, "generation"),
    Topic(reading.draw, 7, 14, "closed-qa"),
    Topic(smalltalk.draw, 4, 8, "chat"),
)
USE_CASES = {"summary": "summarization", "review": "classification"}

PROMPT_SEED, DEMONSTRATION_SEED, TEXT_SEED = 11, 12, 13
DEMONSTRATION_COUNT = 18_000
TEXT_COUNT = 400


class Prompt(NamedTuple):
    """A prompt that ships with the demo project."""

    prompt: str
    group: str
    tags: tuple[str, str]


def held_out_prompts() -> list[Prompt]:
    """Draw the demo project's prompts: no two about the same subject, the topics taking turns."""
    rng = random.Random(PROMPT_SEED)  # noqa: S311
    by_topic = [_distinct_prompts(rng, topic) for topic in TOPICS]
    turns = max(len(prompts) for prompts in by_topic)
    return [prompts[turn] for turn in range(turns) for prompts in by_topic if turn < len(prompts)]


def _distinct_prompts(rng: random.Random, topic: Topic) -> list[Prompt]:
    by_subject: dict[str, Prompt] = {}
    while len(by_subject) < topic.held_out:
        drawn = topic.draw(rng)
        use_case = USE_CASES.get(drawn.topic, topic.use_case)
        by_subject.setdefault(
            drawn.subject, Prompt(drawn.prompt, _slug(drawn.subject), (drawn.topic, use_case))
        )
    return list(by_subject.values())


def demonstrations() -> list[Demonstration]:
    """Draw the demonstrations; none of them has a held-out prompt, no pair occurs twice."""
    rng = random.Random(DEMONSTRATION_SEED)  # noqa: S311
    held_out = {prompt.prompt for prompt in held_out_prompts()}
    shares = [topic.share for topic in TOPICS]
    distinct: dict[tuple[str, str], Demonstration] = {}
    while len(distinct) < DEMONSTRATION_COUNT:
        drawn = rng.choices(TOPICS, shares)[0].draw(rng)
        if drawn.prompt not in held_out:
            distinct.setdefault((drawn.prompt, drawn.response), drawn)
    return list(distinct.values())


def pretraining_texts() -> list[str]:
    """Draw the distinct plain texts for the pretraining mix."""
    rng = random.Random(TEXT_SEED)  # noqa: S311
    distinct: dict[str, None] = {}
    while len(distinct) < TEXT_COUNT:
        distinct.setdefault(plain_texts.draw_text(rng))
    return list(distinct)


def _slug(subject: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", subject.lower()).strip("-")
