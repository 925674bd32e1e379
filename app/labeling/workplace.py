"""What the labeling screen needs to know about one task. No I/O."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.labeling.assistance import arm_of, rank_assist_of
from app.labeling.drafts import DraftView
from app.labeling.plain_draft import values_from_work
from app.labeling.plain_form import submitted_values
from app.labeling.queries import DoneTask
from app.labeling.schemas import ShownTask, TaskOut
from app.projects.queries import ProjectView

MAX_SMALL_SLATE = 5


@dataclass(frozen=True)
class Workplace:
    """One task as it is opened.

    Attributes:
        task: what is shown.
        lease_token: proof of holding it; None when it is submitted and may be corrected.
        request_key: the idempotency key of the form without scripts.
        done: what was submitted, when it was.
        is_veiled: whether it starts behind a veil.
        needs_large_screen: whether a phone only says that it asks for a larger screen.
        typed: the values of the form without scripts, by name of the field.
        script: what the screen's scripts are told, as JSON can hold it.
    """

    task: ShownTask
    lease_token: uuid.UUID | None
    request_key: uuid.UUID
    done: DoneTask | None
    is_veiled: bool
    needs_large_screen: bool
    typed: Mapping[str, Sequence[str]]
    script: dict[str, Any]


def workplace_of(
    project: ProjectView,
    task: TaskOut | DoneTask,
    draft: DraftView | None,
    typed: Mapping[str, Sequence[str]] | None = None,
    *,
    labeler_id: int,
) -> Workplace:
    """The task as its labeler left it, or as they have just `typed` it into the plain form."""
    done = task if isinstance(task, DoneTask) else None
    shown = task.task if isinstance(task, DoneTask) else task
    lease_token = task.lease_token if isinstance(task, TaskOut) else None
    veil = project.screen.veil
    mobile = project.screen.mobile
    arm = arm_of(project.screen, labeler_id=labeler_id, task_id=shown.id)
    is_small = len(shown.responses) <= MAX_SMALL_SLATE
    is_veiled = done is None and (veil == "always" or (veil == "flagged" and shown.is_sensitive))
    return Workplace(
        task=shown,
        lease_token=lease_token,
        request_key=lease_token or uuid.uuid4(),
        done=done,
        is_veiled=is_veiled,
        needs_large_screen=mobile == "never" or (mobile == "small_slates" and not is_small),
        typed=_typed_before(done, draft) if typed is None else typed,
        script={
            "id": shown.id,
            "round": shown.round,
            "rankAssist": rank_assist_of(project.screen, arm),
            "displayOrder": [response.id for response in shown.responses],
            "leaseToken": None if lease_token is None else str(lease_token),
            "leaseExpiresAt": task.lease_expires_at.isoformat()
            if isinstance(task, TaskOut)
            else None,
            "revises": 0 if done is None else done.version,
            "isClosed": done is not None and done.is_closed,
            "submitted": None if done is None else done.judgments,
            "draft": None
            if draft is None
            else {
                "version": draft.version,
                "body": draft.body,
                "savedAt": draft.saved_at.isoformat(),
            },
        },
    )


def _typed_before(done: DoneTask | None, draft: DraftView | None) -> Mapping[str, Sequence[str]]:
    kept = {} if draft is None else values_from_work(draft.body.get("work"))
    return kept or (submitted_values(done.judgments) if done else {})
