"""Very short stories about an animal, a place and an object, in a handful of plots."""

import random
from typing import NamedTuple

from app.demo_assets.demonstrations.answering import Answers, Demonstration, draw_response
from app.demo_assets.demonstrations.wording import NAMES, another, with_article

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
    friend: str
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
    name = rng.choice(NAMES)
    friend = another(rng, NAMES, name)
    return Cast(name, friend, rng.choice(ANIMALS), rng.choice(PLACES), rng.choice(OBJECTS))


def _answers(rng: random.Random, cast: Cast) -> Answers:
    name, _, animal, place, thing = cast
    stray = another(rng, ANIMALS, animal)
    return Answers(
        best=plots(cast),
        fair=(
            f"There was {with_article(animal)} named {name}. {name} lived in a {place} and found "
            f"{with_article(thing)}. {name} was very happy.",
            f"{with_article(animal).capitalize()} named {name} went to the {place}. There was "
            f"{with_article(thing)}. {name} took it home and slept well.",
            f"{name} was {with_article(animal)}. One day {name} saw {with_article(thing)} in the "
            f"{place}. It was a good day.",
        ),
        terse=(
            f"{with_article(animal).capitalize()} found {with_article(thing)}. The end.",
            f"{with_article(animal).capitalize()} went home.",
            f"Once there was {with_article(animal)}.",
        ),
        wrong=(
            f"{with_article(stray).capitalize()} named {name} ate a cake. Then it rained. The "
            f"{stray} went home.",
            f"A story has a beginning and an end. {name} is a nice name.",
        ),
        rambling=(
            f"{with_article(animal).capitalize()} was in a {place}. The {animal} was in the "
            f"{place} again. The {animal} had {with_article(thing)}. The {thing} was in the "
            f"{place}. Then the {animal} was in the {place}.",
            f"There was {with_article(animal)}, and the {animal} was {with_article(animal)}, and "
            f"the {animal} said that the {thing} was {with_article(thing)}.",
        ),
        openers=OPENERS,
        closers=CLOSERS,
    )


def plots(cast: Cast) -> tuple[str, ...]:
    """Return the finished stories that can be told with a cast."""
    name, friend, animal, place, thing = cast
    one = with_article(animal)
    return (
        f"Once upon a time, {one} named {name} lived in a quiet {place}. One day {name} found an "
        f"old {thing} under a tree. It belonged to {friend}, who had looked for it for weeks. "
        f"{name} gave it back, and they became friends.",
        f"{name} was a small {animal} who was afraid of the dark. In the {place}, {friend} gave "
        f"{name} a {thing} for good luck. That night {name} walked home alone and was brave.",
        f"In a {place} far away, {one} named {name} wanted to see the sea. {name} took only "
        f"a {thing} and walked for three days. At last the waves were there, and they sounded "
        "like a song.",
        f"Every morning {name} the {animal} cleaned an old {thing}. The others in the {place} "
        f"laughed. But when a storm came, the {thing} helped everybody to find the way home. "
        f"Nobody laughed at {name} again.",
        f"{name} and {friend} both wanted the same {thing}. They argued all day in the {place}. "
        f"In the evening the {animal} had an idea: one day it would be with {name}, the next day "
        f"with {friend}. So they shared it.",
        f"One winter, {one} named {name} lost a {thing} in the snow. {friend} heard {name} cry "
        f"and lit a small fire in the {place}. Together they searched until the sun came up, and "
        "there it was, right beside the door.",
    )
