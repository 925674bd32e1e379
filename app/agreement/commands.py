"""What labelers and admins say about a slate that everybody has ranked."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.agreement.disagreements import difference_for, letters_of
from app.agreement.metrics.orders import read
from app.errors import InvalidError, NotFoundError
from app.labeling.slate_commands import make_gold
from app.projects.queries import ProjectView
from app.web.translation import gettext

# Sent twice, an objection is stored once.
OBJECT = text("""
insert into remarks (slate_id, author_id, ranking_id, text)
select :slate_id, :viewer_id, :ranking_id, :text
where not exists (
    select from remarks where slate_id = :slate_id and ranking_id = :ranking_id and text = :text
)
""")

ANSWER = text("""
insert into remarks (slate_id, author_id, text)
select m.slate_id, :viewer_id, :text
from remarks m join slates s on s.id = m.slate_id join rounds d on d.id = s.round_id
where m.id = :remark_id and m.ranking_id is not null and d.project_id = :project_id
returning id
""")

RESPONSES = text("""
select r.id from responses r join slates s on s.id = r.slate_id join rounds d on d.id = s.round_id
where s.id = :slate_id and d.project_id = :project_id order by r.position
""")

REMARK = text("""
insert into remarks (slate_id, author_id, text)
select s.id, :viewer_id, :text from slates s join rounds d on d.id = s.round_id
where s.id = :slate_id and d.project_id = :project_id
returning id
""")


async def object_to_consensus(
    tx: AsyncSession, viewer: Viewer, project: ProjectView, *, ranking_id: int, remark: str
) -> None:
    """Store why the viewer still disagrees with the consensus on a slate.

    Raises:
        NotFoundError: the ranking is not theirs, or it may not be compared (yet).
    """
    difference = await difference_for(tx, viewer, project, ranking_id)
    await tx.execute(
        OBJECT,
        {
            "slate_id": difference.slate_id,
            "viewer_id": viewer.id,
            "ranking_id": ranking_id,
            "text": remark,
        },
    )


async def answer_objection(
    tx: AsyncSession, viewer: Viewer, project: ProjectView, *, remark_id: int, answer: str
) -> int:
    """Store an admin's remark on the slate that a labeler's is about, and return its id.

    Raises:
        NotFoundError: the project has no such remark of a labeler.
    """
    stored: int | None = await tx.scalar(
        ANSWER,
        {
            "viewer_id": viewer.id,
            "project_id": project.id,
            "remark_id": remark_id,
            "text": answer,
        },
    )
    if stored is None:
        raise NotFoundError("There is no such remark of a labeler in this project.")
    return stored


async def remark_on_slate(
    tx: AsyncSession, viewer: Viewer, project: ProjectView, slate_id: int, *, remark: str
) -> int:
    """Store what an admin says about a slate, which all who ranked it can read; return its id.

    Raises:
        NotFoundError: the project has no such slate.
    """
    stored: int | None = await tx.scalar(
        REMARK,
        {
            "viewer_id": viewer.id,
            "project_id": project.id,
            "slate_id": slate_id,
            "text": remark,
        },
    )
    if stored is None:
        raise NotFoundError(gettext("The project has no such slate."))
    return stored


async def make_known_answer(
    tx: AsyncSession,
    viewer: Viewer,
    project: ProjectView,
    slate_id: int,
    *,
    order: str,
    explanation: str,
) -> None:
    """Store the known answer of a slate, written in the letters of its responses.

    Raises:
        NotFoundError: the project has no such slate.
        InvalidError: the order cannot be read, or says nothing; or the slate is not offered.
    """
    here = {"slate_id": slate_id, "project_id": project.id}
    ids = {
        letter: id_ for id_, letter in letters_of(list(await tx.scalars(RESPONSES, here))).items()
    }
    if not ids:
        raise NotFoundError(gettext("The project has no such slate."))
    try:
        ranks = read(order, ids)
    except ValueError as error:
        raise InvalidError(gettext(str(error)), code="unreadable_order") from error
    await make_gold(
        tx,
        viewer,
        project,
        slate_id,
        ranks={ids[letter]: rank for letter, rank in ranks.items()},
        explanation=explanation,
    )
