"""The agreement page of a project, the labelers' own page, and what they disagree about."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.accounts.deps import HiddenFromLabelers, SignedIn
from app.accounts.preferences import Goal, set_goal
from app.accounts.viewer import Viewer
from app.agreement.behaviour.signal_words import titles, written
from app.agreement.commands import answer_objection, object_to_consensus
from app.agreement.dashboard.queries import project_dashboard
from app.agreement.dashboard.report import sorted_rows
from app.agreement.definitions import definitions
from app.agreement.disagreements import disagreement_for
from app.agreement.files import own_drift_csv
from app.agreement.metrics.pairwise import MIN_UNITS_OF_A_PAIR
from app.agreement.own.home import labeler_home_for, own_drift_for
from app.agreement.own.tasks import own_tasks_for
from app.agreement.plan import plan_of
from app.agreement.remark_schemas import RemarkIn
from app.agreement.remarks import objections_of
from app.agreement.schemas import PageParameters, PlanParameters
from app.errors import NotFoundError
from app.projects.queries import ProjectView, project_for
from app.web.deps import Tx
from app.web.forms import checked, number_or_text, unix_lines
from app.web.query_params import NoRepeats
from app.web.render import csv_file, drawing, page
from app.web.schemas import MAX_ID, PathId

router = APIRouter(include_in_schema=False)
Typed = Annotated[str, Form()]
Before = Annotated[int | None, Query(ge=1, le=MAX_ID)]
INVALID = 422
# Thousands of rows would be read by nobody; sorting brings others up, and the API has all.
MOST_ROWS = 200


@router.get("/projects/{slug}/agreement")
async def show_agreement(
    request: Request,
    slug: str,
    tx: Tx,
    viewer: HiddenFromLabelers,
    parameters: Annotated[PageParameters, Query()],
    _: NoRepeats,
) -> Response:
    """Show how far labelers agree and which model's responses win."""
    project = await project_for(tx, viewer, slug)
    shown = await project_dashboard(
        tx, project, parameters.slice, baseline=parameters.baseline or None
    )
    dashboard = shown.dashboard

    def link(**changes: str) -> str:
        """This page with some parameters changed."""
        chosen = {**parameters.chosen, **changes}
        return f"?{urlencode({name: value for name, value in chosen.items() if value})}"

    def cases(**filters: str | None) -> str:
        """The prompts behind a number of this slice."""
        sliced = {name: chosen for name, chosen in parameters.chosen.items() if name != "baseline"}
        query = urlencode({**sliced, **{name: one for name, one in filters.items() if one}})
        path = f"/projects/{project.slug}/agreement/prompts"
        return f"{path}?{query}" if query else path

    of_tasks = {name: parameters.chosen.get(name) for name in ("round", "tag", "language")}
    skipped = urlencode({name: one for name, one in of_tasks.items() if one})
    rows = sorted_rows(dashboard.labelers, parameters.sort, down=parameters.order == "down")
    return page(
        request,
        "agreement/show.html",
        {
            "project": project,
            "found": shown.agreement,
            "report": shown.agreement.report,
            "dashboard": dashboard,
            "chosen": parameters,
            "rows": rows[:MOST_ROWS],
            "more_rows": len(rows[MOST_ROWS:]),
            "link": link,
            "cases": cases,
            "skipped": f"/projects/{project.slug}/agreement/skipped?{skipped}".rstrip("?"),
            "titles": titles(),
            "written": written,
            "definitions": definitions(),
            "min_units": MIN_UNITS_OF_A_PAIR,
        },
        status=INVALID if parameters.lacks_a_model else 200,
    )


@router.get("/projects/{slug}/agreement/plan")
async def show_plan(
    request: Request,
    slug: str,
    tx: Tx,
    viewer: HiddenFromLabelers,
    parameters: Annotated[PlanParameters, Query()],
    _: NoRepeats,
) -> Response:
    """Show how many prompts to rank twice; HTMX gets the planner alone, for a round's page."""
    project = await project_for(tx, viewer, slug)
    plan = await plan_of(tx, project, parameters.wish)
    context = {"project": project, "plan": plan, "chosen": parameters}
    block = "planner" if request.headers.get("hx-request") == "true" else None
    return page(request, "agreement/plan.html", context, block=block)


@router.get("/projects/{slug}/me")
async def show_labeler_home(request: Request, slug: str, tx: Tx, viewer: SignedIn) -> Response:
    """Show labelers their day, their numbers beside the team's, and what to learn from."""
    project = await project_for(tx, viewer, slug)
    return await _home_page(request, tx, viewer, project)


@router.post("/projects/{slug}/me/goal")
async def post_goal(
    request: Request,
    slug: str,
    tx: Tx,
    viewer: SignedIn,
    unit: Typed = "tasks",
    amount: Typed = "",
) -> Response:
    """Set how much the viewer wants to do in a day; no amount is no goal."""
    project = await project_for(tx, viewer, slug)
    typed = {"unit": unit, "amount": number_or_text(int, amount)}
    goal, errors = checked(Goal, typed) if amount.strip() else (None, {})
    if errors:
        return await _home_page(
            request, tx, viewer, project, typed=typed, errors=errors, status=INVALID
        )
    await set_goal(tx, viewer, goal)
    return RedirectResponse(f"/projects/{project.slug}/me", status_code=303)


async def _home_page(
    request: Request,
    tx: Tx,
    viewer: Viewer,
    project: ProjectView,
    *,
    typed: dict[str, str | int] | None = None,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    home = await labeler_home_for(tx, viewer, project)
    goal = home.today.preferences.goal
    kept = goal.model_dump() if goal else {"unit": "tasks", "amount": ""}
    context = {"project": project, "home": home, "typed": typed or kept, "errors": errors or {}}
    return page(request, "agreement/home.html", context, status=status)


@router.get("/projects/{slug}/me/tasks")
async def show_own_tasks(
    request: Request, slug: str, tx: Tx, viewer: SignedIn, before: Before = None
) -> Response:
    """Show labelers what they have done, task by task."""
    project = await project_for(tx, viewer, slug)
    shown = await own_tasks_for(tx, viewer, project, before=before)
    return page(request, "agreement/own_tasks.html", {"project": project, "shown": shown})


@router.get("/projects/{slug}/me/drift.svg")
async def download_own_drift(slug: str, tx: Tx, viewer: SignedIn) -> Response:
    """Answer the viewer's own agreement over time as a picture that needs nothing of Podium."""
    project = await project_for(tx, viewer, slug)
    drift = await own_drift_for(tx, viewer, project)
    if drift.ewma is None:
        raise NotFoundError("There is not enough data for a picture yet.")
    context = {"drift": drift, "labeler": viewer.name}
    return drawing("agreement/drift_picture.html", context, name=f"{project.slug}-my-drift.svg")


@router.get("/projects/{slug}/me/drift.csv")
async def download_own_drift_table(slug: str, tx: Tx, viewer: SignedIn) -> Response:
    """Answer the same prompt by prompt as CSV."""
    project = await project_for(tx, viewer, slug)
    drift = await own_drift_for(tx, viewer, project)
    return csv_file(own_drift_csv(drift), name=f"{project.slug}-my-drift.csv")


@router.get("/projects/{slug}/disagreements/{ranking_id}")
async def show_disagreement(
    request: Request, slug: str, ranking_id: PathId, tx: Tx, viewer: SignedIn
) -> Response:
    """Show one of the viewer's rankings beside the consensus of the others."""
    project = await project_for(tx, viewer, slug)
    return await _disagreement_page(request, tx, viewer, project, ranking_id)


@router.post("/projects/{slug}/disagreements/{ranking_id}")
async def post_objection(
    request: Request, slug: str, ranking_id: PathId, tx: Tx, viewer: SignedIn, text: Typed = ""
) -> Response:
    """Store why the viewer still disagrees."""
    project = await project_for(tx, viewer, slug)
    body, errors = checked(RemarkIn, {"text": unix_lines(text)})
    if body is None:
        return await _disagreement_page(
            request, tx, viewer, project, ranking_id, typed=text, errors=errors, status=INVALID
        )
    await object_to_consensus(tx, viewer, project, ranking_id=ranking_id, remark=body.text)
    return RedirectResponse(
        f"/projects/{project.slug}/disagreements/{ranking_id}#remarks", status_code=303
    )


async def _disagreement_page(
    request: Request,
    tx: Tx,
    viewer: Viewer,
    project: ProjectView,
    ranking_id: int,
    *,
    typed: str = "",
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    shown = await disagreement_for(tx, viewer, project, ranking_id)
    context = {"project": project, "shown": shown, "typed": typed, "errors": errors or {}}
    return page(request, "agreement/disagreement.html", context, status=status)


@router.get("/projects/{slug}/remarks")
async def show_objections(
    request: Request, slug: str, tx: Tx, viewer: HiddenFromLabelers, before: Before = None
) -> Response:
    """Show admins where labelers still disagree, and why."""
    project = await project_for(tx, viewer, slug)
    return await _objections_page(request, tx, project, before=before)


@router.post("/projects/{slug}/remarks/{remark_id}")
async def post_answer(
    request: Request,
    slug: str,
    remark_id: PathId,
    tx: Tx,
    viewer: HiddenFromLabelers,
    text: Typed = "",
) -> Response:
    """Answer a labeler's remark; everybody who ranked the slate can read it."""
    project = await project_for(tx, viewer, slug)
    body, errors = checked(RemarkIn, {"text": unix_lines(text)})
    if body is None:
        typed: dict[str, str | int] = {
            "remark_id": remark_id,
            "text": text,
            "error": errors["text"],
        }
        return await _objections_page(
            request, tx, project, before=min(remark_id, MAX_ID - 1) + 1, typed=typed, status=INVALID
        )
    await answer_objection(tx, viewer, project, remark_id=remark_id, answer=body.text)
    return RedirectResponse(f"/projects/{project.slug}/remarks", status_code=303)


async def _objections_page(
    request: Request,
    tx: Tx,
    project: ProjectView,
    *,
    before: int | None,
    typed: dict[str, str | int] | None = None,
    status: int = 200,
) -> Response:
    shown = await objections_of(tx, project, before=before)
    context = {"project": project, "shown": shown, "before": before, "typed": typed or {}}
    return page(request, "agreement/remarks.html", context, status=status)
