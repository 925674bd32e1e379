"""Jinja pages and their named blocks; the macros of `templates/ui.html` are the global `ui`."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.web.formats import FILTERS
from app.web.markdown import render_untrusted
from app.web.static import static_url
from app.web.translation import direction, gettext, language, ngettext, pgettext

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATES = ROOT / "templates"
THEMES = ("light", "dark")


@cache
def environment() -> Environment:
    """The one Jinja environment: autoescape on, undefined names are errors."""
    jinja = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters.update(FILTERS)
    jinja.filters["untrusted"] = render_untrusted
    jinja.globals.update({"_": gettext, "ngettext": ngettext, "pgettext": pgettext})
    jinja.globals.update({"language": language, "direction": direction})
    jinja.globals["static"] = static_url
    # Rendering one block does not run the template's own imports, hence a global.
    jinja.globals["ui"] = jinja.get_template("ui.html").module
    return jinja


def page(
    request: Request,
    template: str,
    context: Mapping[str, Any],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    block: str | None = None,
) -> HTMLResponse:
    """Render a page, or only its block `block` when HTMX asked for that part."""
    known = environment().get_template(template)
    full = {
        "viewer": getattr(request.state, "viewer", None),
        "path": request.url.path,
        "theme": _theme(request),
        **context,
    }
    if block is None:
        html = known.render(full)
    else:
        html = "".join(known.blocks[block](known.new_context(full)))
    return HTMLResponse(html, status_code=status, headers=dict(headers or {}))


def drawing(template: str, context: Mapping[str, Any], *, name: str) -> Response:
    """Render a template that is an SVG picture as a file to download, `name` in plain ASCII."""
    return Response(
        environment().get_template(template).render(context),
        media_type="image/svg+xml",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def csv_file(content: bytes, *, name: str) -> Response:
    """A table as a file to download, `name` in plain ASCII."""
    return Response(
        content,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _theme(request: Request) -> str | None:
    """What the viewer chose in this browser; None follows the system."""
    chosen = request.cookies.get("podium_theme")
    return chosen if chosen in THEMES else None
