"""The pages from a number of agreement to the texts behind it.

`/projects/{slug}/agreement/prompts` takes the parameters of `prompt_schemas.PromptParameters`, all
of which must hold: `round`, `tag`, `language`, `model_a` with `model_b`, and `margin` as the
dashboard does; `labeler` and `other_labeler` by pseudonym (a row, and a cell of two); `flag` by
key; `split_on_severe=true`, `headline=true`, `excluded=true`; `tenth=0` to `9` of agreement;
`case` for what is behind a number of the watch list.
`/projects/{slug}/agreement/slates/{id}?pair=a-c` opens a slate with two texts beside each other.
"""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.accounts.deps import HiddenFromLabelers
from app.agreement.commands import make_known_answer, remark_on_slate
from app.agreement.files import histogram_csv
from app.agreement.remark_schemas import RemarkIn
from app.agreement.slates.exclusions import exclude, revoke
from app.agreement.slates.listing import divided_slates_of
from app.agreement.slates.listing_schemas import PromptPageParameters
from app.agreement.slates.sent import (
    DecisionIn,
    ExclusionIn,
    KnownAnswerIn,
    SlateParameters,
)
from app.agreement.slates.skipped import skipped_tasks_of
from app.agreement.slates.skipped_schemas import SkippedParameters
from app.agreement.slates.view import slate_of
from app.errors import ConflictError, InvalidError, NotFoundError
from app.labeling.slate_commands import decide
from app.projects.queries import ProjectView, project_for
from app.web.deps import Tx
from app.web.errors import status_of
from app.web.forms import checked, number_or_text, unix_lines
from app.web.query_params import NoRepeats
from app.web.render import csv_file, drawing, page
from app.web.schemas import PathId

router = APIRouter(include_in_schema=False)
Typed = Annotated[str, Form()]
INVALID = 422


@router.get("/projects/{slug}/agreement/prompts")
async def show_divided_prompts(
    request: Request,
    slug: str,
    tx: Tx,
    viewer: HiddenFromLabelers,
    parameters: Annotated[PromptPageParameters, Query()],
    _: NoRepeats,
) -> Response:
    """Show prompts that two or more labelers ranked, those they agree least on first."""
    project = await project_for(tx, viewer, slug)
    found = await divided_slates_of(tx, project, parameters.asked, after=parameters.position)
    given = parameters.model_dump(mode="json", exclude_defaults=True)

    def query(**changes: object) -> str:
        """The same list with some parameters changed, from its beginning."""
        kept = {**given, "after": None, **changes}
        return urlencode({name: _written(value) for name, value in kept.items() if value})

    return page(
        request,
        "agreement/prompts.html",
        {
            "project": project,
            "found": found,
            "chosen": parameters,
            "query": query,
            "is_filtered": bool(given.keys() - {"after"}),
        },
    )


@router.get("/projects/{slug}/agreement/prompts.svg")
async def download_histogram(
    slug: str,
    tx: Tx,
    viewer: HiddenFromLabelers,
    parameters: Annotated[PromptPageParameters, Query()],
    _: NoRepeats,
) -> Response:
    """Answer how many prompts have which agreement as a picture that needs nothing of Podium."""
    project = await project_for(tx, viewer, slug)
    found = await divided_slates_of(tx, project, parameters.asked, after=None)
    name = f"{project.slug}-agreement.svg"
    return drawing("agreement/histogram_picture.html", {"histogram": found.histogram}, name=name)


@router.get("/projects/{slug}/agreement/prompts.csv")
async def download_histogram_table(
    slug: str,
    tx: Tx,
    viewer: HiddenFromLabelers,
    parameters: Annotated[PromptPageParameters, Query()],
    _: NoRepeats,
) -> Response:
    """Answer the same as CSV."""
    project = await project_for(tx, viewer, slug)
    found = await divided_slates_of(tx, project, parameters.asked, after=None)
    return csv_file(histogram_csv(found.histogram), name=f"{project.slug}-agreement.csv")


@router.get("/projects/{slug}/agreement/skipped")
async def show_skipped_tasks(
    request: Request,
    slug: str,
    tx: Tx,
    viewer: HiddenFromLabelers,
    parameters: Annotated[SkippedParameters, Query()],
    _: NoRepeats,
) -> Response:
    """Show tasks that labelers gave back, with their reasons, the newest first."""
    project = await project_for(tx, viewer, slug)
    found = await skipped_tasks_of(tx, project, parameters.slice, before=parameters.before)
    given = parameters.model_dump(mode="json", exclude_defaults=True)
    following = urlencode({**given, "before": found.next_before}) if found.next_before else None
    context = {"project": project, "found": found, "next": following}
    return page(request, "agreement/skipped.html", context)


def _written(value: object) -> object:
    return "true" if value is True else value


@router.get("/projects/{slug}/agreement/slates/{slate_id}")
async def show_slate(
    request: Request,
    slug: str,
    slate_id: PathId,
    tx: Tx,
    viewer: HiddenFromLabelers,
    parameters: Annotated[SlateParameters, Query()],
    _: NoRepeats,
) -> Response:
    """Show one slate: who ranked it how, and two of its texts beside each other."""
    project = await project_for(tx, viewer, slug)
    return await _slate_page(request, tx, project, slate_id, parameters=parameters)


@router.post("/projects/{slug}/agreement/slates/{slate_id}/remarks")
async def post_remark(
    request: Request,
    slug: str,
    slate_id: PathId,
    tx: Tx,
    viewer: HiddenFromLabelers,
    text: Typed = "",
) -> Response:
    """Store what an admin says about the slate."""
    project = await project_for(tx, viewer, slug)
    body, errors = checked(RemarkIn, {"text": unix_lines(text)})
    if body is None:
        return await _slate_page(
            request, tx, project, slate_id, typed={"text": text}, errors=errors, status=INVALID
        )
    await remark_on_slate(tx, viewer, project, slate_id, remark=body.text)
    return _to_slate(project, slate_id, "remarks")


@router.post("/projects/{slug}/agreement/slates/{slate_id}/decisions")
async def post_decision(
    request: Request,
    slug: str,
    slate_id: PathId,
    tx: Tx,
    viewer: HiddenFromLabelers,
    decision: Typed = "",
    why: Typed = "",
) -> Response:
    """Ask another labeler, make the slate an anchor or end that, or retire its known answer."""
    project = await project_for(tx, viewer, slug)
    typed = {"decision": decision, "why": unix_lines(why)}
    body, errors = checked(DecisionIn, typed)
    if body is not None:
        try:
            await decide(tx, viewer, project, slate_id, body.decision, reason=body.why)
        except (ConflictError, InvalidError) as error:
            errors, status = {"decision": error.detail}, status_of(error)
        else:
            return _to_slate(project, slate_id, "decisions")
    else:
        status = INVALID
    return await _slate_page(
        request, tx, project, slate_id, typed=typed, errors=errors, status=status
    )


@router.post("/projects/{slug}/agreement/slates/{slate_id}/gold")
async def post_known_answer(
    request: Request,
    slug: str,
    slate_id: PathId,
    tx: Tx,
    viewer: HiddenFromLabelers,
    order: Typed = "",
    explanation: Typed = "",
) -> Response:
    """Make the slate one whose answer is known, or correct that answer."""
    project = await project_for(tx, viewer, slug)
    typed = {"order": order, "explanation": unix_lines(explanation)}
    body, errors = checked(KnownAnswerIn, typed)
    if body is not None:
        try:
            await make_known_answer(
                tx, viewer, project, slate_id, order=body.order, explanation=body.explanation
            )
        except InvalidError as error:
            errors = {"order": error.detail}
        else:
            return _to_slate(project, slate_id, "decisions")
    return await _slate_page(
        request, tx, project, slate_id, typed=typed, errors=errors, status=INVALID
    )


@router.post("/projects/{slug}/agreement/slates/{slate_id}/exclusions")
async def post_exclusion_form(
    request: Request,
    slug: str,
    slate_id: PathId,
    tx: Tx,
    viewer: HiddenFromLabelers,
    ranking: Typed = "",
    reason: Typed = "",
) -> Response:
    """Leave the slate, or one ranking of it, out of everything."""
    project = await project_for(tx, viewer, slug)
    which = number_or_text(int, ranking) if ranking else None
    body, errors = checked(ExclusionIn, {"ranking": which, "reason": unix_lines(reason)})
    typed = {"ranking": ranking, "reason": reason}
    if body is None:
        return await _slate_page(
            request, tx, project, slate_id, typed=typed, errors=errors, status=INVALID
        )
    try:
        await exclude(tx, viewer, project, slate_id, ranking_id=body.ranking, reason=body.reason)
    except (ConflictError, NotFoundError) as error:
        return await _slate_page(
            request,
            tx,
            project,
            slate_id,
            typed=typed,
            errors={"ranking": error.detail},
            status=status_of(error),
        )
    return _to_slate(project, slate_id, "exclusions")


@router.post("/projects/{slug}/agreement/exclusions/{exclusion_id}/revoke")
async def post_revocation_form(
    slug: str, exclusion_id: PathId, tx: Tx, viewer: HiddenFromLabelers
) -> Response:
    """Let what was excluded count again."""
    project = await project_for(tx, viewer, slug)
    revoked = await revoke(tx, viewer, project, exclusion_id)
    return _to_slate(project, revoked.slate_id, "exclusions")


async def _slate_page(
    request: Request,
    tx: Tx,
    project: ProjectView,
    slate_id: int,
    *,
    parameters: SlateParameters | None = None,
    typed: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    letters = parameters.letters if parameters else None
    shown = await slate_of(tx, project, slate_id, pair=letters)
    context = {"project": project, "shown": shown, "typed": typed or {}, "errors": errors or {}}
    return page(request, "agreement/slate.html", context, status=status)


def _to_slate(project: ProjectView, slate_id: int, part: str) -> RedirectResponse:
    return RedirectResponse(
        f"/projects/{project.slug}/agreement/slates/{slate_id}#{part}", status_code=303
    )
