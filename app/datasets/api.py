"""The calls that freeze a project into a dataset and export rankings and comparisons."""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from app.accounts.deps import AdminOnly
from app.datasets.commands import create_dataset
from app.datasets.export import (
    check_format,
    comparison_chunks,
    frozen_comparison_chunks,
    ranking_chunks,
)
from app.datasets.formats import MEDIA_TYPES, ExportFormat
from app.datasets.frozen import RANKINGS, blocks, dataset_folder, frozen_ranking_chunks, open_frozen
from app.datasets.queries import dataset_for
from app.datasets.schemas import (
    ComparisonParameters,
    DatasetOut,
    FileName,
    RankingParameters,
    dataset_out,
)
from app.projects.queries import project_for
from app.web.deps import AppSettings, Engine, Tx
from app.web.json_body import StrictJSONRoute
from app.web.query_params import NoRepeats
from app.web.schemas import PathId

router = APIRouter(tags=["datasets"], route_class=StrictJSONRoute)


@router.get("/projects/{slug}/rankings", response_class=StreamingResponse)
async def get_rankings(
    slug: str,
    tx: Tx,
    engine: Engine,
    viewer: AdminOnly,
    parameters: Annotated[RankingParameters, Query()],
    _: NoRepeats,
) -> StreamingResponse:
    """Stream the current rankings, one row each: the K-wise form that the trainer reads."""
    project = await project_for(tx, viewer, slug)
    file_format = ExportFormat(parameters.format)
    check_format(file_format, of="rankings")
    chunks = ranking_chunks(engine, project.id, file_format=file_format, split=parameters.split)
    return _download(chunks, f"{project.slug}-rankings", file_format)


@router.get("/projects/{slug}/comparisons", response_class=StreamingResponse)
async def get_comparisons(
    slug: str,
    tx: Tx,
    engine: Engine,
    viewer: AdminOnly,
    parameters: Annotated[ComparisonParameters, Query()],
    _: NoRepeats,
) -> StreamingResponse:
    """Stream the comparisons that the current rankings stand for."""
    project = await project_for(tx, viewer, slug)
    check_format(parameters.format, of="comparisons")
    chunks = comparison_chunks(
        engine,
        project.id,
        file_format=parameters.format,
        shape=parameters.shape,
        split=parameters.split,
    )
    return _download(chunks, f"{project.slug}-comparisons", parameters.format)


@router.post("/projects/{slug}/datasets", status_code=201)
async def post_dataset(
    slug: str, tx: Tx, engine: Engine, settings: AppSettings, viewer: AdminOnly
) -> DatasetOut:
    """Freeze the project as it stands into a dataset."""
    project = await project_for(tx, viewer, slug)
    return dataset_out(await create_dataset(engine, viewer, project, settings.root))


@router.get("/datasets/{dataset_id}")
async def get_dataset(dataset_id: PathId, tx: Tx, viewer: AdminOnly) -> DatasetOut:
    """A dataset with its manifest."""
    return dataset_out(await dataset_for(tx, viewer, dataset_id))


@router.get("/datasets/{dataset_id}/rankings", response_class=StreamingResponse)
async def get_dataset_rankings(
    dataset_id: PathId,
    tx: Tx,
    settings: AppSettings,
    viewer: AdminOnly,
    parameters: Annotated[RankingParameters, Query()],
    _: NoRepeats,
) -> StreamingResponse:
    """Stream the frozen rankings."""
    dataset = await dataset_for(tx, viewer, dataset_id)
    file_format = ExportFormat(parameters.format)
    check_format(file_format, of="rankings")
    file = open_frozen(dataset_folder(settings.root, dataset.id), RANKINGS)
    chunks = frozen_ranking_chunks(file, split=parameters.split)
    return _download(chunks, f"{dataset.project}-{dataset.id}-rankings", file_format)


@router.get("/datasets/{dataset_id}/comparisons", response_class=StreamingResponse)
async def get_dataset_comparisons(
    dataset_id: PathId,
    tx: Tx,
    settings: AppSettings,
    viewer: AdminOnly,
    parameters: Annotated[ComparisonParameters, Query()],
    _: NoRepeats,
) -> StreamingResponse:
    """Stream the comparisons that the frozen rankings stand for."""
    dataset = await dataset_for(tx, viewer, dataset_id)
    check_format(parameters.format, of="comparisons")
    chunks = frozen_comparison_chunks(
        open_frozen(dataset_folder(settings.root, dataset.id), RANKINGS),
        file_format=parameters.format,
        shape=parameters.shape,
        split=parameters.split,
    )
    return _download(chunks, f"{dataset.project}-{dataset.id}-comparisons", parameters.format)


@router.get("/datasets/{dataset_id}/files/{name}", response_class=StreamingResponse)
async def get_dataset_file(
    dataset_id: PathId, name: FileName, tx: Tx, settings: AppSettings, viewer: AdminOnly
) -> StreamingResponse:
    """One of the dataset's files, byte for byte as its manifest names it."""
    dataset = await dataset_for(tx, viewer, dataset_id)
    file = open_frozen(dataset_folder(settings.root, dataset.id), name)
    return StreamingResponse(
        blocks(file),
        media_type="application/json" if name.endswith(".json") else "application/x-ndjson",
        headers=_attachment(f"{dataset.project}-{dataset.id}-{name}"),
    )


def _download(
    chunks: AsyncIterator[bytes] | Iterator[bytes], stem: str, file_format: ExportFormat
) -> StreamingResponse:
    return StreamingResponse(
        chunks,
        media_type=MEDIA_TYPES[file_format],
        headers=_attachment(f"{stem}.{file_format}"),
    )


def _attachment(name: str) -> dict[str, str]:
    # Slugs are plain ASCII without quotes, so the name needs no encoding.
    return {"Content-Disposition": f'attachment; filename="{name}"'}
