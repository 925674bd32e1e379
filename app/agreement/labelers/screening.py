"""Screening by the paper's criteria (InstructGPT, appendix B.1), for a person to decide on.

Who decides is human: the cut-offs are lines beside numbers with their errors, and turn nothing on
or off. Researchers are admins who rank as well; their known answers count apart, for they are not
asked of everybody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.agreement.computing import computed_beside
from app.agreement.labelers.demonstrations import grade_of
from app.agreement.labelers.facts import NO_EVIDENCE, checks_of
from app.agreement.metrics.arrays import Booleans, Integers, first_of_each
from app.agreement.metrics.chance import FlagAgreement, flag_agreement
from app.agreement.metrics.estimates import Estimate, shown
from app.agreement.metrics.labels import Labels
from app.agreement.metrics.measures import NOTHING
from app.agreement.quality import Quality, quality_of
from app.agreement.report import NO_CHANCE
from app.labeling.requalification import Requalification, running_requalifications
from app.projects.demonstration_grades import DemonstrationGrade, demonstration_grades_of
from app.projects.flags import Scope
from app.projects.labelers import Cohort
from app.projects.queries import ProjectView
from app.projects.screenings import ScreeningView, screenings_of
from app.web.translation import gettext

CUTOFF_FLAGS = CUTOFF_RANKINGS = 0.75
CUTOFF_DEMONSTRATIONS = 6.0
NO_FLAG = "not collected: no flag of the project is severe"

FLAGS = text("""
select label, is_severe, scope from flags where project_id = :project_id order by id
""")

CANDIDATES = text("""
select m.user_id, m.pseudonym, u.name, m.cohort
from project_members m join users u on u.id = m.user_id
where m.project_id = :project_id and u.role <> 'admin'
order by m.pseudonym
""")


@dataclass(frozen=True)
class Candidate:
    """A labeler by the criteria.

    Attributes:
        pseudonym: who they are.
        name: of the person.
        cohort: theirs.
        flags: agreement with researchers on severe flags, as it is.
        flags_ac1: the same, corrected for chance.
        rankings: strict agreement with researchers' rankings.
        gold: accuracy on known answers.
        demonstrations: mean grade from 1 to 7 of what they wrote.
        decision: what was decided last, with the self-assessment.
        requalification: the one that is running.
    """

    pseudonym: str
    name: str
    cohort: Cohort
    flags: Estimate
    flags_ac1: Estimate
    rankings: Estimate
    gold: Estimate
    demonstrations: Estimate
    decision: ScreeningView | None
    requalification: Requalification | None


@dataclass(frozen=True)
class Screening:
    """All candidates, and what they are held against; `severe` are labels of flags."""

    candidates: list[Candidate]
    severe: list[str]
    researchers: int
    known_answers: int


async def screening_of(tx: AsyncSession, project: ProjectView) -> Screening:
    """Every labeler of the project; the caller has checked that the viewer is an admin."""
    here = {"project_id": project.id}
    quality = await quality_of(tx, project)
    flags = (await tx.execute(FLAGS, here)).all()
    severe = {bit: flag.scope for bit, flag in enumerate(flags) if flag.is_severe}
    decisions = await screenings_of(tx, project)
    grades = await demonstration_grades_of(tx, project)
    running = await running_requalifications(tx, project)
    labels = quality.labels
    is_researcher = np.isin(labels.labeler_ids, sorted(quality.researchers))
    on_flags = await computed_beside(
        tx, lambda: flags_with_researchers(labels, is_researcher, severe)
    )
    return Screening(
        candidates=[
            _candidate(
                row,
                quality,
                on_flags,
                decisions.get(row.user_id),
                running.get(row.user_id),
                grades.get(row.user_id, []),
                has_flags=bool(severe),
            )
            for row in await tx.execute(CANDIDATES, here)
        ],
        severe=[flag.label for flag in flags if flag.is_severe],
        researchers=int(np.count_nonzero(is_researcher[np.unique(labels.labeler)])),
        known_answers=len(quality.gold),
    )


def flags_with_researchers(
    labels: Labels, is_researcher: Booleans, flags: Mapping[int, Scope]
) -> dict[int, FlagAgreement]:
    """Agreement of each labeler with researchers on some flags, by code.

    An item is a flag on a response that a labeler and a researcher both saw, or on the whole of a
    task that both did, once for each researcher.

    Args:
        labels: all.
        is_researcher: (u,) by code.
        flags: what each is said of, by its bit.
    """
    by_researcher = is_researcher[labels.labeler] if len(labels) else np.zeros(0, dtype=np.bool_)
    one, other = _pairs(labels, by_researcher)
    found = {}
    for code in np.unique(labels.labeler[one]).tolist() if flags else []:
        own = labels.labeler[one] == code
        found[code] = _on_flags(labels, one[own], other[own], flags)
    return found


def _pairs(labels: Labels, by_researcher: Booleans) -> tuple[Integers, Integers]:
    """Rows of labelers with rows of researchers on the same slates."""
    rows: dict[int, list[int]] = {}
    # Whoever ranked a slate as a check again is no second person.
    first = first_of_each(labels.slate, labels.labeler)
    for row in first[by_researcher[first]].tolist():
        rows.setdefault(int(labels.slate[row]), []).append(row)
    others = first[~by_researcher[first]]
    candidates = others[np.isin(labels.slate[others], sorted(rows))]
    pairs = [
        (row, other)
        for row in candidates.tolist()
        for other in rows.get(int(labels.slate[row]), [])
    ]
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _on_flags(
    labels: Labels, one: Integers, other: Integers, flags: Mapping[int, Scope]
) -> FlagAgreement:
    pair, column = np.nonzero((labels.positions[one] > 0) & (labels.positions[other] > 0))
    # What a flag can be said of: of each pair of rows the responses, or the task.
    items = {"response": pair, "task": np.arange(len(one))}
    sets = {
        "response": [labels.flags[rows[pair], column] for rows in (one, other)],
        "task": [labels.task_flags[rows] for rows in (one, other)],
    }
    yes = [
        sum((labels.flag_sets[given] >> bit & 1).astype(np.int64) for given in sets[scope])
        for bit, scope in flags.items()
    ]
    of = np.concatenate([items[scope] for scope in flags.values()])
    prompt = np.unique(labels.prompt[one[of]], return_inverse=True)[1].astype(np.int64)
    return flag_agreement(np.concatenate(yes), np.full(len(of), 2), prompt)


def _candidate(
    row: Row[Any],
    quality: Quality,
    on_flags: dict[int, FlagAgreement],
    decision: ScreeningView | None,
    requalification: Requalification | None,
    grades: list[DemonstrationGrade],
    *,
    has_flags: bool,
) -> Candidate:
    code = quality.code_of(row.user_id)
    checks = checks_of(NO_EVIDENCE if code is None else quality.evidence[code], [])
    flags = None if code is None else on_flags.get(code)
    raw = shown("researchers", flags.raw if flags else NOTHING)
    ac1 = shown("researchers", flags.ac1 if flags else NOTHING, low=-1.0, undefined=NO_CHANCE)
    if not has_flags:
        raw = ac1 = Estimate(None, None, None, 0, 0, "not_enough_data", gettext(NO_FLAG))
    return Candidate(
        pseudonym=row.pseudonym,
        name=row.name,
        cohort=row.cohort,
        flags=raw,
        flags_ac1=ac1,
        rankings=checks.researchers,
        gold=checks.gold,
        demonstrations=grade_of(grades),
        decision=decision,
        requalification=requalification,
    )
