"""The example task of the preview: texts that show what a labeling screen does with them."""

import string
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from uuid import UUID

from app.labeling.schemas import (
    FlagOut,
    GuidelinesOut,
    MessageOut,
    PromptOut,
    ResponseOut,
    TaskOut,
)
from app.projects.queries import FlagView, ProjectView

PROMPT = "Explain the moon landing to a six year old in a few sentences."
SHORT = (
    "In 1969 three astronauts flew to the moon in a big rocket. Two of them walked on it, left "
    "footprints in the dust and brought stones home.",
    "The moon landing was a milestone of the Apollo program, which was carried out by the "
    "National Aeronautics and Space Administration between 1961 and 1972.",
    "People went to the moon and came back. It was very far away!",
)
STEPS = (
    "First, many people built a rocket that was as high as a tower.",
    "Then three astronauts put on their suits and climbed to the top.",
    "The rocket roared, and soon the Earth looked like a blue ball.",
    "They flew for three days, ate from little bags and slept floating.",
    "Two of them stepped into a small ship with legs, like a spider.",
    "It landed softly, and dust flew up all around.",
    "One said that it was a small step, and a giant leap for everybody.",
    "They hopped, because on the moon you weigh much less than at home.",
    "They put up a flag and picked up stones for the scientists.",
)
# Long enough to be folded whatever the setting: two lines of text and a gap each.
LONG = "\n\n".join(f"{STEPS[at % len(STEPS)]} {STEPS[(at + 4) % len(STEPS)]}" for at in range(30))


def example_task(project: ProjectView, flags: Sequence[FlagView]) -> TaskOut:
    """A task that nobody holds, with four responses and the project's own flags."""
    texts = (SHORT[0], LONG, *SHORT[1:])
    return TaskOut(
        id=0,
        lease_token=UUID(int=0),
        lease_expires_at=datetime.now(UTC),
        prompt=PromptOut(messages=[MessageOut(role="user", content=PROMPT)]),
        responses=[
            ResponseOut(id=number, letter=letter, text=text)
            for number, (letter, text) in enumerate(
                zip(string.ascii_uppercase, texts, strict=False), start=1
            )
        ],
        flags=[FlagOut.model_validate(asdict(flag)) for flag in flags],
        guidelines=GuidelinesOut(version=project.guidelines_version, text=project.guidelines),
        round=1,
        is_sensitive=False,
    )
