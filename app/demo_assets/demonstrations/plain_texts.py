"""Plain paragraphs about the same small world, for the pretraining mix of PPO."""

import random

from app.demo_assets.demonstrations.animals import ANIMALS
from app.demo_assets.demonstrations.definitions import TERMS
from app.demo_assets.demonstrations.geography import COUNTRIES
from app.demo_assets.demonstrations.reasons import REASONS, statement_of
from app.demo_assets.demonstrations.recipes import DISHES
from app.demo_assets.demonstrations.stories import draw_cast, plots
from app.demo_assets.demonstrations.wording import capitalized, with_article


def draw_text(rng: random.Random) -> str:
    """Draw a short paragraph: a story, a portrait, an explanation or a recipe."""
    kinds = (_story, _story, _animal, _country, _term, _reason, _dish)
    return rng.choice(kinds)(rng)


def _story(rng: random.Random) -> str:
    return rng.choice(plots(draw_cast(rng)))


def _animal(rng: random.Random) -> str:
    animal = rng.choice(ANIMALS)
    name = capitalized(animal.plural)
    sentences = [
        f"They eat {animal.food}.",
        f"{animal.fact}.",
        f"A baby {animal.singular} is called {with_article(animal.young)}.",
    ]
    rng.shuffle(sentences)
    return f"{name} live {animal.home}. {' '.join(sentences)}"


def _country(rng: random.Random) -> str:
    country = rng.choice(COUNTRIES)
    sentences = [
        f"The capital of {country.name} is {country.capital}.",
        f"{country.name} is in {country.continent}.",
        f"People in {country.name} speak {country.language}.",
    ]
    rng.shuffle(sentences)
    return " ".join(sentences)


def _term(rng: random.Random) -> str:
    first, second = rng.sample(TERMS, k=2)
    return (
        f"{capitalized(first.name)} is {first.meaning}. {first.detail}. "
        f"{capitalized(second.name)} is {second.meaning}."
    )


def _reason(rng: random.Random) -> str:
    reason, other = rng.sample(REASONS, k=2)
    return (
        f"{capitalized(statement_of(reason))} because {reason.cause}. {reason.detail}. "
        f"And why is it that {statement_of(other)}? Because {other.cause}."
    )


def _dish(rng: random.Random) -> str:
    dish = rng.choice(DISHES)
    first, second, third, fourth = dish.steps
    ending = rng.choice(("It is not hard to do.", "It tastes good.", f"{capitalized(dish.tip)}."))
    return (
        f"To make {dish.name}, {first}. Then {second}. After that, {third}. Finally, {fourth}. "
        f"{ending}"
    )
