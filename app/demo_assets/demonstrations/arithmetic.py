"""Small sums, differences and products, bare and as word problems, answered in many wordings."""

import random

from app.demo_assets.demonstrations.answering import Answers, Demonstration, draw_response
from app.demo_assets.demonstrations.wording import NAMES

THINGS = (
    "apples", "books", "coins", "pencils", "stamps", "eggs", "cookies", "marbles", "cards",
    "shells",
)  # fmt: skip
OPENERS = ("Sure! ", "Let me see. ", "Easy! ", "Of course. ")
CLOSERS = (
    " I hope this helps!",
    " Do you have another one?",
    " You can check it with your fingers.",
    " That is all.",
)


def draw(rng: random.Random) -> Demonstration:
    """Draw a small calculation with an answer."""
    return rng.choice((_addition, _subtraction, _multiplication, _gain, _loss))(rng)


def _addition(rng: random.Random) -> Demonstration:
    first, second = rng.randint(2, 12), rng.randint(2, 12)
    total = first + second
    prompt = rng.choice(
        (
            f"What is {first} plus {second}?",
            f"Add {first} and {second}.",
            f"Calculate {first} + {second}.",
            f"How much is {first} + {second}?",
            f"What is the sum of {first} and {second}?",
        )
    )
    best = (
        f"{first} plus {second} is {total}. You can check it: {total} minus {second} is {first}.",
        f"The sum of {first} and {second} is {total}.",
        f"{first} + {second} = {total}. If you start at {first} and count {second} more, you "
        f"get to {total}.",
        f"If you add {first} and {second}, you get {total}.",
    )
    fair = (f"The answer is {total}.", f"{first} + {second} = {total}", f"It is {total}.")
    return _calculation(rng, (first, "plus", second), prompt, total, best, fair)


def _subtraction(rng: random.Random) -> Demonstration:
    second, total = rng.randint(2, 10), rng.randint(2, 10)
    first = second + total
    prompt = rng.choice(
        (
            f"What is {first} minus {second}?",
            f"Subtract {second} from {first}.",
            f"Calculate {first} - {second}.",
            f"How much is {first} - {second}?",
        )
    )
    best = (
        f"{first} minus {second} is {total}. You can check it: {total} plus {second} is {first}.",
        f"If you take {second} away from {first}, {total} is left.",
        f"{first} - {second} = {total}, because {total} + {second} = {first}.",
        f"The difference is {total}.",
    )
    fair = (f"The answer is {total}.", f"{first} - {second} = {total}", f"It is {total}.")
    return _calculation(rng, (first, "minus", second), prompt, total, best, fair)


def _multiplication(rng: random.Random) -> Demonstration:
    first, second = rng.randint(2, 5), rng.randint(2, 10)
    total = first * second
    prompt = rng.choice(
        (
            f"What is {first} times {second}?",
            f"Multiply {first} by {second}.",
            f"Calculate {first} x {second}.",
        )
    )
    steps = " + ".join([str(second)] * first)
    best = (
        f"{first} times {second} is {total}. You can also add: {steps} = {total}.",
        f"{first} x {second} = {total}, since {steps} = {total}.",
        f"The product of {first} and {second} is {total}.",
        f"If you take {second} exactly {first} times, you get {total}.",
    )
    fair = (f"The answer is {total}.", f"{first} x {second} = {total}", f"It is {total}.")
    return _calculation(rng, (first, "times", second), prompt, total, best, fair)


def _gain(rng: random.Random) -> Demonstration:
    first, second = rng.randint(2, 10), rng.randint(2, 10)
    total, name, things = first + second, rng.choice(NAMES), rng.choice(THINGS)
    source = rng.choice(("gets", "buys", "finds"))
    prompt = (
        f"{name} has {first} {things} and {source} {second} more. "
        f"How many {things} does {name} have now?"
    )
    best = (
        f"{name} has {total} {things} now, because {first} plus {second} is {total}.",
        f"{name} had {first} {things} and {source} {second} more. {first} + {second} = {total}, "
        f"so {name} has {total}.",
        f"Add {first} and {second}. {name} has {total} {things}.",
    )
    fair = (f"{name} has {total} {things}.", f"The answer is {total}.", f"{total} {things}.")
    return _calculation(rng, (first, "gain", second), prompt, total, best, fair)


def _loss(rng: random.Random) -> Demonstration:
    second, total = rng.randint(2, 9), rng.randint(2, 9)
    first, name, things = second + total, rng.choice(NAMES), rng.choice(THINGS)
    source = rng.choice(("gives away", "loses", "sells"))
    prompt = (
        f"{name} has {first} {things} and {source} {second} of them. How many {things} are left?"
    )
    best = (
        f"{total} {things} are left, because {first} minus {second} is {total}.",
        f"{name} had {first} {things} and {source} {second}. {first} - {second} = {total}, so "
        f"{total} are left.",
        f"Take {second} away from {first}. {name} still has {total} {things}.",
    )
    fair = (f"{name} has {total} {things} left.", f"The answer is {total}.", f"{total} {things}.")
    return _calculation(rng, (first, "loss", second), prompt, total, best, fair)


def _calculation(
    rng: random.Random,
    task: tuple[int, str, int],
    prompt: str,
    total: int,
    best: tuple[str, ...],
    fair: tuple[str, ...],
) -> Demonstration:
    first, operation, second = task
    slip = total + rng.choice((-2, -1, 1, 2, 10))
    answers = Answers(
        best=best,
        fair=fair,
        terse=(f"{total}", f"{total}.", f"= {total}"),
        wrong=(
            f"The answer is {slip}.",
            f"It is {slip}, because {first} and {second} make {slip}.",
            f"{first} and {second} give {first}{second}.",
        ),
        rambling=(
            f"Let me think. {first} is a number and {second} is a number. Together they make "
            f"{slip} or {total}. Numbers are difficult.",
        ),
        openers=OPENERS,
        closers=CLOSERS,
    )
    subject = f"arithmetic-{first} {operation} {second}"
    return Demonstration("arithmetic", subject, prompt, draw_response(rng, answers))
