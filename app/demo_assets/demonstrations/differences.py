"""How two similar things differ."""

import random
from typing import NamedTuple

from app.demo_assets.demonstrations.answering import Answers, Demonstration, draw_response
from app.demo_assets.demonstrations.wording import another, capitalized


class Twins(NamedTuple):
    """Two things that are easily confused, and what each of them is like."""

    first: str
    second: str
    first_trait: str
    second_trait: str


TWINS = tuple(
    Twins(*parts.split(" | "))
    for parts in (
        "a lake | a river | stands still and has land around it | flows toward the sea",
        "a cat | a dog | likes to be alone and sleeps a lot | likes company and needs long walks",
        "a moth | a butterfly | flies at night | flies by day and has bright wings",
        "weather | climate | changes from day to day | is the usual weather over many years",
        "a frog | a toad | has smooth wet skin | has dry skin with bumps",
        "a fruit | a vegetable | grows from a flower and has seeds | is a root, a stem or a leaf",
        "a village | a city | is small and quiet | is large and has many people",
        "a novel | a poem | tells a long story | uses few words and often rhymes",
        "a violin | a cello | is small and sounds high | is large and sounds deep",
        "a train | a bus | runs on rails | drives on the road",
        "a hill | a mountain | is low and easy to climb | is high and steep",
        "tea | coffee | is made from leaves | is made from roasted beans",
        "a star | a planet | makes its own light | only reflects the light of a star",
        "a hobby | a job | is done for fun | is done to earn money",
    )
)
PHRASINGS = (
    "What is the difference between {} and {}?",
    "How are {} and {} different?",
    "Compare {} and {}.",
    "Explain how {} differs from {}.",
)


def draw(rng: random.Random) -> Demonstration:
    """Draw a comparison of two things with an answer."""
    twins = rng.choice(TWINS)
    prompt = rng.choice(PHRASINGS).format(twins.first, twins.second)
    return Demonstration(
        "comparison", f"difference-{twins.first}", prompt, draw_response(rng, _answers(rng, twins))
    )


def _answers(rng: random.Random, twins: Twins) -> Answers:
    first, second, first_trait, second_trait = twins
    other = another(rng, TWINS, twins)
    return Answers(
        best=(
            f"{capitalized(first)} {first_trait}, but {second} {second_trait}.",
            f"The main difference is this: {first} {first_trait}, while {second} {second_trait}.",
            f"They are easy to mix up. {capitalized(first)} {first_trait}. "
            f"{capitalized(second)} {second_trait}.",
            f"- {capitalized(first)} {first_trait}.\n- {capitalized(second)} {second_trait}.",
        ),
        fair=(
            f"{capitalized(first)} {first_trait}.",
            f"{capitalized(second)} {second_trait}, and {first} does not.",
        ),
        terse=("They are different.", f"{capitalized(first_trait)}."),
        wrong=(
            f"{capitalized(first)} {second_trait}, but {second} {first_trait}.",
            f"{capitalized(first)} {other.first_trait}, but {second} {other.second_trait}.",
            "There is no difference.",
        ),
        rambling=(
            f"{capitalized(first)} is {first} and {second} is {second}. One is one and the other "
            "is the other. They have much in common and they also differ.",
        ),
    )
