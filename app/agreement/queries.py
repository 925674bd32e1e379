"""Reads of agreement: the report on a project or a slice of it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.agreement.bootstrap_commands import bootstrap_of
from app.agreement.cache import labels_of, measures_of
from app.agreement.computing import computed_beside
from app.agreement.metrics.bootstrap import FEW_LABELERS, Interval, Statistic
from app.agreement.metrics.estimates import LIMITS
from app.agreement.metrics.labels import Labels
from app.agreement.metrics.languages import is_language, languages_of
from app.agreement.metrics.slates import Slates
from app.agreement.metrics.slices import EVERYTHING, Slice
from app.agreement.report import Report, report_of
from app.errors import InvalidError, NotFoundError
from app.projects.queries import ProjectView

BootstrapState = Literal["ready", "pending", "none"]

# The default baseline is one of them.
SFT = text("select name from models where kind = 'sft'")

ROUNDS = text("""
select d.number from rounds d where d.project_id = :project_id order by d.number
""")

LABELERS = text("""
select m.user_id, m.pseudonym, u.name from project_members m join users u on u.id = m.user_id
where m.project_id = :project_id
""")


@dataclass(frozen=True)
class ProjectAgreement:
    """A report with what it was made for, without the labels: pages that show it are freed late.

    Attributes:
        slice: of the project.
        rounds: that the project has.
        models: of the responses ranked so far.
        tags: of the prompts ranked so far, but for languages.
        languages: that tags of the prompts name.
        names: labelers' names by pseudonym; for admins' eyes on the page, in no export.
        report: the numbers.
        label_version: the same for the same labels.
        bootstrap: whether the headline has bootstrapped intervals; they are `pending` while they
            are computed, and `none` where there is not enough data for any number.
        name_of: the pseudonym of a user.
    """

    slice: Slice
    rounds: list[int]
    models: tuple[str, ...]
    tags: list[str]
    languages: list[str]
    names: dict[str, str]
    report: Report
    label_version: str
    bootstrap: BootstrapState
    name_of: Callable[[int], str]


async def agreement_of(
    tx: AsyncSession, project: ProjectView, slice_: Slice = EVERYTHING, *, baseline: str | None
) -> ProjectAgreement:
    """The agreement in a project, or in a slice of it, as `agreement_by` says."""
    labels = (await labels_of(tx, project.id)).labels
    return await agreement_by(tx, project, labels, slice_, baseline=baseline)


async def agreement_by(
    tx: AsyncSession, project: ProjectView, labels: Labels, slice_: Slice, *, baseline: str | None
) -> ProjectAgreement:
    """The agreement by these labels.

    Args:
        tx: the transaction.
        project: the project; the caller has checked that the viewer is an admin.
        labels: all of the project.
        slice_: what to look at.
        baseline: the model that win rates are over; None for the SFT model ranked most often.

    Raises:
        NotFoundError: the project has no such round.
        InvalidError: no response of the baseline, or of a model of the slice, is ranked there; or
            no prompt has the tag.
    """
    here = {"project_id": project.id}
    rounds = list(await tx.scalars(ROUNDS, here))
    if slice_.round is not None and slice_.round not in rounds:
        raise NotFoundError(f"The project has no round {slice_.round}.")
    check_slice(slice_, labels.slates)
    sft = frozenset(await tx.scalars(SFT))
    measures = await measures_of(tx, project.id, labels, slice_, sft=sft, baseline=baseline)
    if baseline is not None and baseline not in measures.ranked:
        raise InvalidError(
            f"No response of that baseline model is ranked here. {_choice(measures.ranked)}",
            code="unknown_baseline",
        )
    members = {row.user_id: row for row in await tx.execute(LABELERS, here)}

    def name_of(user: int) -> str:
        return members[user].pseudonym if user in members else f"former-{user}"

    intervals: dict[Statistic, Interval] | None = None
    has_numbers = measures.headline["half"].micro.prompts >= LIMITS["agreement_card"].prompts
    if has_numbers:
        intervals = await bootstrap_of(tx, project.id, slice_, label_version=labels.version)
    report = await computed_beside(
        tx,
        lambda: report_of(
            measures,
            name_of=name_of,
            intervals=intervals or {},
            is_of_pairs=slice_.is_of_pairs,
            is_wider_awaited=intervals is None and measures.overlap_labelers < FEW_LABELERS,
        ),
    )
    return ProjectAgreement(
        slice=slice_,
        rounds=rounds,
        models=labels.slates.model_names,
        tags=[tag for tag in labels.slates.tag_names if not is_language(tag)],
        languages=languages_of(labels.slates.tag_names),
        names={row.pseudonym: row.name for row in members.values()},
        report=report,
        label_version=labels.version,
        bootstrap="none" if not has_numbers else "pending" if intervals is None else "ready",
        name_of=name_of,
    )


def check_slice(slice_: Slice, slates: Slates) -> None:
    """Check that there is something of what a slice names.

    Raises:
        InvalidError: no response of a model of it is ranked, or no prompt has the tag
            or is in the language.
    """
    for model in slice_.models or ():
        if model not in slates.model_names:
            raise InvalidError(
                f"No response of one of those models is ranked here. {_choice(slates.model_names)}",
                code="unknown_model",
            )
    if slice_.tag is not None and slice_.tag not in slates.tag_names:
        raise InvalidError(
            f"No ranked prompt has that tag. {_choice(slates.tag_names)}", code="unknown_tag"
        )
    languages = languages_of(slates.tag_names)
    if slice_.language is not None and slice_.language not in languages:
        raise InvalidError(
            f"No ranked prompt has a tag lang: with that language. {_choice(languages)}",
            code="unknown_language",
        )


def _choice(names: Collection[str]) -> str:
    known = ", ".join(sorted(names)) or "none yet"
    return f"Choose one of: {known}."
