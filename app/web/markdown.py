"""The one function that turns untrusted text into HTML: prompts, responses, notes, guidelines.

markdown-it with HTML off, then an allowlist: no images, no ids, no classes but code languages, only
absolute http(s) links. Text over the size cap, or of a shape that is slow to parse, stays plain.
"""

import re
from functools import lru_cache
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape

MAX_RICH_BYTES = 20_000
TAGS = {
    "p",
    "br",
    "hr",
    "em",
    "strong",
    "s",
    "del",
    "code",
    "pre",
    "blockquote",
    "ul",
    "ol",
    "li",
    "h4",
    "h5",
    "h6",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "a",
}
ATTRIBUTES = {
    "a": {"href", "title"},
    "ol": {"start"},
    "th": {"align"},
    "td": {"align"},
    "code": {"class"},
}
# Quadratic in markdown-it: long runs of openers that never close (half a second from 5 kB on).
SLOW_SHAPE = re.compile(
    r"(?:!?\[){200}|(?:[*_`~][^\s]{0,3}){2000}|(?:>\s?){100}|<{2000}|(?:\n[-*+>] ?){3000}"
)
INVISIBLE = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")
HEADING_SHIFT, LOWEST_HEADING = 3, 6


class _Renderer(RendererHTML):
    """Shifts headings below the page's own and shows images as their alt text and host."""

    def heading_open(self, tokens: list[Token], index: int, *_: object) -> str:
        return f"<h{_shifted(tokens[index].tag)}>"

    def heading_close(self, tokens: list[Token], index: int, *_: object) -> str:
        return f"</h{_shifted(tokens[index].tag)}>"

    def image(self, tokens: list[Token], index: int, *_: object) -> str:  # type: ignore[override]
        token = tokens[index]
        host = urlsplit(str(token.attrGet("src") or "")).hostname or "no host"
        return str(escape(f"[image: {token.content or 'no description'} ({host})]"))


def _shifted(tag: str) -> int:
    return min(int(tag[1]) + HEADING_SHIFT, LOWEST_HEADING)


_parser = MarkdownIt("js-default", {"html": False, "linkify": False}, renderer_cls=_Renderer)


def _is_safe_link(url: str) -> bool:
    if re.search(r"[\x00-\x20\\]", url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None


_parser.validateLink = _is_safe_link  # type: ignore[method-assign]


@lru_cache(maxsize=4096)
def render_untrusted(text: str) -> Markup:
    """This function will return HTML that is safe to put into a page.

    Args:
        text: any valid Unicode without NUL.

    Returns:
        Sanitized HTML. Invisible and direction-changing characters are shown as their code point.
    """
    visible = INVISIBLE.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)
    if len(visible.encode()) > MAX_RICH_BYTES or SLOW_SHAPE.search(visible):
        return Markup("<pre>{}</pre>").format(visible)
    clean = nh3.clean(
        _parser.render(visible),
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=_keep_attribute,
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer nofollow ugc",
    )
    return Markup(clean)  # noqa: S704 - sanitized in the line above; nothing else makes Markup


def _keep_attribute(tag: str, name: str, value: str) -> str | None:
    if tag == "code" and name == "class":
        return value if re.fullmatch(r"language-[\w+-]{1,30}", value) else None
    return value
