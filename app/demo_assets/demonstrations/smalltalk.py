"""Small talk: greetings, thanks, and people who say how they feel."""

import random
from typing import NamedTuple

from app.demo_assets.demonstrations.answering import Answers, Demonstration, draw_response
from app.demo_assets.demonstrations.wording import another, capitalized


class Feeling(NamedTuple):
    """How somebody feels and why, with an answer's sympathy and its advice."""

    statement: str
    sympathy: str
    advice: str


FEELINGS = tuple(
    Feeling(*parts.split(" | "))
    for parts in (
        "I am nervous about my exam | it is normal to be nervous before an exam"
        " | take a short walk and sleep well tonight",
        "I feel lonely in my new town | a new town can feel lonely at first"
        " | join a club or say hello to a neighbor",
        "I had a fight with my best friend | a fight with a friend hurts"
        " | call your friend and say that you are sorry",
        "my cat died yesterday | I am very sorry about your cat"
        " | look at old photos and talk to someone",
        "I got a new job | that is wonderful news | celebrate with the people you love",
        "I cannot fall asleep | that must be tiring | read a quiet book and put the phone away",
        "I am bored | everybody is bored at times | draw a picture or go outside",
        "my team lost the game | losing is hard after so much work"
        " | practice again tomorrow and enjoy the next game",
        "I am afraid of flying | many people are afraid of flying"
        " | breathe slowly and listen to music",
        "I passed my driving test | congratulations on your test"
        " | drive carefully and enjoy the first trip",
        "I miss my family | it is hard to be far from home | write a letter or call them tonight",
        "I made a mistake at work | everybody makes mistakes"
        " | tell your boss early and help to repair it",
    )
)


class Greeting(NamedTuple):
    """A remark that people open or close a chat with, in several wordings, and its replies."""

    prompts: tuple[str, ...]
    replies: tuple[str, ...]


GREETINGS = (
    Greeting(
        ("Hello! How are you?", "Hi! How is it going?", "How are you today?", "Hello there!"),
        (
            "I am fine, thank you! How can I help you today?",
            "Hello! It is nice to hear from you. What can I do for you?",
            "Hi there! I am doing well. How are you?",
        ),
    ),
    Greeting(
        ("Good morning!", "Good morning to you.", "Hi, good morning! Are you awake?"),
        (
            "Good morning! I hope you slept well. What can I do for you?",
            "Good morning to you! How can I help?",
            "Good morning! It is a fine day for a good question.",
        ),
    ),
    Greeting(
        (
            "What can you do?",
            "What can I ask you?",
            "How can you help me?",
            "What are you good at?",
        ),
        (
            "I can answer questions, write short stories and poems, and rewrite sentences.",
            "I can help with small sums, lists, recipes and messages. Just ask me!",
            "I answer simple questions. I am a very small model, so please check what I say.",
        ),
    ),
    Greeting(
        ("Who are you?", "What are you?", "Tell me who you are.", "Are you a real person?"),
        (
            "I am a small language model that learns from people who rank my answers.",
            "I am a computer program that answers questions. I can make mistakes.",
            "I am not a person. I am a small program that writes text.",
        ),
    ),
    Greeting(
        ("Thank you for your help!", "Thank you for your help today!", "Thank you for this!"),
        (
            "You are welcome! Come back whenever you like.",
            "I was glad to help. Have a nice day!",
            "You are very welcome. Do you have another question?",
        ),
    ),
)
ASIDES = ("{}.", "{}. What should I do?", "{}. Can you say something nice?")


def draw(rng: random.Random) -> Demonstration:
    """Draw a remark or a greeting with an answer."""
    if rng.random() < 1 / 4:
        greeting = rng.choice(GREETINGS)
        prompt, response = (
            rng.choice(greeting.prompts),
            draw_response(rng, _greeting(rng, greeting)),
        )
        return Demonstration("chat", f"chat-{greeting.prompts[0]}", prompt, response)
    feeling = rng.choice(FEELINGS)
    prompt = rng.choice(ASIDES).format(capitalized(feeling.statement))
    return Demonstration(
        "chat", f"chat-{feeling.statement}", prompt, draw_response(rng, _feeling(rng, feeling))
    )


def _greeting(rng: random.Random, greeting: Greeting) -> Answers:
    replies = greeting.replies
    stray = rng.choice(another(rng, GREETINGS, greeting).replies)
    return Answers(
        best=replies,
        fair=tuple(reply.split(". ")[0].rstrip(".!?") + "." for reply in replies),
        terse=("Hi.", "Okay.", "Yes."),
        wrong=(stray, "The answer is 7."),
        rambling=(
            "Hello is a word. People say hello. I say hello and you say hello, and then we have "
            "both said hello.",
        ),
        openers=(),
        closers=(" I am happy to talk.", " Ask me anything."),
    )


def _feeling(rng: random.Random, feeling: Feeling) -> Answers:
    sympathy, advice = capitalized(feeling.sympathy), feeling.advice
    other = another(rng, FEELINGS, feeling)
    return Answers(
        best=(
            f"{sympathy}. You could {advice}.",
            f"Thank you for telling me. {sympathy}. It may help to {advice}.",
            f"I understand. {sympathy}. If you like, {advice}.",
            f"{sympathy}. My advice is simple: {advice}.",
        ),
        fair=(f"{sympathy}.", f"Maybe you could {advice}.", f"I would {advice}."),
        terse=("Oh.", "I see.", "That happens."),
        wrong=(
            f"{capitalized(other.sympathy)}. You could {other.advice}.",
            "That is your own fault. Do not complain.",
            "Just get over it.",
        ),
        rambling=(
            f"{capitalized(feeling.statement)}, you say. Many people say that. I say many things "
            "too. Life is long and days are short.",
        ),
        openers=(),
        closers=(" I am here if you want to talk.", " You are not alone.", " I wish you well."),
    )
