"""The charts of a run as its page draws them, with the last values for their tables. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from app.training.charts import ACCURACY, CHARTS, Band, Chart, Reference
from app.training.queries import MetricsRow
from app.training.units import unit_words, written
from app.web.formats import percent, plain
from app.web.translation import gettext

TABLE_ROWS = 6
# Settings that the KL is seen against.
KL_LINES = {"kl_target_nats": "target", "kl_limit_nats": "limit, ends the run"}


@dataclass(frozen=True)
class DrawnChart:
    """A chart with the last values for its table; `drawing` is what the script reads."""

    title: str
    detail: str
    headers: list[tuple[str, str]]
    legend: list[tuple[str, str]]
    drawing: str
    rows: list[tuple[int, list[str]]]


def charts_of(
    kind: str,
    settings: Mapping[str, Any],
    metrics: Sequence[MetricsRow],
    *,
    agreement: Band | None,
) -> list[DrawnChart]:
    """The curves of a run, each with its references and its last rows.

    Args:
        kind: of run.
        settings: the run's, which some references come from.
        metrics: the last rows.
        agreement: of labelers, which accuracy is seen against; None when it is not known.
    """
    return [_drawn(_referenced(chart, settings, agreement), metrics) for chart in CHARTS[kind]]


def _referenced(chart: Chart, settings: Mapping[str, Any], agreement: Band | None) -> Chart:
    if chart is ACCURACY:
        return replace(chart, band=agreement)
    if chart.title != "KL":
        return chart
    lines = [
        Reference(f"{plain(value)}: {gettext(meaning)}", value)
        for name, meaning in KL_LINES.items()
        if (value := settings.get(name)) is not None
    ]
    return replace(chart, references=(*chart.references, *lines))


def _drawn(chart: Chart, metrics: Sequence[MetricsRow]) -> DrawnChart:
    keys = [one.key for one in chart.series]
    rows = [row for row in metrics if any(row.values.get(key) is not None for key in keys)]
    series = [replace(one, label=gettext(one.label)) for one in chart.series]
    references = [replace(one, label=gettext(one.label)) for one in chart.references]
    legend = [("line", reference.label) for reference in references]
    band = None if chart.band is None else replace(chart.band, label=gettext(chart.band.label))
    if band is not None:
        ends = gettext("%(low)s to %(high)s", low=percent(band.low), high=percent(band.high))
        legend.append(("band", f"{ends}: {band.label}"))
    return DrawnChart(
        title=gettext(chart.title),
        detail=", ".join(filter(None, [gettext(chart.detail), unit_words(chart.unit)])),
        headers=[(one.label, "number") for one in series],
        legend=legend,
        drawing=json.dumps(
            {
                "series": [asdict(one) for one in series],
                "references": [asdict(one) for one in references],
                "band": None if band is None else asdict(band),
                "isShare": chart.unit == "%",
            }
        ),
        rows=[
            (row.step, [written(row.values.get(key), chart.unit) for key in keys])
            for row in rows[-TABLE_ROWS:]
        ],
    )
