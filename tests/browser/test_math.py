"""Formulas in a real browser, under the real Content-Security-Policy."""

from playwright.async_api import expect

from tests.browser.labeling_data import make_place
from tests.browser.screen import Screen

FORMULAS = (
    r"Mean $\bar x=\frac{1}{n}\sum_{i=1}^n x_i$, root $\sqrt{\frac{a}{b}}$, vector $\vec{a}$.",
    "So\n\n$$\n\\begin{aligned}\na &= b \\\\\n  &= \\left(\\frac{c}{\\frac{d}{e}}\\right)\n"
    "\\end{aligned}\n$$\n\nand \\[ \\boxed{42} \\] or \\(\\pmb{x}\\), $\\fcolorbox{red}{blue}{y}$.",
    "It is $5 or $10; in code `$x$` and\n\n```\n$y$\n```",
    r"$\href{javascript:alert(1)}{x}$ $\includegraphics{http://evil.example/a.png}$ "
    r"$\htmlClass{button}{z}$ $\raisebox{-90em}{low}$ $\kern-900em q$ $\rule{9em}{9em}$",
)
HEAVY = (
    "$" + r"\frac{1}{" * 150 + "x" + "}" * 150 + "$",
    r"$\def\a{xx}\def\b{\a\a\a}\b$ $\undefined{x}$ $x^$",
    " ".join(rf"\({number}\)" for number in range(500)),
    "$" + "{" * 900 + "$",
)


async def test_formulas_are_set_and_nothing_else_is(open_page, engine):
    place = await make_place(engine, texts=FORMULAS)
    page = await open_page(place.labeler_id)
    hosts = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))

    await Screen(page).open(place.label)

    await expect(page.locator(".math.is-set")).to_have_count(8)
    refused = await page.locator(".math:not(.is-set)").all_inner_texts()
    assert [source.split("{")[0] for source in refused] == [
        r"$\href",
        r"$\includegraphics",
        r"$\htmlClass",
        r"$\raisebox",
        r"$\kern-900em q$",
    ]
    arrow = await page.locator(".katex-overlay svg").first.bounding_box()
    assert arrow["width"] > 5
    bodies = await page.locator(".response-body").all_inner_texts()
    assert any("It is $5 or $10; in code $x$" in body for body in bodies)
    assert await page.locator(".response-body :is(a, img, .button)").count() == 0
    assert len(hosts) == 1
    # The fonts of KaTeX are there.
    assert await page.evaluate(
        "document.fonts.ready.then(() => document.fonts.check('16px KaTeX_Main'))"
    )


async def test_a_page_without_formulas_does_not_load_katex(open_page, engine):
    place = await make_place(engine)
    page = await open_page(place.labeler_id)
    urls = []
    page.on("request", lambda request: urls.append(request.url))

    await Screen(page).open(place.label)
    await page.wait_for_load_state("networkidle")

    assert any("labeling-bundle" in url for url in urls)
    assert not [url for url in urls if "katex" in url or url.endswith("/math.js")]


async def test_without_scripts_the_source_of_a_formula_is_readable(open_page, engine):
    place = await make_place(engine, texts=FORMULAS)
    page = await open_page(place.labeler_id, java_script_enabled=False)

    await page.goto(place.label)

    await expect(page.get_by_text(r"root $\sqrt{\frac{a}{b}}$, vector")).to_be_visible()


async def test_formulas_that_are_wrong_or_too_much_stay_as_they_are_and_hold_up_nothing(
    open_page, engine
):
    place = await make_place(engine, texts=HEAVY)
    page = await open_page(place.labeler_id)
    screen = Screen(page)

    await screen.open(place.label)
    await page.keyboard.press("a")
    await page.keyboard.press("4")

    await expect(page.locator(".math.is-set")).to_have_count(500)
    await expect(page.get_by_text(r"$\def\a{xx}\def\b{\a\a\a}\b$")).to_be_attached()
    await expect(screen.status).to_contain_text("B, C, D not rated")
