"""Very short stories about an animal, a place and an object, in a handful of plots."""

import random
from typing import NamedTuple

from app.demo_assets.demonstrations.answering import Answers, Demonstration, draw_response
from app.demo_assets.demonstrations.wording import NAMES, another, capitalized, with_article

ANIMALS = (
    "fox", "owl", "turtle", "rabbit", "bear", "mouse", "cat", "dog", "duck", "hedgehog",
    "frog", "crow",
)  # fmt: skip
PLACES = ("forest", "village", "garden", "harbor", "library", "valley", "castle", "meadow", "town")
OBJECTS = ("lantern", "key", "map", "kite", "book", "seed", "bell", "letter", "boat", "drum")
OPENERS = ("Here is a story. ", "Sure! ", "Of course. ")
CLOSERS = (" The end.", " Good night!", " Did you like the story?")


class Cast(NamedTuple):
    """Who and what a story is about."""

    name: str
    animal: str
    place: str
    thing: str


def draw(rng: random.Random) -> Demonstration:
    """Draw a request for a story with an answer that keeps to what was asked."""
    cast = draw_cast(rng)
    animal, thing = with_article(cast.animal), with_article(cast.thing)
    prompt = rng.choice(
        (
            f"Write a short story about {animal} and {thing}.",
            f"Tell me a story about {animal} in a {cast.place}.",
            f"Tell me a bedtime story with {animal} named {cast.name}.",
            f"Write a few sentences about {animal} who finds {thing}.",
            f"Can you tell me a story about {animal} and a {cast.place}?",
            f"My daughter likes stories. Tell her one about {animal} with {thing}.",
        )
    )
    response = draw_response(rng, _answers(rng, cast))
    return Demonstration("story", f"story-{cast.animal} {cast.thing}", prompt, response)


def draw_cast(rng: random.Random) -> Cast:
    """Draw who and what a story is about."""
    return Cast(rng.choice(NAMES), rng.choice(ANIMALS), rng.choice(PLACES), rng.choice(OBJECTS))


def _answers(rng: random.Random, cast: Cast) -> Answers:
    name, animal, place, thing = cast
    one, found, stray = with_article(animal), with_article(thing), another(rng, ANIMALS, animal)
    return Answers(
        best=plots(cast),
        fair=(
            f"There was {one} named {name}. It lived in a {place} and found {found}. It was very "
            "happy.",
            f"{capitalized(one)} named {name} went to the {place}. There was {found}. The {animal} "
            "took it home and slept well.",
            f"{name} was {one}. One day it saw {found} in the {place}. It was a good day.",
        ),
        terse=(
            f"{capitalized(one)} found {found}. The end.",
            f"{capitalized(one)} went home.",
            f"Once there was {one}.",
        ),
        wrong=(
            f"{capitalized(with_article(stray))} named {name} ate a cake. Then it rained. The "
            f"{stray} went home.",
            "A story has a beginning and an end. That is my story.",
        ),
        rambling=(
            f"{capitalized(one)} was in a {place}. The {animal} was in the {place} again. The "
            f"{animal} had {found}. The {thing} was in the {place}. Then the {animal} was in the "
            f"{place}.",
            f"There was {one}, and the {animal} was {one}, and the {animal} said that the {thing} "
            f"was {found}.",
        ),
        openers=OPENERS,
        closers=CLOSERS,
    )


def plots(cast: Cast) -> tuple[str, ...]:
    """Return the finished stories that can be told with a cast."""
    name, animal, place, thing = cast
    one, found = with_article(animal), with_article(thing)
    return (
        f"Once upon a time, {one} named {name} lived in a quiet {place}. One day the {animal} "
        f"found an old {thing} under a tree. It belonged to a girl who had looked for it for "
        f"weeks. The {animal} gave it back, and they became friends.",
        f"{name} was a small {animal} who was afraid of the dark. In the {place}, an old woman "
        f"gave it {found} for good luck. That night the {animal} walked home alone and was brave.",
        f"In a {place} far away, {one} named {name} wanted to see the sea. It took only {found} "
        "and walked for three days. At last the waves were there, and they sounded like a song.",
        f"Every morning {name} the {animal} cleaned an old {thing}. The others in the {place} "
        f"laughed. But when a storm came, the {thing} helped everybody to find the way home. "
        f"Nobody laughed at the {animal} again.",
        f"{capitalized(one)} named {name} and a boy both wanted the same {thing}. They argued all "
        f"day in the {place}. In the evening the {animal} had an idea: one day it would be with "
        "the boy, the next day not. So they shared it.",
        f"One winter, {one} named {name} lost {found} in the snow. A child heard the {animal} cry "
        f"and lit a small fire in the {place}. Together they searched until the sun came up, and "
        "there it was, right beside the door.",
    )
