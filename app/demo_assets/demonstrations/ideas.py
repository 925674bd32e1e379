"""Brainstorming: names, presents, activities and titles."""

import random
from typing import NamedTuple

from app.demo_assets.demonstrations.answering import Answers, Demonstration, draw_response
from app.demo_assets.demonstrations.wording import another, bulleted, joined, numbered


class Quest(NamedTuple):
    """What ideas are wanted for, with ideas."""

    wanted: str
    ideas: tuple[str, ...]


QUESTS = tuple(
    Quest(wanted, tuple(ideas.split(", ")))
    for wanted, ideas in (
        ("a name for a cat", "Luna, Tiger, Milo, Pepper, Shadow, Coco, Snowball"),
        ("a name for a bakery",
         "The Golden Crust, Morning Bread, Sweet Corner, Flour and Salt, The Happy Oven"),
        ("a birthday present for my mother",
         "a warm scarf, a photo book, flowers, a day at the sea, her favorite cake"),
        ("a birthday present for a child",
         "a puzzle, a kite, a box of crayons, a picture book, a trip to the zoo"),
        ("a rainy day", "bake a cake, play cards, build a fort, read aloud, watch an old film"),
        ("a picnic", "sandwiches, fruit salad, cold tea, a blanket, a ball to play with"),
        ("dinner tonight",
         "vegetable soup, pasta with tomatoes, fried rice, an omelet, pancakes"),
        ("a school project",
         "build a model volcano, grow beans, make a weather chart, draw a map of the town"),
        ("the title of a story about a lost dog",
         "The Long Way Home, A Dog in the Rain, Lost and Found, Four Muddy Paws"),
        ("a small garden", "plant herbs, grow tomatoes, hang a bird house, build a stone path"),
        ("a weekend in the mountains",
         "hike to a lake, look at the stars, ride a cable car, swim in a cold river"),
        ("a team event at work",
         "cook together, visit a museum, play a quiz, go bowling, plant trees in the park"),
        ("a way to thank a teacher",
         "write a card, bring flowers, make a class photo, bake cookies, sing a song"),
        ("a costume party", "a pirate, a ghost, a chef, a robot, a queen, an old painter"),
    )
)  # fmt: skip
PHRASINGS = (
    "Give me some ideas for {}.",
    "I need ideas for {}.",
    "Brainstorm ideas for {}.",
    "Can you help me find ideas for {}?",
    "What do you suggest for {}?",
)


def draw(rng: random.Random) -> Demonstration:
    """Draw a request for ideas with an answer."""
    quest = rng.choice(QUESTS)
    prompt = rng.choice(PHRASINGS).format(quest.wanted)
    return Demonstration(
        "ideas", f"ideas-{quest.wanted}", prompt, draw_response(rng, _answers(rng, quest))
    )


def _answers(rng: random.Random, quest: Quest) -> Answers:
    ideas = rng.sample(quest.ideas, k=len(quest.ideas))
    other = another(rng, QUESTS, quest)
    return Answers(
        best=(
            f"Here are some ideas:\n{numbered(ideas[:4])}",
            f"For {quest.wanted} I suggest:\n{bulleted(ideas[:3])}",
            f"What about one of these?\n{bulleted(ideas[:4])}",
            f"My favorite idea is this: {ideas[0]}. You could also think of {ideas[1]} or "
            f"{ideas[2]}.",
        ),
        fair=(
            f"Maybe {ideas[0]} or {ideas[1]}.",
            f"Some ideas are {joined(ideas[:3])}.",
            f"I would choose this: {ideas[0]}.",
        ),
        terse=(f"{ideas[0][0].upper()}{ideas[0][1:]}.", "Anything is fine."),
        wrong=(
            f"Here are some ideas:\n{numbered(rng.sample(other.ideas, k=3))}",
            f"Maybe {other.ideas[0]} or {other.ideas[1]}.",
        ),
        rambling=(
            f"There are many ideas. An idea is good if it is a good idea. One idea is {ideas[0]}. "
            f"Another idea is also {ideas[0]}, in a way.",
        ),
        closers=(" Have fun!", " Which one do you like best?", " I hope this helps!"),
    )
