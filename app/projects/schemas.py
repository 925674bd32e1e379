"""Bodies of the project calls."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from app.projects.flags import MAX_FLAGS, FlagSpec, Polarity, Scope
from app.projects.screen import Share
from app.web.schemas import Answer, Body, Line, LongText, Slug

LabelsPerSlate = Annotated[int, Field(ge=1, le=9)]


class FlagIn(Body):
    """A flag with the key that exports show."""

    key: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,63}$")]
    label: Line
    polarity: Polarity = "bad"
    scope: Scope = "response"
    condition: Line | None = None
    is_severe: bool = False
    needs_note: bool = False

    def spec(self) -> FlagSpec:
        """The same without pydantic."""
        return FlagSpec(**self.model_dump())


def _nameable(label: str) -> str:
    if not flag_key(label):
        raise ValueError("needs a letter or a digit, or send {key, label}")
    return label


def flag_key(label: str) -> str:
    """A key made from a label: `Gives harmful advice` is `gives_harmful_advice`."""
    return re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")[:63]


def _not_a_page(slug: str) -> str:
    if slug == "new":
        raise ValueError("is the address of a page; choose another one")
    return slug


class ProjectIn(Body):
    """A new project."""

    slug: Annotated[Slug, AfterValidator(_not_a_page)]
    name: Line
    guidelines: LongText
    labels_per_slate: LabelsPerSlate = 1
    overlap_share: Share = 0.15
    flags: (
        Annotated[
            list[FlagIn | Annotated[Line, AfterValidator(_nameable)]], Field(max_length=MAX_FLAGS)
        ]
        | None
    ) = None


class SettingsIn(Body):
    """What can be changed about a project later."""

    name: Line
    labels_per_slate: LabelsPerSlate
    overlap_share: Share


class MemberIn(Body):
    """What a member is: always a labeler."""

    role: Literal["labeler"]


class GuidelinesIn(Body):
    """New guidelines; with `base_version`, only when that version is still in force."""

    text: LongText
    base_version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class PlacedFlag(FlagIn):
    """A flag with its place among the others, counted from 1; later than last is last."""

    position: Annotated[int, Field(ge=1, le=MAX_FLAGS)]

    def spec(self) -> FlagSpec:
        """The flag without its place."""
        return FlagSpec(**self.model_dump(exclude={"position"}))


class FlagsIn(Body):
    """All flags of a project in their order; those left out go."""

    flags: Annotated[list[FlagIn], Field(max_length=MAX_FLAGS)]


class FlagOut(Answer):
    """A flag of a project."""

    key: str
    label: str
    polarity: str
    scope: str
    condition: str | None
    is_severe: bool
    needs_note: bool


class FlagList(Answer):
    """The flags of a project in their order."""

    flags: list[FlagOut]


class GuidelinesOut(Answer):
    """The guidelines in force."""

    version: int
    text: str


class ProjectOut(Answer):
    """A project."""

    id: int
    slug: str
    name: str
    labels_per_slate: int
    overlap_share: float
    guidelines: GuidelinesOut
    flags: list[FlagOut]


class ProjectSummary(Answer):
    """A project in a list."""

    id: int
    slug: str
    name: str
    labels_per_slate: int
    overlap_share: float


class ProjectList(Answer):
    """The projects that the viewer may see."""

    projects: list[ProjectSummary]


class MemberOut(Answer):
    """A member of a project."""

    email: str
    role: str
    pseudonym: str
