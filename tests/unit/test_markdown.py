"""What untrusted text becomes: B101 to B115 of bad input, exactly where the text is short."""

import re
import time
from html.parser import HTMLParser
from urllib.parse import urlsplit

import nh3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.web.markdown import ATTRIBUTES, MAX_RICH_BYTES, TAGS, render_untrusted, shown_text

REL = 'rel="noopener noreferrer nofollow ugc"'
MAX_CPU_SECONDS = 1
ALLOWED = {
    "a": {"href", "title", "rel"},
    "ol": {"start"},
    "th": {"align"},
    "td": {"align"},
    "code": {"class"},
    "span": {"class"},
}
AS_TEXT = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//e>",
    "<svg onload=alert(1)>",
    '<math><mi//xlink:href="data:x,<script>">',
    "<details open ontoggle=alert(1)>",
    "<img src=x onerror=alert(1)>",
    "<picture><source srcset=//e>",
    "<javascript:alert(1)>",
    '<div hx-get="/admin" hx-trigger="load">',
    "<div data-hx-post=/x hx-on:click=alert(1) hx-ext=sse sse-connect=/x>",
    "<b hx-vals='js:x'>",
    "<form action=//e><input name=password>",
    "<button formaction=//e>",
    "<base href=//e>",
    '<meta http-equiv=refresh content="0;url=//e">',
    "<link rel=stylesheet href=//e>",
    '<style>@import "//e"</style>',
    "<iframe srcdoc=x>",
    "<object data=x><embed src=x><portal src=x>",
    "<a id=csrf_token name=body>",
    "<img name=getElementById>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "<svg><style><img src=x onerror=alert(1)>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<table><select><template><img src=x onerror=alert(1)>",
    "{{7*7}} ${7} <%= 7 %>",
    '{% include "/etc/passwd" %}',
    "</textarea></script>",
    "<table background=javascript:alert(1)>",
    '<div style="position:fixed;inset:0" class="btn-danger">',
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[x]]>",
    "<?x?>",
    "<![if x]>",
    "<plaintext>",
    "<xmp>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](java%0ascript:alert(1))",
    "[a](javascript%3Aalert(1))",
    "[a](data:text/html;base64,PHN)",
    "[a](vbscript:x)",
    "[a](file:///etc/passwd)",
    "[a](//e)",
    "[a](http://user:pw@e)",
    "[a](/logout)",
    "[a](?delete=1)",
    "[a](#x)",
    "[a](mailto:x@e)",
    "[a](http:///x)",
    "[a](http:x)",
    "[a](http://[)",
    "![x](data:image/svg+xml,<svg>)",
    "![](https://u:p@e/)",
]
EXACT = [
    ("[a](javascript&colon;x)", "<p>[a](javascript:x)</p>"),
    ("[a](&#x6A;avascript:x)", "<p>[a](javascript:x)</p>"),
    (r"[a](\\e)", r"<p>[a](\e)</p>"),
    ("[a](https://e.example)", f'<p><a href="https://e.example" {REL}>a</a></p>'),
    (
        "<https://e.example/a>",
        f'<p><a href="https://e.example/a" {REL}>https://e.example/a</a></p>',
    ),
    ('[a](https://e/ "t")', f'<p><a href="https://e/" title="t" {REL}>a</a></p>'),
    ('[a](https://e/"onx=1)', f'<p><a href="https://e/%22onx=1" {REL}>a</a></p>'),
    ("https://e.example", "<p>https://e.example</p>"),
    ("![x](https://e.example/?q=secret)", "<p>[image: x (e.example)]</p>"),
    ("![x][r]\n\n[r]: https://e.example/p", "<p>[image: x (e.example)]</p>"),
    ("![](https://e.example/p)", "<p>[image: no description (e.example)]</p>"),
    ("```js onload=x\ny\n```", '<pre><code class="language-js">y\n</code></pre>'),
    ('```"><script>\ny\n```', "<pre><code>y\n</code></pre>"),
    (f"```{'a' * 5000}\ny", "<pre><code>y</code></pre>"),
    ("```\n<b>", "<pre><code>&lt;b&gt;</code></pre>"),
    ("# huge", "<h4>huge</h4>"),
    ("###### low", "<h6>low</h6>"),
    ("text[^1]\n\n[^1]: note", "<p>text[^1]</p>\n<p>[^1]: note</p>"),
    ("~~s~~ **b** *e* `c`", "<p><s>s</s> <strong>b</strong> <em>e</em> <code>c</code></p>"),
    ("3) a", '<ol start="3">\n<li>a</li>\n</ol>'),
    ("a\u202eb", "<p>a⟨U+202E⟩b</p>"),
    ("&#x202e;&#8203;", "<p>⟨U+202E⟩⟨U+200B⟩</p>"),
    ("a\u2066b", "<p>a⟨U+2066⟩b</p>"),
    ("a\u200bb\u00ad\ufeff", "<p>a⟨U+200B⟩b⟨U+00AD⟩⟨U+FEFF⟩</p>"),
    ("pass\u200dword", "<p>pass⟨U+200D⟩word</p>"),
    ("\U000e0041", "<p>⟨U+E0041⟩</p>"),
    ("\x1b[2J", "<p>⟨U+001B⟩[2J</p>"),
    ("a\u2028b", "<p>a⟨U+2028⟩b</p>"),
    ("👩\u200d💻 می\u200cخواهم", "<p>👩\u200d💻 می\u200cخواهم</p>"),
    ("[a]: https://e.example", "<pre>[a]: https://e.example</pre>"),
    ("", ""),
    (" \n", ""),
]
SLOW = {
    "brackets": "[" * 50_000,
    "images": "![" * 25_000,
    "half emphasis": "*a_" * 12_000,
    "angles": "<" * 50_000,
    "quotes": ">" * 25_000,
    "deep list": "".join(f"{'  ' * depth}- a\n" for depth in range(300)),
    "wide table": "\n".join(("|a" * 10_000, "|-" * 10_000, "|b" * 10_000)),
    "backtick lengths": " ".join("`" * length for length in range(1, 300)),
    "references": "".join(f"[a{number}]: http://e\n" for number in range(3000)),
    "a line without space": "a" * 1_000_000,
    "empty lines": "\n" * 200_000,
    # Below the size cap:
    "a ruler": "*" * 70 + " word" * 600,
    "a blank to fill in": "Name: " + "_" * 70 + " word" * 600,
    "a fence": "`" * 70 + " word" * 600,
    "backtick lengths below the cap": " ".join("`" * length for length in range(1, 190)),
    "brackets below the cap": "[" * 19_000,
    "spaced brackets": "[ " * 9500,
    "images by lines": ("![" * 190 + " ") * 50,
    "lazy quotes": ">" * 99 + "a\n" * 9800,
    "sparse table": "\n".join(("|".join("a" * 1500), "|".join("-" * 1500), "|a\n" * 4600)),
    "sparse small table": "|a" * 300 + "\n" + "|-" * 300 + "\n" + "|a\n" * 1900,
    "links in links": "[a](" * 4500,
    "mixed nesting": ("- > " * 24 + "a\n") * 190,
    "fences in lists in quotes": ("> - " * 50 + "```\n") * 90,
    "marks": "a" + "\u0301" * 9000,
    "zero-width": "\u200b" * 6600,
}


class Reader(HTMLParser):
    """Collects the tags, their attributes and the text, as a browser would see them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(str(html))  # as Markup it would escape what is added to it
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words += data


def assert_safe(html: str) -> None:
    for tag, attributes in Reader(html).tags:
        assert tag in TAGS
        assert attributes.keys() <= ALLOWED.get(tag, set())
        if tag == "a":
            parts = urlsplit(attributes["href"] or "")
            assert parts.scheme.lower() in ("http", "https")
            assert parts.hostname
            assert "@" not in parts.netloc
            assert attributes["rel"] == "noopener noreferrer nofollow ugc"
        if tag == "span":
            assert attributes["class"] in ("math inline", "math display")
        elif "class" in attributes:
            assert re.fullmatch(r"language-[\w+-]{1,30}", attributes["class"] or "")


@pytest.mark.parametrize("text", AS_TEXT)
def test_hostile_markup_is_shown_as_the_text_that_it_is(text):
    html = render_untrusted(text)

    assert Reader(html).tags == [("p", {})]
    assert Reader(html).words.strip() == text


@pytest.mark.parametrize(("text", "html"), EXACT)
def test_short_texts_become_exactly_this(text, html):
    assert render_untrusted(text).rstrip("\n") == html
    assert_safe(html)


@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW)
def test_no_shape_of_text_takes_long(text):
    begin = time.process_time()
    html = render_untrusted(text)

    assert time.process_time() - begin < MAX_CPU_SECONDS
    assert_safe(html)


def test_a_text_over_the_cap_is_plain_and_whole_even_when_the_cap_is_inside_an_emoji():
    text = "a" * (MAX_RICH_BYTES - 3) + "👍 **b**"

    assert render_untrusted(text) == f"<pre>{text}</pre>"


def test_a_text_at_the_cap_is_still_rich():
    text = "*" + "a" * (MAX_RICH_BYTES - 2) + "*"

    assert render_untrusted(text).startswith("<p><em>a")


def test_plain_text_is_escaped_and_its_invisible_characters_are_shown():
    html = render_untrusted("<b>\u202e" + "a" * MAX_RICH_BYTES)

    assert html.startswith("<pre>&lt;b&gt;⟨U+202E⟩aaa")


PIECES = st.sampled_from(
    ["[", "](", "!", "]", "<", ">", "*", "_", "~~", "`", "```", "\n", "- ", "> ", "# ", "|", "|-",
     "&#x", ";", "&colon;", "javascript:", "http://", "https://e.example", "data:", "//", "\\", "@",
     '"', "'", " ", "    ", "=", "onerror", "<a href=", "<img src=", "<script>", "</", "-->",
     "\u202e", "\u200d", "é", "👍", "\t", "1. ", "[r]: ", "style=", "class=", "$",
     "$$", "\\(", "\\)", "\\[", "\\]"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES | st.text(max_size=5), max_size=25).map("".join))
def test_whatever_is_written_the_result_is_safe_and_stays_so_when_sanitized_again(text):
    html = render_untrusted(text)

    assert_safe(html)
    assert html == nh3.clean(
        html, tags=TAGS, attributes=ATTRIBUTES, link_rel="noopener noreferrer nofollow ugc"
    )


def test_columns_of_a_table_are_aligned_as_it_says():
    html = render_untrusted("| a | b | c |\n|--:|:-:|---|\n| 1 | 2 | 3 |")

    assert '<th align="right">a</th>' in html
    assert '<td align="center">2</td>' in html
    assert "<td>3</td>" in html


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("# Two **moons**\n\n- a\n- `b`\n", "Two moons\na\nb"),
        ('[here](https://e.example "a > b")', "here <https://e.example a > b>"),
        ("[*a*](https://e.example/?x=1&y) b", "a <https://e.example/?x=1&y> b"),
        ("[a](javascript:b)", "[a](javascript:b)"),
        ("a < b &amp; $x^2$", "a < b & $x^2$"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("**" * MAX_RICH_BYTES, "**" * MAX_RICH_BYTES),
        ("\u202e", "⟨U+202E⟩"),
        (" \n ", ""),
    ],
)
def test_what_is_shown_of_a_text_has_no_markup(text, shown):
    assert shown_text(text) == shown
