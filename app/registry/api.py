"""The registry over REST; for admins only."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter
from pydantic import Field, StringConstraints, model_validator

from app.accounts.deps import AdminOnly
from app.registry.commands import NewModel, register_model
from app.registry.location import Location, location_from
from app.registry.queries import ModelView, Origin, all_models, lineage_of, model_by_name
from app.web.deps import AppSettings, Tx
from app.web.json_body import StrictJSONRoute
from app.web.schemas import Answer, Body, Text

router = APIRouter(route_class=StrictJSONRoute, tags=["models"])

Short = Annotated[Text, StringConstraints(min_length=1, max_length=10_000)]


class ModelBody(Body):
    """A model to register. Its place: `location` as one line, or one of the other fields."""

    name: Short
    kind: Literal["base", "sft", "reward", "policy"]
    location: Short | None = Field(
        None, description="a folder's path, organization/name@revision, or endpoint:NAME"
    )
    path: Short | None = None
    hub_id: Short | None = None
    hub_revision: Short | None = None
    endpoint_model: Short | None = None
    parent: Short | None = Field(None, description="name of the model that it was made from")

    @model_validator(mode="after")
    def _check_one_form(self) -> Self:
        if self.location is not None and self._named() != Location():
            raise ValueError("send location or the other fields, not both")
        return self

    def _named(self) -> Location:
        return Location(
            path=self.path,
            hub_id=self.hub_id,
            hub_revision=self.hub_revision,
            endpoint_model=self.endpoint_model,
        )

    def as_new_model(self) -> NewModel:
        """The same for the command."""
        location = self._named() if self.location is None else location_from(self.location)
        return NewModel(name=self.name, kind=self.kind, location=location, parent=self.parent)


class ModelAnswer(Answer):
    """A model of the registry."""

    id: int
    name: str
    kind: str
    location: str
    path: str | None
    hub_id: str | None
    hub_revision: str | None
    endpoint_model: str | None
    parent: str | None
    run: int | None
    created_at: datetime

    @classmethod
    def of(cls, model: ModelView) -> Self:
        """The answer for one model."""
        return cls(
            id=model.id,
            name=model.name,
            kind=model.kind,
            location=str(model.location),
            path=model.path,
            hub_id=model.hub_id,
            hub_revision=model.hub_revision,
            endpoint_model=model.endpoint_model,
            parent=model.parent,
            run=model.run_id,
            created_at=model.created_at,
        )


class OriginAnswer(Answer):
    """How one model came to be."""

    name: str
    kind: str
    parent: str | None
    reward_model: str | None
    run: int | None
    run_kind: str | None
    project: str | None
    settings: dict[str, Any] | None
    code_version: str | None
    dataset: int | None
    dataset_sha256: str | None
    created_at: datetime

    @classmethod
    def of(cls, origin: Origin) -> Self:
        """The answer for one origin."""
        return cls(
            name=origin.name,
            kind=origin.kind,
            parent=origin.parent,
            reward_model=origin.reward_model,
            run=origin.run_id,
            run_kind=origin.run_kind,
            project=origin.project,
            settings=origin.settings,
            code_version=origin.code_version,
            dataset=origin.dataset_id,
            dataset_sha256=origin.dataset_sha256,
            created_at=origin.created_at,
        )


class ModelWithLineage(Answer):
    """A model, its files, and the lineage with the model itself first."""

    model: ModelAnswer
    file_sha256: dict[str, str]
    lineage: list[OriginAnswer]


@router.get("/models")
async def get_models(tx: Tx, _viewer: AdminOnly) -> list[ModelAnswer]:
    """List the models, newest first."""
    return [ModelAnswer.of(model) for model in await all_models(tx)]


@router.post("/models", status_code=201)
async def post_model(
    tx: Tx, _viewer: AdminOnly, settings: AppSettings, body: ModelBody
) -> ModelAnswer:
    """Register a model."""
    return ModelAnswer.of(await register_model(tx, settings, body.as_new_model()))


@router.get("/models/{name}")
async def get_model(tx: Tx, _viewer: AdminOnly, name: str) -> ModelWithLineage:
    """Show one model with its lineage."""
    model = await model_by_name(tx, name)
    return ModelWithLineage(
        model=ModelAnswer.of(model),
        file_sha256=model.file_sha256,
        lineage=[OriginAnswer.of(origin) for origin in await lineage_of(tx, model)],
    )
