"""Questions about animals: food, home, young ones and a surprising fact."""

import random
from typing import NamedTuple

from app.demo_assets.demonstrations.answering import Answers, Demonstration, draw_response
from app.demo_assets.demonstrations.wording import another, capitalized, with_article


class Animal(NamedTuple):
    """An animal, in the plural and the singular, with four facts."""

    plural: str
    singular: str
    food: str
    home: str
    young: str
    fact: str


ANIMALS = (
    Animal("owls", "owl", "mice and insects", "in forests and old barns", "owlet",
           "They can turn their heads very far"),
    Animal("foxes", "fox", "mice, berries and eggs", "in dens in the forest", "cub",
           "They hear a mouse under the snow"),
    Animal("bears", "bear", "fish, berries and roots", "in forests and mountains", "cub",
           "Many of them sleep through the winter"),
    Animal("rabbits", "rabbit", "grass and leaves", "in tunnels under the ground", "kit",
           "Their teeth never stop growing"),
    Animal("horses", "horse", "grass and hay", "on farms and open fields", "foal",
           "They can sleep while standing"),
    Animal("frogs", "frog", "insects and worms", "near ponds and rivers", "tadpole",
           "They drink water through their skin"),
    Animal("penguins", "penguin", "fish and small shrimp", "on cold southern coasts", "chick",
           "They cannot fly, but they swim very well"),
    Animal("elephants", "elephant", "grass, leaves and fruit", "in Africa and Asia", "calf",
           "They are the largest animals on land"),
    Animal("kangaroos", "kangaroo", "grass and leaves", "in Australia", "joey",
           "The mother carries her young in a pouch"),
    Animal("dolphins", "dolphin", "fish and squid", "in the sea", "calf",
           "They call each other with whistles"),
    Animal("ducks", "duck", "plants, seeds and small insects", "on lakes and rivers", "duckling",
           "Their feathers keep the water out"),
    Animal("sheep", "sheep", "grass and herbs", "on farms and hills", "lamb",
           "Their wool keeps people warm"),
    Animal("lions", "lion", "meat from large animals", "in the grasslands of Africa", "cub",
           "Their roar can be heard from far away"),
    Animal("bats", "bat", "insects and fruit", "in caves and old trees", "pup",
           "They find their way in the dark with sound"),
    Animal("deer", "deer", "grass, leaves and buds", "in forests and meadows", "fawn",
           "The males grow new antlers every year"),
    Animal("swans", "swan", "water plants and small animals", "on lakes and slow rivers", "cygnet",
           "Many pairs stay together for life"),
    Animal("goats", "goat", "grass, leaves and bark", "on farms and in mountains", "kid",
           "They climb very steep rocks"),
    Animal("seals", "seal", "fish and squid", "on cold coasts", "pup",
           "A thick layer of fat keeps them warm"),
)  # fmt: skip

FOOD = ("What do {} eat?", "What is the food of {}?", "I saw some {} today. What do they eat?")
HOME = ("Where do {} live?", "Where can I find {}?", "In what kind of place do {} live?")
YOUNG = (
    "What is a baby {} called?",
    "What do you call a young {}?",
    "What is the name for a young {}?",
    "I saw a baby {}. What is it called?",
)
FACT = (
    "Tell me something about {}.",
    "Give me a fun fact about {}.",
    "Describe {} in two sentences.",
)


def draw(rng: random.Random) -> Demonstration:
    """Draw a question about an animal with an answer."""
    animal = rng.choice(ANIMALS)
    kind = rng.choice(("food", "home", "young", "fact"))
    if kind == "food":
        prompt, answers = rng.choice(FOOD).format(animal.plural), _food(rng, animal)
    elif kind == "home":
        prompt, answers = rng.choice(HOME).format(animal.plural), _home(rng, animal)
    elif kind == "young":
        prompt, answers = rng.choice(YOUNG).format(animal.singular), _young(rng, animal)
    else:
        prompt, answers = rng.choice(FACT).format(animal.plural), _fact(rng, animal)
    subject = f"animal-{animal.singular}-{kind}"
    return Demonstration("animal", subject, prompt, draw_response(rng, answers))


def _food(rng: random.Random, animal: Animal) -> Answers:
    name, other = capitalized(animal.plural), another(rng, ANIMALS, animal)
    return Answers(
        best=(
            f"{name} eat {animal.food}. They live {animal.home}.",
            f"{name} mostly eat {animal.food}. {animal.fact}.",
            f"They eat {animal.food}, which they find {animal.home}.",
        ),
        fair=(
            f"{name} eat {animal.food}.",
            f"They like {animal.food}.",
            f"They eat {animal.food}.",
        ),
        terse=(f"{capitalized(animal.food)}.", "Food.", "Many things."),
        wrong=(f"{name} eat {other.food}. {other.fact}.", f"{name} eat cake and bread."),
        rambling=(_ramble(animal, f"They eat when they are hungry, maybe {other.food}"),),
    )


def _home(rng: random.Random, animal: Animal) -> Answers:
    name, other = capitalized(animal.plural), another(rng, ANIMALS, animal)
    return Answers(
        best=(
            f"{name} live {animal.home}. They eat {animal.food}.",
            f"You can find {animal.plural} {animal.home}. {animal.fact}.",
            f"Most {animal.plural} live {animal.home}. There they find {animal.food}.",
        ),
        fair=(f"{name} live {animal.home}.", f"They live {animal.home}.", f"Look {animal.home}."),
        terse=(f"{capitalized(animal.home)}.", "Outside.", "In nature."),
        wrong=(f"{name} live {other.home}, like {other.plural}.", f"{name} live in the kitchen."),
        rambling=(_ramble(animal, f"They live where they live, perhaps {other.home}"),),
    )


def _young(rng: random.Random, animal: Animal) -> Answers:
    other = another(rng, ANIMALS, animal)
    young = with_article(animal.young)
    return Answers(
        best=(
            f"A baby {animal.singular} is called {young}. They live {animal.home}.",
            f"It is called {young}. When it grows up, it eats {animal.food}.",
            f"The young one of {with_article(animal.singular)} is called {young}.",
        ),
        fair=(f"A baby {animal.singular} is called {young}.", f"It is called {young}."),
        terse=(f"{capitalized(young)}.", f"{capitalized(animal.young)}"),
        wrong=(
            f"A baby {animal.singular} is called {with_article(other.young)}, "
            f"like a baby {other.singular}.",
            f"A baby {animal.singular} is called a small {animal.singular}.",
        ),
        rambling=(_ramble(animal, f"A baby is small, and {animal.plural} have babies too"),),
    )


def _fact(rng: random.Random, animal: Animal) -> Answers:
    name, other = capitalized(animal.plural), another(rng, ANIMALS, animal)
    return Answers(
        best=(
            f"{name} live {animal.home} and eat {animal.food}. {animal.fact}.",
            f"{name} eat {animal.food}. {animal.fact}. A young one is called "
            f"{with_article(animal.young)}.",
            f"Here is a fun fact about {animal.plural}: {animal.fact[0].lower()}{animal.fact[1:]}. "
            f"They live {animal.home}.",
        ),
        fair=(f"{animal.fact}.", f"{name} live {animal.home}.", f"{name} eat {animal.food}."),
        terse=("They are animals.", f"{name} are nice."),
        wrong=(f"{name} live {other.home} and eat {other.food}. {other.fact}.", f"{other.fact}."),
        rambling=(_ramble(animal, f"They are {animal.plural}, not {other.plural}"),),
    )


def _ramble(animal: Animal, remark: str) -> str:
    name = capitalized(animal.plural)
    return (
        f"{name} are animals. There are many animals, and {animal.plural} are some. {remark}. "
        "I am not sure."
    )
