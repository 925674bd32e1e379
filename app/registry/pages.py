"""The pages of the registry: all models, one model's lineage, and the form that registers one."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from app.accounts.deps import AdminOnly
from app.errors import DomainError
from app.registry.commands import KINDS, NewModel, register_model
from app.registry.location import location_from
from app.registry.queries import all_models, lineage_of, model_by_name, rounds_sampled_from
from app.settings import Settings
from app.web.deps import AppSettings, Tx
from app.web.errors import status_of
from app.web.render import page
from app.web.schemas import Text

router = APIRouter(include_in_schema=False)
MAX_TYPED = 10_000
Typed = Annotated[Text, Form(max_length=MAX_TYPED)]
# Where a mistake is shown; everything else is about the location.
FIELD_OF_CODE = {
    "bad_name": "name",
    "name_taken": "name",
    "bad_kind": "kind",
    "unknown_model": "parent",
}


@router.get("/models")
async def show_models(
    request: Request, tx: Tx, _viewer: AdminOnly, settings: AppSettings
) -> Response:
    """Show all models and the form that registers one."""
    return await _models_page(request, tx, settings, typed={"kind": "base"})


@router.post("/models")
async def post_model(
    request: Request,
    tx: Tx,
    _viewer: AdminOnly,
    settings: AppSettings,
    name: Typed = "",
    kind: Typed = "",
    location: Typed = "",
    parent: Typed = "",
) -> Response:
    """Register a model and show it."""
    new = NewModel(
        name=name.strip(),
        kind=kind,
        location=location_from(location),
        parent=parent or None,
    )
    try:
        model = await register_model(tx, settings, new)
    except DomainError as error:
        typed = {"name": name, "kind": kind, "location": location, "parent": parent}
        return await _models_page(request, tx, settings, typed=typed, error=error)
    return RedirectResponse(f"/models/{model.name}", status_code=303)


async def _models_page(
    request: Request,
    tx: Tx,
    settings: Settings,
    *,
    typed: dict[str, str],
    error: DomainError | None = None,
) -> Response:
    errors = {FIELD_OF_CODE.get(error.code, "location"): error.detail} if error else {}
    context = {
        "models": await all_models(tx),
        "kinds": KINDS,
        "typed": typed,
        "errors": errors,
        "roots": settings.allowed_model_roots,
        "organizations": settings.hub_organizations,
        "has_endpoint": settings.sampler_url is not None,
    }
    return page(request, "registry/list.html", context, status=status_of(error) if error else 200)


@router.get("/models/{name}")
async def show_model(request: Request, tx: Tx, _viewer: AdminOnly, name: str) -> Response:
    """Show one model: where it lies, how it came to be, and what was sampled from it."""
    model = await model_by_name(tx, name)
    context = {
        "model": model,
        "lineage": await lineage_of(tx, model),
        "rounds": await rounds_sampled_from(tx, model),
    }
    return page(request, "registry/model.html", context)
