"""Advice on everyday goals, as lists of tips."""

import random
from typing import NamedTuple

from app.demo_assets.demonstrations.answering import Answers, Demonstration, draw_response
from app.demo_assets.demonstrations.wording import (
    NUMBER_WORDS,
    another,
    bulleted,
    capitalized,
    numbered,
)


class Goal(NamedTuple):
    """Something people want to do, with tips in the imperative."""

    name: str
    tips: tuple[str, ...]


GOALS = (
    Goal("sleep better", ("go to bed at the same time every night", "keep your room dark and cool",
                          "avoid coffee in the afternoon", "put your phone away before bed",
                          "read a quiet book")),
    Goal("learn a language", ("practice a little every day", "listen to songs and podcasts",
                              "speak with others and do not fear mistakes",
                              "write down new words", "read short stories")),
    Goal("save money", ("write down what you spend", "cook at home more often",
                        "compare prices before you buy", "set aside a small amount every month",
                        "repair things instead of buying new ones")),
    Goal("study for an exam", ("make a plan and start early", "study in short blocks with breaks",
                               "test yourself with old questions", "explain the topic to a friend",
                               "sleep well the night before")),
    Goal("stay healthy", ("walk for half an hour every day", "eat plenty of vegetables",
                          "drink enough water", "see a doctor for check-ups",
                          "make time for your friends")),
    Goal("make new friends", ("join a club or a class", "ask people questions and listen",
                              "invite someone for coffee", "be patient and kind",
                              "say hello to your neighbors")),
    Goal("prepare for a job interview", ("read about the company", "practice common questions",
                                         "choose clean clothes", "arrive ten minutes early",
                                         "ask one good question at the end")),
    Goal("keep my room tidy", ("give every thing a fixed place", "clean up for ten minutes a day",
                               "give away what you do not use", "make your bed every morning",
                               "never leave dirty cups on the desk")),
    Goal("give a good speech", ("know your main point", "practice in front of a mirror",
                                "speak slowly and clearly", "look at the people",
                                "start with a short story")),
    Goal("use less water", ("take short showers", "repair dripping taps",
                            "turn the tap off while you brush your teeth",
                            "wash only full loads", "collect rain for the garden")),
    Goal("start running", ("begin with short and slow runs", "buy shoes that fit well",
                           "rest for a day between runs", "run with a friend",
                           "drink water before and after")),
    Goal("write a good essay", ("choose a clear question", "make an outline first",
                                "use one idea in each paragraph", "give examples",
                                "read it aloud at the end")),
    Goal("grow tomatoes", ("put the plants in a sunny place", "water them every morning",
                           "tie them to a stick", "pick off the side shoots",
                           "wait until the fruit is red")),
    Goal("feel less stressed", ("take slow and deep breaths", "go for a walk outside",
                                "talk to someone you trust", "do one thing at a time",
                                "say no when it is too much")),
    Goal("read more books", ("carry a book with you", "read ten pages before bed",
                             "choose books that you enjoy", "join a reading group",
                             "put your phone in another room")),
    Goal("travel with small children", ("pack snacks and water", "plan many breaks",
                                        "bring a favorite toy", "leave early in the morning",
                                        "choose a hotel with a playground")),
    Goal("take better photos", ("use the soft light of the morning", "hold the camera still",
                                "go closer to the subject", "keep the background simple",
                                "take several pictures and keep the best")),
    Goal("care for a puppy", ("feed it at fixed times", "take it outside often",
                              "praise it when it does well", "visit the vet early",
                              "give it a quiet place to sleep")),
)  # fmt: skip

OPEN = (
    "How can I {}?",
    "What should I do to {}?",
    "I would like to {}. Do you have any advice?",
    "Give me some tips to {}.",
    "What helps people to {}?",
)
COUNTED = (
    "Give me {number} tips to {goal}.",
    "Name {number} ways to {goal}.",
    "List {number} things that help me to {goal}.",
)


def draw(rng: random.Random) -> Demonstration:
    """Draw a request for advice with an answer; about half of them ask for a number of tips."""
    goal = rng.choice(GOALS)
    count = rng.choice((2, 3, 4))
    if rng.random() < 1 / 2:
        prompt, total = rng.choice(OPEN).format(goal.name), rng.choice((3, 4))
    else:
        number = NUMBER_WORDS[count]
        prompt, total = rng.choice(COUNTED).format(number=number, goal=goal.name), count
    answers = _answers(rng, goal, total)
    return Demonstration("advice", f"advice-{goal.name}", prompt, draw_response(rng, answers))


def _answers(rng: random.Random, goal: Goal, total: int) -> Answers:
    tips = rng.sample(goal.tips, k=5)
    chosen = [f"{tip}." for tip in tips[:total]]
    other = another(rng, GOALS, goal)
    wrong = [f"{tip}." for tip in rng.sample(other.tips, k=total)]
    number = NUMBER_WORDS[total]
    return Answers(
        best=(
            f"Here are {number} ideas:\n{numbered(chosen)}",
            f"These {number} things help to {goal.name}:\n{bulleted(chosen)}",
            f"Try these:\n{numbered(chosen)}\nStart with the first one.",
            " ".join(capitalized(tip) for tip in chosen) + " Small steps are fine.",
        ),
        fair=(
            f"You could {tips[0]}. It also helps to {tips[1]}.",
            f"I would {tips[0]} and {tips[1]}.",
            f"{capitalized(tips[0])}. {capitalized(tips[1])}.",
        ),
        terse=(f"{capitalized(tips[0])}.", f"{capitalized(tips[1])}.", "Just try harder."),
        wrong=(
            f"Here are {number} ideas:\n{numbered(wrong)}",
            f"You could {other.tips[0]}. It also helps to {other.tips[1]}.",
        ),
        rambling=(
            f"You can {tips[0]}. You can also {tips[0]}. It is good to {tips[0]}, because "
            f"people who {tips[0]} do it often.",
            f"Many people want to {goal.name}. It is not easy to {goal.name}. Some people "
            f"{tips[1]} and some do not. It depends.",
        ),
        closers=(" Good luck!", " I hope this helps!", " Take it one step at a time."),
    )
