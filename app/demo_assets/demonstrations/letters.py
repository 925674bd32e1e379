"""Short messages to people, for everyday occasions."""

import random
from typing import NamedTuple

from app.demo_assets.demonstrations.answering import Answers, Demonstration, draw_response
from app.demo_assets.demonstrations.wording import NAMES, another, capitalized


class Occasion(NamedTuple):
    """Why somebody writes: as a clause, and what the message says in two sentences."""

    clause: str
    opening: str
    request: str


RECIPIENTS = ("boss", "teacher", "neighbor", "friend", "landlord", "sister", "coach", "doctor")
OCCASIONS = tuple(
    Occasion(*parts.split(" | "))
    for parts in (
        "I am sick today | I am sorry, but I am sick today and cannot come"
        " | I hope to be back tomorrow",
        "I will be late | I am sorry, but I will be about twenty minutes late"
        " | Please start without me",
        "the heating is broken | I want to let you know that the heating is broken"
        " | Could you please send someone to repair it?",
        "I found a set of keys | I found a set of keys near the stairs | Are they yours?",
        "the music is too loud | I can hear the music very clearly at night"
        " | Could you please turn it down after ten?",
        "I want to say thank you | thank you so much for your help last week"
        " | It made a big difference to me",
        "I cannot come on Friday | I am afraid that I cannot come on Friday"
        " | Could we meet on another day?",
        "I need a new appointment | I have to move my appointment"
        " | Is there a free time next week?",
        "I am having a birthday party | I am having a birthday party on Saturday at six"
        " | I would be happy if you could come",
        "I forgot my homework | I am sorry, but I forgot my homework at home"
        " | I will bring it tomorrow morning",
        "I passed the exam | I have good news, because I passed the exam"
        " | Thank you for believing in me",
        "I will be away for a week | I will be away for a week in July"
        " | Could you please water my plants?",
    )
)
CLOSINGS = ("Best wishes", "Kind regards", "Thank you", "See you soon")


def draw(rng: random.Random) -> Demonstration:
    """Draw a request for a short message, with an answer."""
    occasion, recipient = rng.choice(OCCASIONS), rng.choice(RECIPIENTS)
    prompt = rng.choice(
        (
            f"Write a short message to my {recipient}: {occasion.clause}.",
            f"Write an email to my {recipient} to say that {occasion.clause}.",
            f"Help me write to my {recipient} that {occasion.clause}.",
            f"I have to tell my {recipient} that {occasion.clause}. What can I write?",
        )
    )
    response = draw_response(rng, _answers(rng, occasion, recipient))
    return Demonstration("message", f"message-{occasion.clause} {recipient}", prompt, response)


def _answers(rng: random.Random, occasion: Occasion, recipient: str) -> Answers:
    opening, request = capitalized(occasion.opening), _ended(occasion.request)
    closing, name, other = (
        rng.choice(CLOSINGS),
        rng.choice(NAMES),
        another(rng, OCCASIONS, occasion),
    )
    return Answers(
        best=(
            f"Hello,\n{opening}. {request}\n{closing},\n{name}",
            f"Dear {recipient},\n{opening}. {request}\n{closing}",
            f"Hi! I hope you are well. {opening}. {request} {closing}!",
            f"Good morning,\n{opening}. {request}\nHave a nice day!\n{name}",
        ),
        fair=(
            f"Hi, {occasion.opening}. {closing}.",
            f"{opening}. {request}",
            f"Hello, {occasion.opening}.",
        ),
        terse=(f"{capitalized(occasion.clause)}.", "Hi.", request),
        wrong=(
            f"Dear {recipient},\n{capitalized(other.opening)}. {_ended(other.request)}\n{closing}",
            f"Hey you, {occasion.clause} and it is your fault!",
        ),
        rambling=(
            f"Hello, I am writing to you because I write to you. {capitalized(occasion.clause)}. "
            f"That is why I write. {capitalized(occasion.clause)}, as I wrote.",
        ),
        openers=("Here is a message:\n", "You could write:\n"),
        closers=(),
    )


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith("?") else f"{sentence}."
