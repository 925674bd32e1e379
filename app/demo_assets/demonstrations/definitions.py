"""What a word means, in one or two sentences."""

import random
from typing import NamedTuple

from app.demo_assets.demonstrations.answering import Answers, Demonstration, draw_response
from app.demo_assets.demonstrations.wording import another, capitalized


class Term(NamedTuple):
    """A word with its meaning and one more sentence about it."""

    name: str
    meaning: str
    detail: str


TERMS = (
    Term("gravity", "the force that pulls objects with mass toward each other",
         "It is the reason why a dropped ball falls to the ground"),
    Term("photosynthesis", "the way plants turn sunlight, water and air into sugar and oxygen",
         "It happens in the green leaves"),
    Term("a volcano", "an opening in the ground where hot rock, ash and gas come out",
         "The hot rock that flows out is called lava"),
    Term("inflation", "a general rise in prices over time",
         "It means that the same money buys less than before"),
    Term("democracy", "a system in which the people choose their leaders by voting",
         "Every vote counts the same"),
    Term("an island", "a piece of land with water on all sides",
         "Some islands are tiny and some are as big as a country"),
    Term("a glacier", "a large mass of ice that moves slowly over land",
         "It is made of snow that fell many years ago"),
    Term("a battery", "a device that stores energy and gives it back as electricity",
         "You find one in every phone and flashlight"),
    Term("an atom", "the smallest piece of an element such as iron or gold",
         "Everything around us is made of atoms"),
    Term("a desert", "a dry place where very little rain falls",
         "The days can be hot and the nights very cold"),
    Term("an eclipse", "a moment when one object in space hides another",
         "For example, the moon can hide the sun for a few minutes"),
    Term("a budget", "a plan for how to spend and save your money",
         "It helps you to pay for the important things first"),
    Term("a vaccine", "a medicine that teaches the body to fight an illness",
         "It is usually given before you get sick"),
    Term("a planet", "a large round object that moves around a star",
         "The earth is one of eight planets around our sun"),
    Term("a museum", "a building where people can look at art or old objects",
         "Many museums also teach visitors about history"),
    Term("recycling", "the work of turning old things into new ones",
         "For example, old paper can become new paper"),
    Term("a habit", "something that you do so often that it becomes automatic",
         "Good habits take a few weeks to build"),
    Term("courage", "the strength to do something although you are afraid",
         "Telling the truth can take a lot of courage"),
    Term("patience", "the ability to wait calmly without getting angry",
         "It grows when you practice it every day"),
    Term("a metaphor", "a way to describe one thing as if it were another",
         "For example, people say that time is money"),
    Term("the internet", "a network that connects computers all over the world",
         "People use it to send messages and to find information"),
    Term("a robot", "a machine that can do some work on its own",
         "Many robots build cars or clean floors"),
    Term("a fossil", "what is left of a plant or an animal that lived long ago",
         "Most fossils are found in old rock"),
    Term("a rainbow", "an arc of colors that appears when the sun shines through rain",
         "Its colors go from red to violet"),
    Term("a tax", "money that people pay to the government",
         "It is used for roads, schools and hospitals"),
    Term("a loan", "money that you borrow and have to pay back later",
         "Usually you pay a little more than you borrowed"),
    Term("an ecosystem", "a place with all the plants and animals that live there together",
         "A pond and a forest are good examples"),
    Term("a melody", "a row of notes that sounds like one musical idea",
         "It is the part of a song that you can hum"),
    Term("a compass", "a tool with a needle that points to the north",
         "Sailors and hikers use it to find their way"),
    Term("an orchestra", "a large group of musicians who play together",
         "A conductor leads the group"),
    Term("a lighthouse", "a tower near the sea with a bright light on top",
         "It warns ships about rocks and dark coasts"),
    Term("a refugee", "a person who has to leave home because of war or danger",
         "Many countries offer refugees a safe place to live"),
    Term("a hypothesis", "an idea that you can test with an experiment",
         "If the test fails, you look for a better idea"),
    Term("a contract", "an agreement between people that they must keep",
         "It is often written on paper and signed"),
    Term("an echo", "a sound that comes back after it hits a wall or a mountain",
         "You can hear it when you shout in a valley"),
    Term("a magnet", "an object that pulls iron toward itself",
         "Every magnet has a north end and a south end"),
    Term("a drought", "a long time with too little rain",
         "Plants dry out and rivers become low"),
    Term("a harbor", "a safe place near the coast where ships can stay",
         "Goods and travelers come and go there"),
    Term("electricity", "a form of energy that moves through wires",
         "It gives us light and lets machines run"),
    Term("a proverb", "a short old saying that gives advice",
         "For example, practice makes perfect"),
)  # fmt: skip

PHRASINGS = (
    "What is {}?",
    "Explain {} in simple words.",
    "Can you explain what {} is?",
    "Define {}.",
    "Please describe {} in one or two sentences.",
    "How would you explain {} to a child?",
    "Tell me what {} is.",
    "I do not know what {} is. Can you help?",
)


def draw(rng: random.Random) -> Demonstration:
    """Draw a question about the meaning of a word, with an answer."""
    term = rng.choice(TERMS)
    prompt = rng.choice(PHRASINGS).format(term.name)
    return Demonstration(
        "definition", f"definition-{term.name}", prompt, draw_response(rng, _answers(rng, term))
    )


def _answers(rng: random.Random, term: Term) -> Answers:
    name, other = capitalized(term.name), another(rng, TERMS, term)
    return Answers(
        best=(
            f"{name} is {term.meaning}. {term.detail}.",
            f"In simple words, {term.name} is {term.meaning}. {term.detail}.",
            f"{name} is {term.meaning}. {term.detail}. That is the main idea.",
        ),
        fair=(f"{name} is {term.meaning}.", f"It is {term.meaning}."),
        terse=(f"{capitalized(term.meaning.split(' that ')[0].split(' where ')[0])}.",),
        wrong=(
            f"{name} is {other.meaning}.",
            f"{name} is {other.meaning}. {other.detail}.",
        ),
        rambling=(
            f"{name} is a thing. It is hard to explain. Some people say it is {term.meaning}. "
            "Other people do not agree.",
            f"Well, {term.name} is what people call {term.name}. It is {term.name}, so to speak. "
            "There are many kinds of it.",
        ),
    )
