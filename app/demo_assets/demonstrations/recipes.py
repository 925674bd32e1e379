"""How to cook a simple dish, step by step."""

import random
from typing import NamedTuple

from app.demo_assets.demonstrations.answering import Answers, Demonstration, draw_response
from app.demo_assets.demonstrations.wording import another, capitalized, numbered


class Dish(NamedTuple):
    """A dish, its steps in order, and a tip."""

    name: str
    steps: tuple[str, str, str, str]
    tip: str


DISHES = (
    Dish("tea", ("boil fresh water", "put a tea bag in a cup", "pour the water over it",
                 "take the bag out after three minutes"), "a slice of lemon tastes good in it"),
    Dish("rice", ("rinse the rice", "add two cups of water for each cup of rice",
                  "cook it on low heat for fifteen minutes", "let it rest before you serve it"),
         "do not lift the lid while it cooks"),
    Dish("pancakes", ("mix flour, milk and two eggs", "heat a little butter in a pan",
                      "pour in a thin layer of batter", "flip it when the top is dry"),
         "let the batter rest for ten minutes"),
    Dish("a salad", ("wash the lettuce", "cut the tomatoes and the cucumber",
                     "mix everything in a large bowl", "add oil, lemon juice and salt"),
         "add the dressing just before you eat"),
    Dish("an omelet", ("beat three eggs with a pinch of salt", "melt butter in a hot pan",
                       "pour in the eggs", "fold it when the edges are firm"),
         "a little cheese makes it better"),
    Dish("vegetable soup", ("cut carrots, potatoes and onions", "fry the onions in oil",
                            "add the vegetables and water", "cook it for twenty minutes"),
         "fresh herbs give it more taste"),
    Dish("pasta with tomatoes", ("boil the pasta in salted water", "fry garlic in olive oil",
                                 "add chopped tomatoes and basil", "mix it with the pasta"),
         "save some of the pasta water for the sauce"),
    Dish("fruit salad", ("wash the fruit", "cut apples, pears and bananas into pieces",
                         "add the juice of an orange", "put it in the fridge for an hour"),
         "use fruit that is ripe"),
    Dish("mashed potatoes", ("peel the potatoes", "boil them until they are soft",
                             "mash them with butter and warm milk", "add salt and pepper"),
         "warm milk keeps them smooth"),
    Dish("hot chocolate", ("warm a cup of milk", "stir in cocoa and sugar",
                           "heat it without boiling", "pour it into a mug"),
         "a pinch of cinnamon is nice"),
    Dish("bread", ("mix flour, water, yeast and salt", "knead the dough for ten minutes",
                   "let it rise for an hour", "bake it for forty minutes"),
         "it is done when it sounds hollow"),
    Dish("a cheese sandwich", ("cut two slices of bread", "spread butter on them",
                               "add cheese and a slice of tomato", "close it and cut it in half"),
         "toast it in a pan if you like it warm"),
    Dish("oatmeal", ("put oats and milk in a pot", "stir while it heats up",
                     "cook it for five minutes", "add honey and a sliced banana"),
         "a pinch of salt brings out the taste"),
    Dish("lemonade", ("squeeze four lemons", "add sugar and a liter of cold water",
                      "stir until the sugar is gone", "serve it with ice"),
         "a few mint leaves look pretty"),
    Dish("popcorn", ("heat some oil in a large pot", "add the corn and close the lid",
                     "shake the pot until the popping slows down", "add salt or sugar"),
         "keep the lid on, since it jumps"),
    Dish("fried rice", ("fry an onion and some carrots", "add cold cooked rice",
                        "push it aside and fry an egg", "mix it with soy sauce"),
         "rice from the day before works best"),
)  # fmt: skip

PHRASINGS = (
    "How do I make {}?",
    "Explain how to make {}.",
    "Give me a simple recipe for {}.",
    "I want to make {}. What are the steps?",
    "Can you teach me how to make {}?",
    "Write a short recipe for {}.",
)


def draw(rng: random.Random) -> Demonstration:
    """Draw a request for a recipe with an answer."""
    dish = rng.choice(DISHES)
    prompt = rng.choice(PHRASINGS).format(dish.name)
    return Demonstration(
        "recipe", f"recipe-{dish.name}", prompt, draw_response(rng, _answers(rng, dish))
    )


def _answers(rng: random.Random, dish: Dish) -> Answers:
    first, second, third, fourth = dish.steps
    listed, other = numbered([f"{step}." for step in dish.steps]), another(rng, DISHES, dish)
    tip = capitalized(dish.tip)
    return Answers(
        best=(
            f"Here are the steps:\n{listed}\nA tip: {dish.tip}.",
            f"Follow these steps for {dish.name}:\n{listed}",
            f"First, {first}. Then {second}. After that, {third}. Finally, {fourth}. {tip}.",
            f"To make {dish.name}, {first} and {second}. Next, {third}. In the end, {fourth}.",
        ),
        fair=(
            f"First, {first}. Then {third}. Finally, {fourth}.",
            f"{capitalized(first)}, {second}, and then {third}.",
            f"You {first}. Then you {second}. {tip}.",
        ),
        terse=(f"{capitalized(first)}.", f"{capitalized(first)} and {second}."),
        wrong=(
            f"Follow these steps for {dish.name}:\n{numbered([f'{s}.' for s in other.steps])}",
            f"First, {other.steps[0]}. Then {other.steps[2]}. Finally, {fourth}.",
            f"First, {fourth}. Then {second}. Finally, {first}.",
        ),
        rambling=(
            f"You can {first}. You can also {first}. Many people {first}. "
            f"I think you should {second}, but I am not sure.",
            f"I like {dish.name}. My friend likes {dish.name} too. Some people {third}. "
            f"It depends on the {dish.name.rsplit(' ', maxsplit=1)[-1]}.",
        ),
        closers=(" Enjoy your meal!", " I hope you like it.", " Good luck in the kitchen!"),
    )
