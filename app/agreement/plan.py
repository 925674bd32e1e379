"""How many prompts of a round to rank twice: the planner with what a project has."""

from dataclasses import dataclass

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.agreement.cache import labels_of, measures_of
from app.agreement.computing import computed_beside
from app.agreement.metrics.labels import headline
from app.agreement.metrics.planner import SIMULATED_SD, Spread, spread
from app.agreement.metrics.proportions import NORMAL_975
from app.agreement.metrics.slices import EVERYTHING, Slice, sliced
from app.errors import NotFoundError
from app.projects.queries import ProjectView

# The most responses of a slate; a round of imported answers says nothing of how many it has. A
# place that was added because labelers disagreed is none of the random overlap.
ROUND = text("""
select d.number, count(s.id) as prompts, count(s.id) filter (
           where s.status = 'pending' and s.places > 1 or exists (
               select from tasks t where t.slate_id = s.id and t.purpose = 'overlap')) as planned,
       coalesce(d.responses_per_prompt, (
           select max(r.position) + 1 from responses r join slates of on of.id = r.slate_id
           where of.round_id = d.id)) as responses
from rounds d left join slates s on s.round_id = d.id and s.status <> 'unusable'
where d.project_id = :project_id and (d.number = cast(:number as bigint) or
    cast(:number as bigint) is null and d.number = (
        select max(number) from rounds where project_id = :project_id))
group by d.id
""")


@dataclass(frozen=True)
class Wish:
    """What to plan.

    Attributes:
        round: number of a round; None for no one in particular.
        responses: per prompt; None for as many as the round has, or the project's last one.
        target: the wanted half-width, as a share.
    """

    round: int | None
    responses: int | None
    target: float


@dataclass(frozen=True)
class RoundPlan:
    """What a round gives.

    Attributes:
        number: of the round.
        prompts: that can be ranked.
        planned: of them drawn to be ranked by two.
        done: of them ranked by two.
        se: the standard error that the planned ones give; None without any.
        half_width: half of the 95% interval that they give.
    """

    number: int
    prompts: int
    planned: int
    done: int
    se: float | None
    half_width: float | None


@dataclass(frozen=True)
class Plan:
    """How many doubly ranked prompts a wanted precision takes.

    Attributes:
        responses: per prompt.
        target: the wanted half-width, as a share.
        spread: of a prompt's agreement, and where it is from.
        for_se: prompts for a standard error of `target`.
        for_interval: prompts for a 95% interval of plus or minus `target`.
        by_responses: the same two by responses per prompt, of simulated labelers.
        round: what the round gives; None for none in particular.
    """

    responses: int
    target: float
    spread: Spread
    for_se: int
    for_interval: int
    by_responses: dict[int, tuple[int, int]]
    round: RoundPlan | None


async def plan_of(tx: AsyncSession, project: ProjectView, wish: Wish) -> Plan:
    """Plan with the project's own spread once 30 prompts are ranked twice, before with simulated.

    Args:
        tx: the transaction.
        project: the project; the caller has checked that the viewer is an admin.
        wish: what is asked for.

    Raises:
        NotFoundError: the project has no such round.
    """
    number, responses, target = wish.round, wish.responses, wish.target
    row = (await tx.execute(ROUND, {"project_id": project.id, "number": number})).one_or_none()
    if row is None and number is not None:
        raise NotFoundError(f"The project has no round {number}.")
    if responses is None:
        responses = max((row.responses if row else None) or min(SIMULATED_SD), 2)
    labels = (await labels_of(tx, project.id)).labels
    sft: frozenset[str] = frozenset(
        await tx.scalars(text("select name from models where kind = 'sft'"))
    )
    measures = await measures_of(tx, project.id, labels, EVERYTHING, sft=sft, baseline=None)
    found = spread(measures.headline["strict"].micro, responses=responses)
    of_round = None
    if row is not None and number is not None:
        both = await computed_beside(tx, lambda: headline(sliced(labels, Slice(round=number))))
        se = found.se_of(row.planned)
        of_round = RoundPlan(
            number=row.number,
            prompts=row.prompts,
            planned=row.planned,
            done=len(np.unique(both.prompt)),
            se=se,
            half_width=None if se is None else NORMAL_975 * se,
        )
    return Plan(
        responses=responses,
        target=target,
        spread=found,
        for_se=found.prompts_for_se(target),
        for_interval=found.prompts_for_half_width(target),
        by_responses={
            k: (simulated.prompts_for_se(target), simulated.prompts_for_half_width(target))
            for k, simulated in ((k, Spread(sd, 0)) for k, sd in SIMULATED_SD.items())
        },
        round=of_round,
    )
