"""Lists of things of one kind, with the number that was asked for."""

import random
from typing import NamedTuple

from app.demo_assets.demonstrations.answering import Answers, Demonstration, draw_response
from app.demo_assets.demonstrations.wording import (
    NUMBER_WORDS,
    another,
    bulleted,
    capitalized,
    joined,
    numbered,
)


class Category(NamedTuple):
    """A kind of thing, in the plural, with members."""

    name: str
    members: tuple[str, ...]


CATEGORIES = tuple(
    Category(name, tuple(members.split(", ")))
    for name, members in (
        ("fruits", "apples, pears, bananas, oranges, grapes, cherries, plums, mangos"),
        ("vegetables", "carrots, onions, potatoes, beans, peas, spinach, cabbage, leeks"),
        ("animals that live in the sea", "whales, dolphins, sharks, crabs, seals, squid, tuna"),
        ("animals that live on a farm", "cows, pigs, sheep, goats, hens, horses, ducks"),
        ("birds", "owls, robins, eagles, swans, ducks, crows, parrots, storks"),
        ("colors", "red, blue, green, yellow, orange, purple, brown, pink"),
        ("musical instruments", "piano, guitar, violin, drums, flute, trumpet, harp, cello"),
        ("sports", "soccer, tennis, swimming, running, hockey, basketball, cycling, rowing"),
        ("drinks", "water, tea, coffee, milk, lemonade, apple juice, hot chocolate"),
        ("things in a kitchen", "a stove, a sink, a pan, plates, spoons, cups, a fridge"),
        ("things to pack for a trip", "a passport, a jacket, socks, a toothbrush, a book, a map"),
        ("jobs", "teacher, nurse, baker, farmer, pilot, painter, doctor, carpenter"),
        ("kinds of weather", "rain, snow, sunshine, fog, wind, storms, hail"),
        ("trees", "oak, maple, pine, birch, apple, willow, beech, palm"),
        ("flowers", "roses, tulips, daisies, lilies, sunflowers, violets, poppies"),
        ("things that you find in a school", "desks, books, pencils, a board, a clock, chairs"),
        ("tools", "a hammer, a saw, a drill, a ruler, a wrench, pliers, a screwdriver"),
        ("parts of the body", "the head, the arms, the legs, the hands, the feet, the back"),
        ("planets", "Mercury, Venus, Earth, Mars, Jupiter, Saturn, Uranus, Neptune"),
        ("clothes", "a shirt, a coat, trousers, socks, a hat, a scarf, gloves, a dress"),
        ("hobbies", "reading, painting, gardening, cooking, hiking, knitting, chess, dancing"),
        ("vehicles", "cars, buses, trains, bicycles, ships, trucks, planes, trams"),
    )
)

PHRASINGS = (
    "Name {number} {kind}.",
    "List {number} {kind}.",
    "Give me a list of {number} {kind}.",
    "Can you name {number} {kind}?",
    "What are {number} {kind}?",
    "I need {number} examples of {kind}.",
    "Write down {number} {kind}.",
)


def draw(rng: random.Random) -> Demonstration:
    """Draw a request for a list with an answer."""
    category = rng.choice(CATEGORIES)
    count = rng.choice((2, 3, 4, 5))
    prompt = rng.choice(PHRASINGS).format(number=NUMBER_WORDS[count], kind=category.name)
    response = draw_response(rng, _answers(rng, category, count))
    return Demonstration("list", f"list-{category.name}", prompt, response)


def _answers(rng: random.Random, category: Category, count: int) -> Answers:
    members = rng.sample(category.members, k=len(category.members))
    chosen, fewer = members[:count], members[: count - 1]
    other = another(rng, CATEGORIES, category)
    number, first = NUMBER_WORDS[count], members[0]
    return Answers(
        best=(
            f"Here are {number} {category.name}:\n{numbered(chosen)}",
            f"{capitalized(number)} {category.name}:\n{bulleted(chosen)}",
            numbered(chosen),
            f"{capitalized(number)} {category.name} are {joined(chosen)}.",
        ),
        fair=(
            f"{capitalized(joined(chosen))}.",
            bulleted(chosen),
            f"For example {joined(chosen)}.",
        ),
        terse=(f"{capitalized(joined(fewer))}.", f"{capitalized(first)}."),
        wrong=(
            f"Here are {number} {category.name}:\n{numbered(rng.sample(other.members, k=count))}",
            f"{capitalized(joined([*fewer, rng.choice(other.members)]))}.",
            numbered([first] * count),
        ),
        rambling=(
            f"There are many {category.name}. One could say {first}, and also {first}. "
            f"Some people like {members[1]} and some like {first}.",
        ),
        closers=(" There are many more.", " I can add more if you like.", " I hope this helps!"),
    )
