"""The one function that turns untrusted text into HTML: prompts, responses, notes, guidelines.

markdown-it with HTML off, then an allowlist: no images, no ids, no classes but code languages and
formulas, only absolute http(s) links. A formula keeps its TeX source; `static/js/math.js` sets it.
Text over the size cap, or of a shape that is slow to parse, stays plain.
"""

import re
from functools import lru_cache
from html.parser import HTMLParser
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape

from app.web.markdown_math import CLASSES as MATH_CLASSES
from app.web.markdown_math import add_math

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
    "span",
}
ATTRIBUTES = {
    "a": {"href", "title"},
    "ol": {"start"},
    "th": {"align"},
    "td": {"align"},
    "code": {"class"},
    "span": {"class"},
}
# Several rules of markdown-it take quadratic time, so what they look at is counted beforehand.
MAX_COUNTS = {
    "[": 800,
    "<": 2000,
    "`": 2000,
    "*": 3000,
    "_": 3000,
    "~": 3000,
    "$": 1000,
    "\n": 2000,
}
MAX_TABLE_CELLS = 10_000
MAX_NESTING = 20
INVISIBLE = re.compile(
    "[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufff9-\ufffb\U000e0000-\U000e01ef]"
    # Joiners belong to emoji and to some scripts, but never beside ASCII.
    "|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
)
ALIGNMENTS = {"left", "center", "right"}
HEADING_SHIFT, LOWEST_HEADING = 3, 6


class _Renderer(RendererHTML):
    """Shifts headings below the page's own and shows images as their alt text and host.

    Cells of a table get an attribute for their alignment, because styles are not let through.
    """

    def heading_open(self, tokens: list[Token], index: int, *_: object) -> str:
        return f"<h{_shifted(tokens[index].tag)}>"

    def heading_close(self, tokens: list[Token], index: int, *_: object) -> str:
        return f"</h{_shifted(tokens[index].tag)}>"

    def th_open(self, tokens: list[Token], index: int, *_: object) -> str:
        aligned = str(tokens[index].attrGet("style") or "").removeprefix("text-align:")
        return f'<{tokens[index].tag} align="{aligned}">' if aligned else f"<{tokens[index].tag}>"

    td_open = th_open

    def image(self, tokens: list[Token], index: int, *_: object) -> str:  # type: ignore[override]
        token = tokens[index]
        host = urlsplit(str(token.attrGet("src") or "")).hostname or "no host"
        return str(escape(f"[image: {token.content or 'no description'} ({host})]"))


def _shifted(tag: str) -> int:
    return min(int(tag[1]) + HEADING_SHIFT, LOWEST_HEADING)


_parser = MarkdownIt(
    "js-default",
    {"html": False, "linkify": False, "maxNesting": MAX_NESTING},
    renderer_cls=_Renderer,
)
add_math(_parser)


def _is_safe_link(url: str) -> bool:
    if re.search(r"[\x00-\x20\\]", url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and parts.username is None
        and re.fullmatch(r"[a-z0-9._:-]+", parts.hostname or "") is not None
    )


_parser.validateLink = _is_safe_link  # type: ignore[method-assign]


@lru_cache(maxsize=1024)
def render_untrusted(text: str) -> Markup:
    """This function will return HTML that is safe to put into a page.

    Args:
        text: any valid Unicode without NUL.

    Returns:
        Sanitized HTML. Invisible and direction-changing characters are shown as their code point.
    """
    if len(text.encode()) > MAX_RICH_BYTES or _is_slow(text):
        return _plain(text)
    clean = nh3.clean(
        _parser.render(text),
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=_keep_attribute,
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer nofollow ugc",
    )
    if not clean.strip():  # definitions of links alone leave nothing to see
        return _plain(text)
    # Last, because Markdown also has entities for invisible characters.
    return Markup(_visible(clean))  # noqa: S704 - sanitized above; nothing else makes Markup


def shown_text(text: str) -> str:
    """The words that a reader of the rendered text sees, without its markup; formulas as TeX.

    Behind each link stands where it leads, which a reader sees only on it: `addresses.js` puts the
    same into the page.
    """
    reader = _TextReader()
    reader.feed(render_untrusted(text))
    reader.close()
    return "".join(reader.pieces).strip()


class _TextReader(HTMLParser):
    """Collects the text of HTML that was sanitized before."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._address: str | None = None

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._address = " ".join(filter(None, map(dict(attrs).get, ("href", "title"))))

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._address:
            self.pieces.append(f" <{self._address}>")


def _plain(text: str) -> Markup:
    return Markup("<pre>{}</pre>").format(_visible(text)) if text.strip() else Markup("")


def _visible(text: str) -> str:
    return INVISIBLE.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def _is_slow(text: str) -> bool:
    """Whether parsing could take long; counted without a regex, which could itself be slow."""
    if any(text.count(character) > limit for character, limit in MAX_COUNTS.items()):
        return True
    # A table's short rows are filled up to the width of its head.
    widest = max(line.count("|") for line in text.split("\n"))
    return widest * text.count("\n") > MAX_TABLE_CELLS


def _keep_attribute(tag: str, name: str, value: str) -> str | None:
    if tag == "code" and name == "class":
        return value if re.fullmatch(r"language-[\w+-]{1,30}", value) else None
    if tag == "span" and name == "class":
        return value if value in MATH_CLASSES else None
    if name == "align":
        return value if value in ALIGNMENTS else None
    return value
