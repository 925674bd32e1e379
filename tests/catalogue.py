"""Which texts the pages use, found where they stand, and the catalogues that translate them."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from app.agreement import report
from app.agreement.behaviour import alert_rules
from app.agreement.dashboard import progress, watch
from app.agreement.dashboard import report as dashboard_report
from app.agreement.labelers import demonstrations, diagnosis, screening
from app.agreement.labelers import facts as labeler_facts
from app.agreement.metrics import estimates
from app.labeling import plain_form, queries, report_pages
from app.projects import flags, screen, screen_words
from app.rounds import pages as rounds_pages
from app.training import (
    charts,
    closing_words,
    curves,
    display,
    enough_data,
    evaluation,
    lineage_view,
    lineage_words,
    new_run_form,
    setting_words,
    settings,
    units,
)
from app.web import errors, forms
from app.web.render import ROOT, TEMPLATES
from app.web.static import STATIC
from app.web.translation import LOCALES
from trainer.measures import agreement_band, calibration, choice_regression, outcomes


class Text(NamedTuple):
    """One text, or a singular with its plural; with its context where it has one."""

    text: str | tuple[str, str]
    context: str | None = None


KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}
# Where errors are raised that pages do not show, or that are about files of models.
NOT_ON_PAGES = ("demo.py", "embedded_postgres", "registry", "settings.py", "supervision.py")
# Texts that stand in tables and are translated where they are shown.
TABLES = (
    [(limits.missing, limits.few) for limits in estimates.LIMITS.values()],
    [rule.missing for rule in alert_rules.RULES.values()],
    (alert_rules.TEAM, alert_rules.WIDE),
    "not defined",
    (dashboard_report.NO_BLOCK, dashboard_report.NO_FLAG, watch.NO_PAIR),
    (watch.TASKS, watch.FEW_TASKS),
    (watch.NO_ANCHOR, watch.RANKINGS, watch.FEW_RANKINGS, watch.SLATES, watch.LABELERS),
    (labeler_facts.TASKS, labeler_facts.TIMED, labeler_facts.RATED),
    (labeler_facts.NO_PAIRS, labeler_facts.NO_CONFLICTS, screening.NO_FLAG),
    progress.NO_PACE,
    (demonstrations.MISSING, demonstrations.FEW),
    diagnosis.ALL_TIED,
    report.NO_CHANCE,
    report.NO_CONSENSUS,
    report.NO_PAIR,
    report.NO_PREFERENCE,
    report.NO_RATINGS_OF_PAIRS,
    screen.CRITERIA,
    [(flag.label, flag.condition or ()) for flag in flags.DEFAULT_FLAGS],
    [(title, about or ()) for title, about, _ in screen_words.GROUPS],
    screen_words.WORDS,
    screen_words.CHOICES,
    screen_words.EMPTY,
    forms.FRIENDLY,
    [text for _, text in rounds_pages.FILTERS],
    queries.NOT_YOURS,
    (plain_form.LACKS, plain_form.NO_TIES),
    report_pages.KINDS,
    report_pages.RESOLUTIONS,
    display.KIND_NAMES,
    display.EXPLANATIONS,
    [one.label for series in display.NUMBERS.values() for one in series],
    curves.KL_LINES,
    [(one.title, one.detail or ()) for drawn in charts.CHARTS.values() for one in drawn],
    list(units.DIGITS),
    [
        line.label
        for drawn in charts.CHARTS.values()
        for chart in drawn
        for line in (*chart.series, *chart.references)
    ],
    [one.label for one in closing_words.METRICS.values()],
    closing_words.ROWS,
    evaluation.BAND_LABEL,
    (choice_regression.NO_LENGTHS, choice_regression.FEW, choice_regression.NO_REWARDS),
    (choice_regression.SAME_LENGTHS, choice_regression.ALIKE, choice_regression.SEPARATED),
    (choice_regression.MISSES, choice_regression.OVERSHOOTS),
    (outcomes.NO_COMPARISON, outcomes.FEW_PROMPTS),
    (calibration.FEW_FOR_TEMPERATURE, calibration.NO_TEMPERATURE),
    (agreement_band.NO_PAIR, agreement_band.BELOW_CHANCE),
    lineage_view.ROLES,
    lineage_words.NODE_KINDS,
    [words for _, words in settings.BOUNDS.values()],
    [
        sentence
        for _, sentence in (*enough_data.NEEDED.values(), *enough_data.NEEDED_TO_TRAIN.values())
    ],
    new_run_form.OTHER_LABELS,
    setting_words.WORDS,
    setting_words.OTHER_WORDS,
    setting_words.SAMPLING_WORDS,
    setting_words.UNITS,
    setting_words.CHOICES,
    [name for _, name in new_run_form.KINDS],
    new_run_form.BASE_WORDS,
    new_run_form.REWARD_WORDS,
    [label for _, label in new_run_form.GROUPS],
    [HTTPStatus(status).phrase for status in (*errors.STATUS.values(), 405, 408, 500)],
    ("user", "assistant", "system"),
)
JS_STRING = r"""("(?:[^"\\]|\\.)*")"""
JS_TEXT = re.compile(rf"\bt\(\s*{JS_STRING}")
JS_PLURAL = re.compile(rf"\btn\(\{{\s*one: {JS_STRING},\s*other: {JS_STRING}")


def used_texts() -> set[Text]:
    """Every text of the templates and of the Python code."""
    return {*_in_templates(), *_in_code(), *map(Text, _strings(TABLES))}


def texts_of(language: str) -> Catalog:
    """The catalogue of the pages as it stands in its file."""
    with (LOCALES / language / "LC_MESSAGES" / "podium.po").open("rb") as file:
        return read_po(file, locale=language)


def script_texts() -> set[str]:
    """Every text of the scripts; of those with a plural the one for many."""
    found: set[str] = set()
    for path in STATIC.glob("js/**/*.js"):
        source = path.read_text()
        found |= {ast.literal_eval(text) for text in JS_TEXT.findall(source)}
        found |= {ast.literal_eval(other) for _, other in JS_PLURAL.findall(source)}
    return found


def _in_templates() -> Iterator[Text]:
    options = {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}
    for path in TEMPLATES.rglob("*.html"):
        yield from _extracted("jinja2.ext:babel_extract", path, options)


def _in_code() -> Iterator[Text]:
    for path in (ROOT / "app").rglob("*.py"):
        yield from _extracted("python", path, {})
        if path.relative_to(ROOT / "app").parts[0] not in NOT_ON_PAGES:
            yield from map(Text, _refusals(ast.parse(path.read_text())))


def _extracted(method: str, path: Path, options: dict[str, str]) -> Iterator[Text]:
    with path.open("rb") as file:
        for _, message, _, context in extract(method, file, KEYWORDS, options=options):
            yield Text(message, context)


def _refusals(module: ast.Module) -> Iterator[str]:
    """What errors say in one piece, `InvalidError("...")`: a page translates it when shown."""
    for call in ast.walk(module):
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(("Error", "problem")):
            said = [*call.args[:1], *(one.value for one in call.keywords if one.arg == "detail")]
            yield from (
                one.value
                for one in said
                if isinstance(one, ast.Constant) and isinstance(one.value, str)
            )


def _strings(table: object) -> Iterator[str]:
    if isinstance(table, str):
        yield table
    elif isinstance(table, Mapping):
        yield from _strings(table.values())
    elif isinstance(table, Iterable):
        for one in table:
            yield from _strings(one)
