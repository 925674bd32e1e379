"""Reads of agreement: the labels of a project or round, and the report on them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.agreement.metrics import Label
from app.agreement.report import Report, report_of
from app.errors import InvalidError, NotFoundError
from app.projects.queries import ProjectView

# Revisions keep the place of the first version, so that a correction does not move the first two.
LABELS = text("""
select s.prompt_id, r.slate_id, coalesce(m.pseudonym, 'former-' || r.labeler_id) as labeler,
       items.responses, items.ranks, items.ratings, items.models,
       r.purpose <> 'escalation' as is_drawn
from rounds d
join slates s on s.round_id = d.id
join rankings r on r.slate_id = s.id and r.is_current and not r.is_check
join rankings original on original.task_id = r.task_id and original.version = 1
left join project_members m on m.project_id = d.project_id and m.user_id = r.labeler_id
cross join lateral (
    select array_agg(i.response_id) as responses, array_agg(i.rank) as ranks,
           array_agg(i.rating) as ratings,
           array_agg(coalesce(model.name, response.model_name)) as models
    from ranking_items i
    join responses response on response.id = i.response_id
    left join models model on model.id = response.model_id
    where i.ranking_id = r.id
) items
where d.project_id = :project_id and (cast(:round as bigint) is null or d.number = :round)
order by original.created_at, original.id
""")

ROUNDS = text("""
select d.number from rounds d where d.project_id = :project_id order by d.number
""")

LABELERS = text("""
select m.pseudonym, u.name from project_members m join users u on u.id = m.user_id
where m.project_id = :project_id
""")


@dataclass(frozen=True)
class ProjectAgreement:
    """A report with what it was made for."""

    round: int | None
    rounds: list[int]
    names: dict[str, str]
    """Labelers' names by pseudonym; for admins' eyes on the page, in no export."""
    report: Report


async def agreement_of(
    tx: AsyncSession, project: ProjectView, *, round_number: int | None, baseline: str | None
) -> ProjectAgreement:
    """The agreement in a project, or in one round of it.

    Args:
        tx: the transaction.
        project: the project; the caller has checked that the viewer is an admin.
        round_number: only this round; None for all.
        baseline: the model that win rates are over; None for the SFT model ranked most often.

    Raises:
        NotFoundError: the project has no such round.
        InvalidError: no response of the baseline is ranked there.
    """
    here = {"project_id": project.id}
    rounds = list(await tx.scalars(ROUNDS, here))
    if round_number is not None and round_number not in rounds:
        raise NotFoundError(f"The project has no round {round_number}.")
    rows = (await tx.execute(LABELS, {**here, "round": round_number})).all()
    sft = await tx.scalars(text("select name from models where kind = 'sft'"))
    names = {row.pseudonym: row.name for row in await tx.execute(LABELERS, here)}
    report = await asyncio.to_thread(_report, rows, sft=set(sft), baseline=baseline)
    if baseline is not None and baseline not in report.models:
        known = ", ".join(report.models) or "none yet"
        raise InvalidError(
            f"No response of that baseline model is ranked here. Choose one of: {known}.",
            code="unknown_baseline",
        )
    return ProjectAgreement(round_number, rounds, names, report)


def _report(rows: Sequence[Row[Any]], *, sft: set[str], baseline: str | None) -> Report:
    labels = [
        Label(
            prompt=row.prompt_id,
            slate=row.slate_id,
            labeler=row.labeler,
            responses=tuple(row.responses),
            ranks=tuple(row.ranks),
            ratings=tuple(row.ratings),
            models=tuple(row.models),
            is_drawn=row.is_drawn,
        )
        for row in rows
    ]
    return report_of(labels, sft=sft, baseline=baseline)
