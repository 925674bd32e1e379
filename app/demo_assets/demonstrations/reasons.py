"""Why something happens, and how to answer a question with a false premise."""

import random
from typing import NamedTuple

from app.demo_assets.demonstrations.answering import Answers, Demonstration, draw_response
from app.demo_assets.demonstrations.wording import another, capitalized


class Reason(NamedTuple):
    """A fact as it follows "why", the cause, and what follows from it."""

    auxiliary: str
    subject: str
    rest: str
    cause: str
    detail: str


REASONS = (
    Reason("is", "the sky", "blue", "the air scatters blue light more than other colors",
           "In the evening the light travels further and the sky looks red"),
    Reason("is", "the sea", "salty", "rivers carry small amounts of salt from the rocks into it",
           "The water goes back into the air, but the salt stays"),
    Reason("do", "leaves", "change color in the fall",
           "the green color in them breaks down when the days get short",
           "Then the yellow and red colors that were hidden can be seen"),
    Reason("do", "birds", "fly south in the winter", "there is little food for them in the cold",
           "They return in the spring when insects and seeds are back"),
    Reason("do", "we", "need sleep", "the body and the brain repair themselves at night",
           "People who sleep too little get tired and sick more often"),
    Reason("does", "ice", "float on water", "ice is lighter than the same amount of water",
           "This keeps fish alive under the frozen lake"),
    Reason("do", "cats", "purr", "they are calm and feel safe",
           "Sometimes a cat also purrs to comfort itself when it is hurt"),
    Reason("do", "dogs", "wag their tails", "they show how they feel to others",
           "A loose wag means joy, but a stiff tail can be a warning"),
    Reason("do", "onions", "make us cry", "cutting them sets free a gas that stings the eyes",
           "A sharp knife and a cold onion help a little"),
    Reason("does", "bread", "rise", "yeast makes small bubbles of gas in the dough",
           "The heat of the oven then makes the bubbles larger"),
    Reason("does", "the moon", "change its shape", "we see different parts of its bright side",
           "It takes about one month from one full moon to the next"),
    Reason("do", "we", "have seasons", "the earth is tilted while it travels around the sun",
           "The half that leans toward the sun has its summer"),
    Reason("do", "people", "yawn", "they are tired or bored",
           "Seeing another person yawn can make you yawn too"),
    Reason("do", "plants", "need water", "water carries food from the soil into the leaves",
           "Without it a plant hangs down and dries out"),
    Reason("do", "stars", "twinkle", "their light bends a little as it moves through the air",
           "From space they would shine without a twinkle"),
    Reason("do", "we", "brush our teeth", "food that stays on them feeds harmful bacteria",
           "Brushing twice a day keeps the teeth and the gums healthy"),
    Reason("does", "metal", "feel cold", "it carries the heat of your hand away quickly",
           "Wood of the same temperature feels warmer"),
    Reason("do", "bees", "visit flowers", "they collect sweet nectar to make honey",
           "On the way they carry pollen from one flower to the next"),
    Reason("does", "thunder", "come after lightning", "light travels much faster than sound",
           "If you count the seconds, you can guess how far away the storm is"),
    Reason("do", "we", "wear a seat belt", "it holds the body back when the car stops suddenly",
           "It saves many lives every year"),
    Reason("do", "whales", "come to the surface", "they have lungs and must breathe air",
           "They are mammals and not fish"),
    Reason("does", "a phone", "get warm", "some of its energy turns into heat while it works",
           "It helps to close programs that you do not use"),
)  # fmt: skip

FALSE_PREMISES = (
    ("Why is the moon made of cheese?", "The moon is not made of cheese. It is made of rock"),
    ("Why do fish live in trees?", "Fish do not live in trees. They live in water"),
    ("Why is winter the hottest season?", "Winter is the coldest season. Summer is the hottest"),
    ("Why do cows lay eggs?", "Cows do not lay eggs. They give birth to calves"),
    (
        "Why does the sun rise in the west?",
        "The sun does not rise in the west. It rises in the east",
    ),
    ("Why do we have three eyes?", "People do not have three eyes. They have two"),
    ("Why is snow black?", "Snow is not black. It looks white because it reflects the light"),
    ("Why do cats bark?", "Cats do not bark. They meow, and dogs bark"),
    ("Why is ice warmer than fire?", "Ice is not warmer than fire. Ice is cold and fire is hot"),
    (
        "Why do penguins live in the desert?",
        "Penguins do not live in the desert. Most live on cold coasts",
    ),
)

PREMISE_PHRASINGS = ("{}", "I have a question. {}", "My son asked me: {}", "Can you tell me? {}")
PHRASINGS = (
    "Why {question}?",
    "Can you tell me why {statement}?",
    "Explain why {statement}.",
    "Please explain briefly why {statement}.",
    "My child asked me why {statement}. What should I say?",
    "I wonder why {statement}.",
)


def draw(rng: random.Random) -> Demonstration:
    """Draw a "why" question with an answer; one in eight has a false premise."""
    if rng.random() < 1 / 8:
        return _false_premise(rng)
    reason = rng.choice(REASONS)
    prompt = rng.choice(PHRASINGS).format(
        question=f"{reason.auxiliary} {reason.subject} {reason.rest}",
        statement=statement_of(reason),
    )
    return Demonstration(
        "explanation",
        f"explanation-{reason.subject} {reason.rest}",
        prompt,
        draw_response(rng, _answers(rng, reason)),
    )


def statement_of(reason: Reason) -> str:
    """Return the fact as a statement, "the sky is blue"."""
    if reason.auxiliary == "is":
        return f"{reason.subject} is {reason.rest}"
    if reason.auxiliary == "does":
        verb, _, after = reason.rest.partition(" ")
        return f"{reason.subject} {verb}s {after}".strip()
    return f"{reason.subject} {reason.rest}"


def _answers(rng: random.Random, reason: Reason) -> Answers:
    fact, other = capitalized(statement_of(reason)), another(rng, REASONS, reason)
    return Answers(
        best=(
            f"{fact} because {reason.cause}. {reason.detail}.",
            f"{capitalized(reason.cause)}. That is why {statement_of(reason)}. {reason.detail}.",
            f"The short reason is that {reason.cause}. {reason.detail}.",
        ),
        fair=(
            f"{fact} because {reason.cause}.",
            f"Because {reason.cause}.",
            f"This happens because {reason.cause}.",
        ),
        terse=(f"{capitalized(reason.cause)}.", "Because of nature."),
        wrong=(
            f"{fact} because {other.cause}.",
            f"{fact} because {other.cause}. {other.detail}.",
        ),
        rambling=(
            f"{fact}, and that is interesting. Many people ask why {statement_of(reason)}. "
            f"It is so because it is so. Maybe {reason.cause}, but I am not sure.",
            f"There are many reasons. One reason is that {other.cause}. Another reason is that "
            f"{reason.cause}. It could also be something else.",
        ),
    )


def _false_premise(rng: random.Random) -> Demonstration:
    question, correction = rng.choice(FALSE_PREMISES)
    prompt = rng.choice(PREMISE_PHRASINGS).format(question)
    first, second = correction.split(". ")
    other = another(rng, REASONS, REASONS[0])
    answers = Answers(
        best=(
            f"{first}. {second}.",
            f"Actually, {first[0].lower()}{first[1:]}. {second}.",
            f"I think there is a mistake in the question. {first}. {second}.",
        ),
        fair=(f"{first}.", f"That is not true. {second}."),
        terse=("It is not.", f"{second}."),
        wrong=(f"Because {other.cause}.", f"It is so because {other.cause}. {other.detail}."),
        rambling=(
            "This is a difficult question. Some people say yes and some people say no. "
            f"Perhaps {other.cause}.",
        ),
        openers=("Good question! ", "Hm. "),
    )
    return Demonstration("explanation", f"premise-{question}", prompt, draw_response(rng, answers))
