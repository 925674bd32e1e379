"""Reads of what is known of each labeler's work in a project, computed once for all who ask."""

from collections.abc import Hashable
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.agreement.behaviour.alerts import Signal, signals_of
from app.agreement.behaviour.diagnostics import Diagnostics, diagnostics_of
from app.agreement.behaviour.evidence import Evidence, Followed, evidence_of, followed
from app.agreement.cache import computed_lately, computed_once, labels_of, measures_of
from app.agreement.computing import computed_beside
from app.agreement.loading import Loaded
from app.agreement.metrics.arrays import Integers
from app.agreement.metrics.labels import Labels
from app.agreement.metrics.measures import LabelerMeasures, Measures
from app.agreement.metrics.slices import EVERYTHING, Slice, sliced
from app.agreement.queries import SFT
from app.agreement.work import KnownAnswers, Unfolded, work_of
from app.projects.queries import ProjectView

# Of so few labels everything is measured for whoever looks. Of more, labelers see what was measured
# lately: many of them look at their page after each label.
FEW_LABELS = 5000
LATELY_SECONDS = 300.0

# A retired answer is asked no more; what was answered stays.
KNOWN = text("""
select g.slate_id, g.ranks from gold g
join slates s on s.id = g.slate_id
join rounds d on d.id = s.round_id
where d.project_id = :project_id order by g.slate_id
""")

# Whoever may change the project and ranks as well is who labelers are held against.
RESEARCHERS = text("select id from users where role = 'admin'")

UNFOLDED = text("""
select i.ranking_id, count(*) as shown, count(*) filter (where i.is_opened) as opened
from tasks t
join rankings r on r.task_id = t.id and r.is_current
join ranking_items i on i.ranking_id = r.id and i.is_opened is not null
where t.project_id = :project_id
group by i.ranking_id order by i.ranking_id
""")


@dataclass(frozen=True)
class Quality:
    """What is known of each labeler's work.

    Attributes:
        labels: all of the project, in the order of their first submission.
        now: when that was by the database's clock, in seconds since 1970.
        researchers: users whose rankings others are held against.
        gold: the known answers.
        measures: the project's agreement, as on its page.
        evidence: of each labeler, by their code in `labels`.
        signals: of each labeler, by their code.
        drift: what drift is seen in.
    """

    labels: Labels
    now: float
    researchers: frozenset[int]
    gold: KnownAnswers
    measures: Measures
    evidence: list[Evidence]
    signals: list[list[Signal]]
    drift: Followed

    def code_of(self, user_id: int) -> int | None:
        """The labeler's code; None when they have ranked nothing."""
        code = int(np.searchsorted(self.labels.labeler_ids, user_id))
        known = code < len(self.labels.labeler_ids) and self.labels.labeler_ids[code] == user_id
        return code if known else None


@dataclass(frozen=True)
class OwnQuality:
    """What is known of one labeler's work, in a large project a few minutes old.

    Attributes:
        labels: all of the project, as they are now.
        now: when that was by the database's clock, in seconds since 1970.
        measures: theirs; None when there were none.
        evidence: theirs; None when there was none.
        drift: what drift is seen in, of them alone, as if their code were 0.
        measured_at: when, by the same clock, in a large project; None: now.
    """

    labels: Labels
    now: float
    measures: LabelerMeasures | None
    evidence: Evidence | None
    drift: Followed
    measured_at: float | None


@dataclass(frozen=True)
class _Lately:
    """What was measured of everybody, without the labels; `first_id` names those of the drift."""

    at: float
    measures: dict[int, LabelerMeasures]
    evidence: dict[int, Evidence]
    drift: Followed
    drift_user: Integers
    first_id: Integers

    @classmethod
    def of(cls, quality: Quality) -> "_Lately":
        users, drift = quality.labels.labeler_ids, quality.drift
        return cls(
            quality.now,
            quality.measures.labelers,
            dict(zip(users.tolist(), quality.evidence, strict=True)),
            drift,
            users[drift.labeler],
            quality.labels.first_id[drift.row],
        )

    def drift_of(self, user_id: int, labels: Labels) -> Followed:
        """Of one labeler, as rows of the labels that there are now."""
        own = np.flatnonzero(self.drift_user == user_id)
        theirs = np.flatnonzero(np.isin(labels.first_id, self.first_id[own]))
        order = theirs[np.argsort(labels.first_id[theirs])]
        known = labels.first_id[order]
        own = own[np.isin(self.first_id[own], known)]
        return replace(
            self.drift,
            row=order[np.searchsorted(known, self.first_id[own])],
            labeler=np.zeros(len(own), dtype=np.int64),
            share=self.drift.share[own],
            units=self.drift.units[own],
        )


@dataclass(frozen=True)
class _Found:
    evidence: list[Evidence]
    signals: list[list[Signal]]
    drift: Followed


async def quality_of(tx: AsyncSession, project: ProjectView) -> Quality:
    """Measure the work of everybody with a label; five statements when nothing is new."""
    loaded = await labels_of(tx, project.id)
    sft = frozenset(await tx.scalars(SFT))
    measures = await measures_of(tx, project.id, loaded.labels, EVERYTHING, sft=sft, baseline=None)
    researchers = await researchers_of(tx)
    gold = await known_answers_of(tx, project)
    found = await _found(tx, project, loaded, researchers=researchers, gold=gold)
    return Quality(
        loaded.labels, loaded.now, researchers, gold, measures,
        found.evidence, found.signals, found.drift,
    )  # fmt: skip


async def own_quality_of(tx: AsyncSession, project: ProjectView, user_id: int) -> OwnQuality:
    """The work of one labeler; two statements where everybody's was measured lately."""
    loaded = await labels_of(tx, project.id)

    async def measured() -> _Lately:
        return _Lately.of(await quality_of(tx, project))

    is_large = len(loaded.every) > FEW_LABELS
    lately = await computed_lately(
        tx,
        project.id,
        ("quality", project.screen.conflict_gap),
        measured,
        now=loaded.now,
        seconds=LATELY_SECONDS if is_large else 0.0,
    )
    return OwnQuality(
        loaded.labels,
        loaded.now,
        lately.measures.get(user_id),
        lately.evidence.get(user_id),
        lately.drift_of(user_id, loaded.labels),
        lately.at if is_large else None,
    )


async def diagnosed(
    tx: AsyncSession, project: ProjectView, labels: Labels, slice_: Slice = EVERYTHING
) -> Diagnostics:
    """What models say of each labeler by these labels of the project, or of a slice of them."""

    async def compute() -> Diagnostics:
        return await computed_beside(tx, lambda: diagnostics_of(sliced(labels, slice_)))

    return await computed_once(tx, project.id, ("diagnostics", labels.version, slice_.key), compute)


async def researchers_of(tx: AsyncSession) -> frozenset[int]:
    """Users whose rankings others are held against."""
    return frozenset(await tx.scalars(RESEARCHERS))


async def known_answers_of(tx: AsyncSession, project: ProjectView) -> KnownAnswers:
    """All of the project, also those that are asked no more."""
    return {
        row.slate_id: {int(response): rank for response, rank in row.ranks.items() if rank}
        for row in await tx.execute(KNOWN, {"project_id": project.id})
    }


async def unfolded_of(tx: AsyncSession, project: ProjectView) -> Unfolded:
    """What was read of long responses."""
    rows = (await tx.execute(UNFOLDED, {"project_id": project.id})).all()
    return Unfolded(*np.array(rows, dtype=np.int64).reshape(-1, 3).T)


def key_of(gold: KnownAnswers) -> Hashable:
    """The same for the same known answers."""
    return tuple((slate, tuple(sorted(ranks.items()))) for slate, ranks in gold.items())


async def _found(
    tx: AsyncSession,
    project: ProjectView,
    loaded: Loaded,
    *,
    researchers: frozenset[int],
    gold: KnownAnswers,
) -> _Found:
    gap = project.screen.conflict_gap

    async def compute() -> _Found:
        unfolded = await unfolded_of(tx, project)
        return await computed_beside(
            tx, lambda: _measured(loaded.labels, researchers, gold, unfolded, gap)
        )

    key = ("quality", loaded.labels.version, researchers, key_of(gold), gap)
    return await computed_once(tx, project.id, key, compute)


def _measured(
    labels: Labels,
    researchers: frozenset[int],
    gold: KnownAnswers,
    unfolded: Unfolded,
    gap: int | None,
) -> _Found:
    work = work_of(labels, researchers=researchers, gold=gold, unfolded=unfolded)
    evidence = evidence_of(work, conflict_gap=gap)
    return _Found(evidence, signals_of(evidence), followed(work))
