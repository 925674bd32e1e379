"""Questions about countries: their capitals, continents and languages."""

import random
from typing import NamedTuple

from app.demo_assets.demonstrations.answering import Answers, Demonstration, draw_response
from app.demo_assets.demonstrations.wording import another


class Country(NamedTuple):
    """A country with three facts about it."""

    name: str
    capital: str
    continent: str
    language: str


COUNTRIES = (
    Country("France", "Paris", "Europe", "French"),
    Country("Japan", "Tokyo", "Asia", "Japanese"),
    Country("Italy", "Rome", "Europe", "Italian"),
    Country("Spain", "Madrid", "Europe", "Spanish"),
    Country("Egypt", "Cairo", "Africa", "Arabic"),
    Country("Peru", "Lima", "South America", "Spanish"),
    Country("Norway", "Oslo", "Europe", "Norwegian"),
    Country("Greece", "Athens", "Europe", "Greek"),
    Country("Cuba", "Havana", "North America", "Spanish"),
    Country("Chile", "Santiago", "South America", "Spanish"),
    Country("Canada", "Ottawa", "North America", "English and French"),
    Country("Poland", "Warsaw", "Europe", "Polish"),
    Country("Austria", "Vienna", "Europe", "German"),
    Country("Ghana", "Accra", "Africa", "English"),
    Country("Portugal", "Lisbon", "Europe", "Portuguese"),
    Country("Brazil", "Brasilia", "South America", "Portuguese"),
    Country("Germany", "Berlin", "Europe", "German"),
    Country("Sweden", "Stockholm", "Europe", "Swedish"),
    Country("Turkey", "Ankara", "Asia and Europe", "Turkish"),
    Country("Vietnam", "Hanoi", "Asia", "Vietnamese"),
    Country("Thailand", "Bangkok", "Asia", "Thai"),
    Country("Mexico", "Mexico City", "North America", "Spanish"),
    Country("Ireland", "Dublin", "Europe", "English and Irish"),
    Country("Hungary", "Budapest", "Europe", "Hungarian"),
    Country("Finland", "Helsinki", "Europe", "Finnish and Swedish"),
    Country("China", "Beijing", "Asia", "Chinese"),
)

CAPITAL = (
    "What is the capital of {}?",
    "Name the capital city of {}.",
    "Which city is the capital of {}?",
    "Tell me the capital of {}.",
    "I am planning a trip to {}. What is the capital?",
)
CONTINENT = (
    "On which continent is {}?",
    "Where in the world is {}?",
    "Which continent does {} belong to?",
)
LANGUAGE = (
    "Which language do people speak in {}?",
    "What is spoken in {}?",
    "What language should I learn for a trip to {}?",
)


def draw(rng: random.Random) -> Demonstration:
    """Draw a question about a country with an answer."""
    country = rng.choice(COUNTRIES)
    phrasings, answers = rng.choice(
        ((CAPITAL, _capital), (CAPITAL, _capital), (CONTINENT, _continent), (LANGUAGE, _language))
    )
    prompt = rng.choice(phrasings).format(country.name)
    return Demonstration(
        "geography", f"country-{country.name}", prompt, draw_response(rng, answers(rng, country))
    )


def _capital(rng: random.Random, country: Country) -> Answers:
    name, capital, continent, language = country
    other = another(rng, COUNTRIES, country)
    return Answers(
        best=(
            f"The capital of {name} is {capital}. {name} is in {continent}.",
            f"{capital} is the capital of {name}. People there speak {language}.",
            f"It is {capital}. {name} is a country in {continent}, and people speak {language}.",
        ),
        fair=(
            f"The capital of {name} is {capital}.",
            f"{capital} is the capital of {name}.",
            f"It is {capital}.",
            f"The answer is {capital}.",
        ),
        terse=(f"{capital}.", f"{capital}"),
        wrong=(
            f"The capital of {name} is {other.capital}.",
            f"{other.capital} is the capital of {name}. {name} is in {other.continent}.",
            f"It is {other.capital}.",
        ),
        rambling=(
            f"Well, {name} is a country. Countries have capitals. A capital is a city. "
            f"It could be {other.capital}, or it could be {capital}. I am not sure.",
        ),
    )


def _continent(rng: random.Random, country: Country) -> Answers:
    name, capital, continent, language = country
    other = another(rng, COUNTRIES, country)
    return Answers(
        best=(
            f"{name} is in {continent}. Its capital is {capital}.",
            f"{name} is a country in {continent}. People there speak {language}.",
            f"You can find {name} on the map in {continent}. The capital is {capital}.",
        ),
        fair=(
            f"{name} is in {continent}.",
            f"It is in {continent}.",
            f"{name} lies in {continent}.",
        ),
        terse=(f"{continent}.", f"In {continent}."),
        wrong=(f"{name} is in {other.continent}, near {other.name}.", f"{name} is on the moon."),
        rambling=(
            f"{name} is somewhere. It is a country in the world. The world has many countries. "
            f"Some are in {continent} and some are in {other.continent}.",
        ),
    )


def _language(rng: random.Random, country: Country) -> Answers:
    name, capital, continent, language = country
    other = another(rng, COUNTRIES, country)
    return Answers(
        best=(
            f"People in {name} speak {language}. You will hear it in {capital}, too.",
            f"In {name} most people speak {language}. {name} is in {continent}.",
            f"You should learn some {language}. It is what people speak in {name}.",
        ),
        fair=(
            f"People in {name} speak {language}.",
            f"They speak {language}.",
            f"In {name} people speak {language}.",
        ),
        terse=(f"{language}.", f"{language}"),
        wrong=(
            f"People in {name} speak {other.language}, as in {other.name}.",
            f"The capital of {name} is {capital}.",
        ),
        rambling=(
            f"There are many languages. In {name} people speak. They speak to each other. "
            f"Some speak {language} and some speak {other.language}, I think.",
        ),
    )
