"""The form that starts a round, read with the same bounds as the API's body."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field

from app.projects.queries import ProjectView
from app.prompts.split import Split
from app.rounds.commands import NewRound, random_seed
from app.rounds.overlap import NAMES, Overlap, OverlapWish
from app.rounds.schemas import MAX_PROMPTS, SamplingIn
from app.web.formats import as_python_reads
from app.web.forms import number_or_text
from app.web.schemas import Line
from trainer.spec import MAX_RESPONSES, Sampling

WHOLE_NUMBERS = ("responses_per_prompt", "max_new_tokens", "seed", "limit")
DECIMALS = ("temperature", "top_p")
MAY_BE_EMPTY = ("seed", "limit", "split")
# Both forms stand on one page, where no two fields may have the same name.
UPLOAD = "upload_"


class RoundForm(SamplingIn, OverlapWish):
    """What an admin fills in, all on one level so that each mistake stands at its field."""

    models: Annotated[list[Line], Field(min_length=1, max_length=MAX_RESPONSES)]
    responses_per_prompt: Annotated[int, Field(ge=4, le=MAX_RESPONSES)]
    split: Split | None
    limit: Annotated[int, Field(ge=1, le=MAX_PROMPTS)] | None

    def as_new_round(self) -> NewRound:
        """The same for the command."""
        return NewRound(
            models=tuple(self.models),
            responses_per_prompt=self.responses_per_prompt,
            sampling=Sampling(
                temperature=self.temperature,
                top_p=self.top_p,
                max_new_tokens=self.max_new_tokens,
                seed=random_seed() if self.seed is None else self.seed,
            ),
            split=self.split,
            limit=self.limit,
            overlap=self,
        )


def read_typed(typed: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed with its numbers as numbers; an empty optional field is None."""
    given = {name: value for name, value in typed.items() if name not in NAMES}
    for name in WHOLE_NUMBERS:
        given[name] = number_or_text(int, as_python_reads(typed[name].strip()))
    for name in DECIMALS:
        given[name] = number_or_text(float, as_python_reads(typed[name].strip()))
    given |= {name: None for name in MAY_BE_EMPTY if not typed[name].strip()}
    return given | read_overlap(typed)


def overlap_typed(project: ProjectView) -> dict[str, str]:
    """What the project has, as it stands in both forms."""
    values = asdict(Overlap.of(project))
    return {f"{form}{name}": str(value) for form in ("", UPLOAD) for name, value in values.items()}


def read_overlap(typed: Mapping[str, Any], form: str = "") -> dict[str, Any]:
    """Who labels what, as it was typed into one of the forms; what is empty is left out."""
    texts = {name: str(typed.get(f"{form}{name}", "")).strip() for name in NAMES}
    return {
        name: number_or_text(int if name == "labels_per_slate" else float, text)
        for name, text in texts.items()
        if text
    }
