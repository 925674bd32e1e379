"""Sentences to rewrite: politely, in the past tense, shorter, as a question, with a negation."""

import random
from typing import NamedTuple

from app.demo_assets.demonstrations.answering import Answers, Demonstration, draw_response
from app.demo_assets.demonstrations.wording import NAMES, another


class Action(NamedTuple):
    """A verb phrase in the forms that the rewritings need."""

    base: str
    present: str
    past: str


class Request(NamedTuple):
    """A blunt request, its -ing form, and the same thing in friendly words."""

    blunt: str
    gerund: str


ACTIONS = tuple(
    Action(*forms.split(" | "))
    for forms in (
        "walk to school | walks to school | walked to school",
        "eat an apple | eats an apple | ate an apple",
        "read a book | reads a book | read a book",
        "write a letter | writes a letter | wrote a letter",
        "play the piano | plays the piano | played the piano",
        "drink a cup of tea | drinks a cup of tea | drank a cup of tea",
        "see a bird in the tree | sees a bird in the tree | saw a bird in the tree",
        "go to the market | goes to the market | went to the market",
        "buy some bread | buys some bread | bought some bread",
        "sing a song | sings a song | sang a song",
        "run in the park | runs in the park | ran in the park",
        "help a friend | helps a friend | helped a friend",
        "clean the kitchen | cleans the kitchen | cleaned the kitchen",
        "find a coin | finds a coin | found a coin",
        "take the bus | takes the bus | took the bus",
        "cook some soup | cooks some soup | cooked some soup",
        "swim in the lake | swims in the lake | swam in the lake",
        "give the dog a bone | gives the dog a bone | gave the dog a bone",
        "draw a house | draws a house | drew a house",
        "call the doctor | calls the doctor | called the doctor",
        "feed the cat | feeds the cat | fed the cat",
        "open the window | opens the window | opened the window",
        "ride a bike | rides a bike | rode a bike",
        "plant a tree | plants a tree | planted a tree",
    )
)
REQUESTS = tuple(
    Request(*forms.split(" | "))
    for forms in (
        "close the door | closing the door",
        "send me the report | sending me the report",
        "turn down the music | turning down the music",
        "help me with this box | helping me with this box",
        "wait for me | waiting for me",
        "bring me a glass of water | bringing me a glass of water",
        "answer my question | answering my question",
        "move your car | moving your car",
        "call me back | calling me back",
        "speak more slowly | speaking more slowly",
        "give me the key | giving me the key",
        "clean the table | cleaning the table",
        "tell me the price | telling me the price",
        "come to my office | coming to my office",
        "show me the way | showing me the way",
        "sign this form | signing this form",
        "stop talking | being quiet for a moment",
        "pass me the salt | passing me the salt",
        "open the window | opening the window",
        "check the numbers | checking the numbers",
    )
)
WORDY = (
    ("Due to the fact that", "Because"),
    ("In spite of the fact that", "Although"),
    ("In the event that", "If"),
    ("At the point in time when", "When"),
    ("During the time that", "While"),
)
CLAUSES = (
    ("it was raining", "stayed at home"),
    ("the bus was late", "walked to the office"),
    ("the shop was closed", "bought bread somewhere else"),
    ("the meeting was long", "missed the train"),
    ("the soup was cold", "ate all of it"),
    ("the lake was calm", "went for a swim"),
    ("the price was high", "looked for another phone"),
    ("the door was open", "waited outside"),
    ("the film was boring", "fell asleep"),
    ("the sun was shining", "sat in the garden"),
)

OPENERS = ("Sure! ", "Of course. ", "Here you go: ", "Gladly. ")
CLOSERS = (
    " I hope this helps!",
    " Does this sound right?",
    " Tell me if you want another version.",
    " I kept the meaning.",
)


def draw(rng: random.Random) -> Demonstration:
    """Draw a sentence to rewrite, with an answer."""
    return rng.choice((_polite, _polite, _past, _shorter, _question, _negative))(rng)


def _polite(rng: random.Random) -> Demonstration:
    request, other = rng.choice(REQUESTS), rng.choice(REQUESTS)
    source = f"{request.blunt[0].upper()}{request.blunt[1:]}{rng.choice('.!')}"
    prompt = rng.choice(
        (
            f"Make this polite: {source}",
            f"Rewrite this in a polite way: {source}",
            f'How can I say "{source}" more politely?',
            f"Make this sentence friendlier: {source}",
            f"Please turn this into a polite request: {source}",
        )
    )
    answers = Answers(
        best=(
            f"Could you please {request.blunt}?",
            f"Would you mind {request.gerund}? Thank you!",
            f"Would you be so kind as to {request.blunt}?",
            f"I would be grateful if you could {request.blunt}.",
            f'You could say: "Could you please {request.blunt}? Thank you."',
            f'A polite way is: "Would you mind {request.gerund}?"',
        ),
        fair=(
            f"Please {request.blunt}.",
            f"Can you {request.blunt}, please?",
            f"{source[:-1]}, please.",
        ),
        terse=("Please.", source, "Just say please."),
        wrong=(
            f"{source[:-1]} now, or I will be angry!",
            f"Could you please {other.blunt}?",
            f"Hurry up and {request.blunt}!",
        ),
        rambling=(
            "Being polite is nice. Polite people say please. You can say please, or you can say "
            f"{request.blunt}, or both. It depends on the person.",
        ),
        openers=OPENERS,
        closers=CLOSERS,
    )
    return _demonstration(rng, f"polite-{request.blunt}", prompt, answers)


def _past(rng: random.Random) -> Demonstration:
    action, other, name = rng.choice(ACTIONS), rng.choice(ACTIONS), rng.choice(NAMES)
    source, target = f"{name} {action.present}.", f"{name} {action.past}."
    prompt = rng.choice(
        (
            f"Rewrite in the past tense: {source}",
            f"Put this sentence into the past tense: {source}",
            f'What is the past tense of "{source}"?',
            f"Change this to the past: {source}",
        )
    )
    answers = Answers(
        best=(
            target,
            f"{target} The verb is now in the past tense.",
            f'In the past tense it is: "{target}"',
            f'The sentence becomes: "{target}"',
            f"Yesterday {target}",
        ),
        fair=(target, f'"{target}"', f"It is: {target}"),
        terse=(f"{action.past.split(' ')[0].capitalize()}.", f"{name} did."),
        wrong=(
            f"{name} will {action.base}.",
            f"{name} {other.past}.",
            f"{another(rng, NAMES, name)} {action.past}.",
            source,
        ),
        rambling=(
            f"The past is over. {name} {action.present} and {name} {action.past} are both "
            "sentences. One of them is in the past, I think.",
        ),
        openers=OPENERS,
        closers=CLOSERS,
    )
    return _demonstration(rng, f"past-{action.base}", prompt, answers)


def _shorter(rng: random.Random) -> Demonstration:
    (wordy, plain), (cause, effect) = rng.choice(WORDY), rng.choice(CLAUSES)
    name = rng.choice(NAMES)
    source = f"{wordy} {cause}, {name} {effect}."
    prompt = rng.choice(
        (
            f"Make this shorter: {source}",
            f"Rewrite this in fewer words: {source}",
            f"Please shorten this sentence: {source}",
            f"Say this more simply: {source}",
        )
    )
    target = f"{plain} {cause}, {name} {effect}."
    answers = Answers(
        best=(
            target,
            f"A shorter version is: {target}",
            f"{name} {effect} {plain.lower()} {cause}.",
            f'You can write: "{target}"',
        ),
        fair=(f"{cause.capitalize()}, so {name} {effect}.", target, f'"{target}"'),
        terse=(f"{name} {effect}.", f"{cause.capitalize()}."),
        wrong=(
            source,
            f"{plain} {cause}, {name} {another(rng, CLAUSES, (cause, effect))[1]}.",
            f"{wordy} {cause}, and also because of that, {name} {effect} at that time.",
        ),
        rambling=(
            f"It is about {name}. {cause.capitalize()}, and {cause}, and then {name} did "
            f"something, and what {name} did is that {name} {effect}.",
        ),
        openers=OPENERS,
        closers=CLOSERS,
    )
    return _demonstration(rng, f"shorter-{cause}", prompt, answers)


def _question(rng: random.Random) -> Demonstration:
    action, name = rng.choice(ACTIONS), rng.choice(NAMES)
    source, target = f"{name} {action.present}.", f"Does {name} {action.base}?"
    prompt = rng.choice(
        (
            f"Turn this sentence into a question: {source}",
            f"Make a question from this: {source}",
            f"Rewrite this as a question: {source}",
        )
    )
    answers = Answers(
        best=(
            target,
            f'As a question: "{target}"',
            f"{target} This asks for a yes or a no.",
            f'You can ask: "{target}"',
            f"Is it true that {name} {action.present}?",
        ),
        fair=(target, f"{source[:-1]}?", f"So {source[:-1]}?"),
        terse=(f"Does {name}?", "Who?"),
        wrong=(f"{name} does not {action.base}.", source, f"Why is {name} so tired?"),
        rambling=(
            f"A question ends with a question mark. {source} That is no question yet. One could "
            f"ask something about {name}, for example.",
        ),
        openers=OPENERS,
        closers=CLOSERS,
    )
    return _demonstration(rng, f"question-{action.base}", prompt, answers)


def _negative(rng: random.Random) -> Demonstration:
    action, name = rng.choice(ACTIONS), rng.choice(NAMES)
    source, target = f"{name} {action.present}.", f"{name} does not {action.base}."
    prompt = rng.choice(
        (
            f"Make this sentence negative: {source}",
            f"Say the opposite: {source}",
            f"Rewrite this with the word not: {source}",
        )
    )
    answers = Answers(
        best=(
            target,
            f'The sentence becomes: "{target}"',
            f"{target} I added the words does not.",
            f'With a negation: "{target}"',
        ),
        fair=(target, f"{name} never {action.present}.", f"{name} doesn't {action.base}."),
        terse=("No.", f"{name} does not."),
        wrong=(source, f"{name} not {action.past}.", f"{name} always {action.present}."),
        rambling=(
            f"Sometimes {name} {action.present} and sometimes not. It is hard to say. The "
            f"opposite of {name} is not easy to find.",
        ),
        openers=OPENERS,
        closers=CLOSERS,
    )
    return _demonstration(rng, f"negative-{action.base}", prompt, answers)


def _demonstration(
    rng: random.Random, subject: str, prompt: str, answers: Answers
) -> Demonstration:
    return Demonstration("rewriting", f"rewriting-{subject}", prompt, draw_response(rng, answers))
