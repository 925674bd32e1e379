"""What counts as a formula, and that code, prices and slow shapes do not become one."""

import time

import pytest

from app.web.markdown import render_untrusted

# In the HTML, «» stand around a formula in a line and ‹› around one that is displayed.
SPANS = {
    "«": '<span class="math inline">',
    "‹": '<span class="math display">',
    "»": "</span>",
    "›": "</span>",
}
FORMULAS = [
    ("$x^2$", "<p>«$x^2$»</p>"),
    ("$x$ is 5", "<p>«$x$» is 5</p>"),
    ("a $b_1 * c_2$ d * e_3 f", "<p>a «$b_1 * c_2$» d * e_3 f</p>"),
    ("the $n$th", "<p>the «$n$»th</p>"),
    ("$a\nb$", "<p>«$a\nb$»</p>"),
    (r"$\$5$", r"<p>«$\$5$»</p>"),
    (r"\(a\_b\)", r"<p>«\(a\_b\)»</p>"),
    (r"x \[a\] y", r"<p>x ‹\[a\]› y</p>"),
    (r"\( a \\) b \)", r"<p>«\( a \\) b \)»</p>"),
    ("so $$a$$, too", "<p>so ‹$$a$$›, too</p>"),
    ("$$a$$", "<p>‹$$a$$›</p>"),
    ("$$\na\n- b\n= c\n$$", "<p>‹$$\na\n- b\n= c\n$$›</p>"),
    ("as\n\\[\na\n\\]\nb", "<p>as</p>\n<p>‹\\[\na\n\\]›</p>\n<p>b</p>"),
    ("> $$\n> a\n> $$", "<blockquote>\n<p>‹$$\na\n$$›</p>\n</blockquote>"),
    ("1. a\n   \\[\n   b\n   \\]", "<ol>\n<li>a<p>‹\\[\nb\n\\]›</p>\n</li>\n</ol>"),
    ("$a<b>c$", "<p>«$a&lt;b&gt;c$»</p>"),
    ("**$a$** | $b$", "<p><strong>«$a$»</strong> | «$b$»</p>"),
    ("|$a$|\n|-|\n|b|", "<th>«$a$»</th>"),
]
NO_FORMULAS = [
    "$5 and $10",
    "from $20,000 to $30,000",
    "US$5, A$6",
    "5$ or 10$",
    r"\$a\$",
    r"\$5 and $6",
    "$ a $",
    "$a $",
    "$$ $$",
    "$$$$",
    "$",
    "$$",
    r"\(\)",
    r"\( a",
    r"\\(a\\)",
    "`$a$`",
    "a `$b` c `d$`",
    "$5 `x$` y",
    "```\n$a$\n$$b$$\n```",
    "    $$\n    a\n    $$",
    "$$\na\n\nb\n$$",
    "$$\n`a`\n$$",
]
SLOW = {
    "dollars": "$" * 100_000,
    "dollars below the cap": "$" * 999,
    "pairs of dollars": "$$a" * 400,
    "dollars and text": "$a " * 6000,
    "escaped dollars": "$" + r"\$" * 900,
    "round openings": r"\(" * 9900,
    "square openings": r"\[" * 790,
    "openings by lines": "\\[a\n" * 790 + "a\n" * 1200,
    "dollars by lines": "$$a\n" * 490,
    "backslashes": "$" + "\\" * 19_000 + "$",
    "nested quotes": "> $$\n" * 490,
}


@pytest.mark.parametrize(("text", "html"), FORMULAS)
def test_a_formula_is_kept_as_it_was_written(text, html):
    for mark, tag in SPANS.items():
        html = html.replace(mark, tag)

    assert html in render_untrusted(text)


@pytest.mark.parametrize("text", NO_FORMULAS)
def test_prices_code_and_unclosed_delimiters_are_no_formulas(text):
    assert 'class="math' not in render_untrusted(text)


@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW)
def test_no_shape_of_formula_takes_long(text):
    begin = time.process_time()
    render_untrusted(text)

    assert time.process_time() - begin < 1


@pytest.mark.parametrize("name", ["math", "math inline x", "button", "math\ninline"])
def test_no_text_can_give_itself_a_class(name):
    assert "<span" not in render_untrusted(f'<span class="{name}">a</span>')
