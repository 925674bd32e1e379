"""Short texts to work on: questions about them, a summary, and the mood of a review."""

import random
from typing import NamedTuple

from app.demo_assets.demonstrations.answering import Answers, Demonstration, draw_response
from app.demo_assets.demonstrations.wording import NAMES, another

PLACES = ("market", "lake", "museum", "park", "bakery", "station", "library", "zoo")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
GOODS = ("bread", "a hat", "a book", "flowers", "cheese", "a ticket", "a lamp", "honey")


class Review(NamedTuple):
    """What is reviewed, and what was good and bad about it."""

    thing: str
    praise: str
    complaint: str


REVIEWS = tuple(
    Review(*parts.split(" | "))
    for parts in (
        "film | the story was exciting | the story was dull",
        "hotel | the room was clean and quiet | the room was dirty and loud",
        "cafe | the coffee was wonderful | the coffee was cold",
        "book | I could not put it down | I stopped after ten pages",
        "phone | the battery lasts for days | the battery is empty by noon",
        "restaurant | the waiter was friendly | the waiter was rude",
        "jacket | it is warm and fits well | it tore after a week",
        "game | my children love it | nobody wanted to play it twice",
        "train ride | we arrived on time | we were two hours late",
        "concert | the band played with joy | the sound was terrible",
    )
)
SENTIMENT_PROMPTS = (
    'Is this review positive or negative? "{}"',
    'Did the writer like the {thing}? "{}"',
    'What is the mood of this review? "{}"',
)


def draw(rng: random.Random) -> Demonstration:
    """Draw a text with a task about it, and an answer."""
    return rng.choice((_question, _summary, _mood))(rng)


def _question(rng: random.Random) -> Demonstration:
    name, place, day, thing = _outing(rng)
    text = f"{name} went to the {place} on {day} and bought {thing}."
    question, value, long = rng.choice(
        (
            (f"Where did {name} go?", f"to the {place}", f"{name} went to the {place}."),
            (f"When did {name} go?", f"on {day}", f"{name} went on {day}."),
            (f"What did {name} buy?", thing, f"{name} bought {thing}."),
            (f"Who bought {thing}?", name, f"{name} bought {thing}."),
        )
    )
    short = f"{value[0].upper()}{value[1:]}."
    prompt = rng.choice((f"{text} {question}", f'Read this: "{text}" {question}'))
    wrong_name, wrong_place, wrong_day, wrong_thing = _outing(rng)
    answers = Answers(
        best=(
            f"{long} The text says so.",
            f"{long} It is in the text: {text}",
            f"According to the text, {long}",
            f'The answer is "{value}".',
        ),
        fair=(long, f"The answer is {value}.", f"It says: {value}."),
        terse=(short, value),
        wrong=(
            f"{name} went to the {wrong_place} on {wrong_day}.",
            f"{wrong_name} bought {wrong_thing}.",
            "The text does not say that.",
        ),
        rambling=(
            f"The text is about {name}. {name} did something at the {place}. It was {day}, or "
            f"perhaps {wrong_day}. There was also {thing}.",
        ),
        openers=("Sure! ", "Let me look. "),
        closers=(" Do you have another question?", " I hope this helps!"),
    )
    subject = f"reading-{place} {day}"
    return Demonstration("reading", subject, prompt, draw_response(rng, answers))


def _summary(rng: random.Random) -> Demonstration:
    name, place, day, thing = _outing(rng)
    friend = another(rng, NAMES, name)
    text = (
        f"{name} got up early on {day}. It was a sunny day. {name} took the bus to the {place} "
        f"and met {friend} there. They bought {thing} and went home in the evening."
    )
    prompt = rng.choice(
        (
            f"Summarize this in one sentence: {text}",
            f"What is this text about? {text}",
            f"Give me a short summary: {text}",
        )
    )
    answers = Answers(
        best=(
            f"{name} and {friend} spent {day} at the {place} and bought {thing}.",
            f"On {day}, {name} met {friend} at the {place}, where they bought {thing}.",
            f"It is about a trip to the {place}: {name} met {friend} and they bought {thing}.",
        ),
        fair=(
            f"{name} met {friend} at the {place}.",
            f"{name} and {friend} bought {thing}.",
            f"{name} went to the {place} on {day}.",
        ),
        terse=("A trip.", f"{name} took the bus.", "It was a sunny day."),
        wrong=(
            text,
            f"{friend} lost {thing} in the snow and was sad.",
            f"{name} stayed at home on {day}.",
        ),
        rambling=(
            f"The text is a text about {name}. It has some sentences. {name} does this and that, "
            f"and then {name} does something else, and so on.",
        ),
        closers=(" That is the whole story.", " I hope this helps!"),
    )
    subject = f"summary-{place} {day}"
    return Demonstration("summary", subject, prompt, draw_response(rng, answers))


def _mood(rng: random.Random) -> Demonstration:
    review = rng.choice(REVIEWS)
    is_good = rng.random() < 1 / 2
    remark = review.praise if is_good else review.complaint
    mood, opposite = ("positive", "negative") if is_good else ("negative", "positive")
    verdict = rng.choice(
        ("I would go again.", "Great!", "I am happy.")
        if is_good
        else ("Never again.", "What a pity.", "I want my money back.")
    )
    text = f"This {review.thing}: {remark}. {verdict}"
    prompt = rng.choice(SENTIMENT_PROMPTS).format(text, thing=review.thing)
    liked, not_liked = ("liked", "did not like") if is_good else ("did not like", "liked")
    answers = Answers(
        best=(
            f"The review is {mood}, because the writer says that {remark}.",
            f"It is {mood}. The writer {liked} the {review.thing}: {remark}.",
            f'The writer {liked} the {review.thing}. You can see it in the words "{remark}".',
        ),
        fair=(
            f"It is {mood}.",
            f"The review is {mood}.",
            f"The writer {liked} the {review.thing}.",
        ),
        terse=(f"{mood.capitalize()}.", mood.capitalize()),
        wrong=(f"The review is {opposite}.", f"The writer {not_liked} the {review.thing}."),
        rambling=(
            f"It is a review. Reviews can be positive or negative. This one is about the "
            f"{review.thing}. Some people like every {review.thing}.",
        ),
    )
    subject = f"mood-{review.thing} {mood}"
    return Demonstration("review", subject, prompt, draw_response(rng, answers))


def _outing(rng: random.Random) -> tuple[str, str, str, str]:
    return rng.choice(NAMES), rng.choice(PLACES), rng.choice(DAYS), rng.choice(GOODS)
