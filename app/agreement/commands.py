"""What labelers and admins say about a slate that everybody has ranked."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.viewer import Viewer
from app.agreement.disagreements import difference_for
from app.errors import NotFoundError
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
) -> None:
    """Store an admin's remark on the slate that a labeler's is about.

    Raises:
        NotFoundError: the project has no such remark of a labeler.
    """
    stored = await tx.scalar(
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


async def remark_on_slate(
    tx: AsyncSession, viewer: Viewer, project: ProjectView, slate_id: int, *, remark: str
) -> None:
    """Store what an admin says about a slate; everybody who ranked it can read it.

    Raises:
        NotFoundError: the project has no such slate.
    """
    stored = await tx.scalar(
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
