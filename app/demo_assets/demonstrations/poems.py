"""Short rhymed poems."""

import random

from app.demo_assets.demonstrations.answering import Answers, Demonstration, draw_response
from app.demo_assets.demonstrations.wording import another

COUPLETS = {
    "the sea": ("The sea is wide, the sea is deep,\nit sings the little boats to sleep.",
                "The waves roll in, the waves roll out,\nthe gulls fly high and call about."),
    "the rain": ("The rain is tapping on the door,\nit makes a puddle on the floor.",
                 "The rain falls soft on roof and street,\nand dances round my muddy feet."),
    "the moon": ("The moon looks down with silver light\nand watches over all the night.",
                 "The moon is round, the moon is near,\nit smiles at you when nights are clear."),
    "a cat": ("A cat lies sleeping in the sun,\nshe knows her work is never done.",
              "A cat walks softly through the hall,\nshe makes no sound at all, at all."),
    "the winter": ("The winter came with ice and snow\nand painted white the world below.",
                   "The winter wind is cold and long,\nbut by the fire we sing a song."),
    "the spring": ("The spring has come, the fields are green,\nthe brightest flowers ever seen.",
                   "The spring wakes every bird and bee\nand puts new leaves on every tree."),
    "a friend": ("A friend will listen, stay and share,\na friend is someone who will care.",
                 "A friend is like a warming light\nthat keeps you safe on darkest night."),
    "a garden": ("A garden grows with sun and rain,\nwith time and care it blooms again.",
                 "A garden has a gate of wood,\nand every smell in it is good."),
    "the wind": ("The wind goes running through the wheat\non hurried but invisible feet.",
                 "The wind has neither hand nor face,\nand yet it visits every place."),
    "a tree": ("A tree stands tall and does not speak,\nit holds the birds from week to week.",
               "A tree gives shade, a tree gives fruit,\nand drinks the rain up through its root."),
    "the morning": ("The morning comes with golden light\nand gently folds away the night.",
                    "The morning smells of bread and tea,\nthe day is young for you and me."),
    "my grandmother": ("My grandmother has silver hair\nand tells me stories in her chair.",
                       "My grandmother bakes bread for me,\nand then we talk and drink some tea."),
    "a train": ("A train goes by with clank and song,\nits line of cars is bright and long.",
                "A train runs far across the land\nwith people waiting, bag in hand."),
    "the stars": ("The stars are little lamps on high,\na thousand candles in the sky.",
                  "The stars come out when day is done,\nI count them slowly, one by one."),
}  # fmt: skip
ENDINGS = (
    "I stand and look, my heart is light,\nand all the world is calm and bright.",
    "And when the day is at its end,\nI think of it as of a friend.",
    "I close my eyes and I can hear\na quiet music, soft and near.",
    "So let us stay a little while,\nand greet the evening with a smile.",
)
PHRASINGS = (
    "Write a poem about {}.",
    "Write a short poem about {}.",
    "Can you write four lines about {}?",
    "Please write a rhyme about {}.",
    "I need a little poem about {} for a card.",
)
CLOSERS = (" I hope you like it!", " Would you like another poem?")


def draw(rng: random.Random) -> Demonstration:
    """Draw a request for a poem with an answer."""
    subject = rng.choice(list(COUPLETS))
    prompt = rng.choice(PHRASINGS).format(subject)
    response = draw_response(rng, _answers(rng, subject))
    return Demonstration("poem", f"poem-{subject}", prompt, response)


def _answers(rng: random.Random, subject: str) -> Answers:
    first, second = COUPLETS[subject]
    other = another(rng, list(COUPLETS), subject)
    endings = rng.sample(ENDINGS, k=2)
    thing = subject.rsplit(" ", maxsplit=1)[-1]
    return Answers(
        best=(
            f"{first}\n{second}",
            f"{first}\n{endings[0]}",
            f"{second}\n{endings[1]}",
            f"{second}\n{first}",
        ),
        fair=(first, second, endings[0]),
        terse=("Roses are red.", f"I like {subject}.", f"Oh, {thing}!"),
        wrong=(
            "\n".join(COUPLETS[other]),
            f"A poem is a text with lines. A poem about {subject} has lines about {subject}.",
        ),
        rambling=(
            f"I see {subject}.\nI see {subject} again.\nIt is {subject}.\nIt is nice.",
            f"Once there was {subject}, and it was {subject}, and then it was over.",
        ),
        openers=("Here is a poem:\n", "Gladly!\n"),
        closers=CLOSERS,
    )
