"""Which language a page is in, and that pages in German hold no English text of the catalogue."""

from html.parser import HTMLParser

import pytest
from sqlalchemy import text

from app.db import transaction
from tests.catalogue import texts_of
from tests.web.inhabited import every_call, inhabit

GERMAN = {"accept-language": "de-CH, de;q=0.9, en;q=0.5", "accept": "text/html"}
PREFER = text("update users set preferences = preferences || cast(:language as jsonb)")
SHOWN = ("aria-label", "title", "placeholder", "data-confirm", "data-empty")
NAMES_OF_DATA = {"policy", "train", "validation"}  # kinds of models and splits, as in the API
NOT_SAID = {"script", "style", "code", "pre", "kbd"}
PAGES_OF_LABELERS = (
    "/projects", "/account", "/projects/demo/me", "/projects/demo/me/tasks",
    "/projects/demo/guidelines/read", "/projects/demo/label", "/nowhere",
)  # fmt: skip


class Words(HTMLParser):
    """What people read or hear of a page, without what users wrote."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.inside: list[str] = []
        self.said: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        if tag in NOT_SAID:
            self.inside.append(tag)
        self.said |= {value for name, value in attributes if name in SHOWN and value}

    def handle_endtag(self, tag):
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data):
        if not self.inside and data.strip():
            self.said.add(" ".join(data.split()))


def english_in(html: str) -> list[str]:
    """The English texts of the catalogue that stand in a page although the German is another."""
    different = {
        " ".join(message.id.split())
        for message in texts_of("de")
        if isinstance(message.id, str) and message.id and message.id != message.string
    }
    said = Words(html).said
    sentences = [one for one in different if " " in one and "%(" not in one]
    return sorted(
        {
            *(said & (different - NAMES_OF_DATA)),
            *(one for one in sentences for all_ in said if one in all_),
        }
    )


@pytest.fixture
async def member(app, admin, labeler):
    return await inhabit(app, admin, labeler, email="labeler@example.org")


@pytest.fixture
async def member_browser(member, admin, labeler_browser):
    joined = await admin.put(
        "/api/v1/projects/demo/members/labeler.browser@example.org", json={"role": "labeler"}
    )
    assert joined.status_code == 200, joined.text
    return labeler_browser


@pytest.fixture
async def prefer(app):
    """Let everybody choose a language."""

    async def preferring(language):
        async with transaction(app.state.engine) as tx:
            await tx.execute(PREFER, {"language": f'{{"language": "{language}"}}'})

    return preferring


@pytest.mark.parametrize(
    ("header", "lang", "title"),
    [("de", "de", "Anmelden"), ("fr, de;q=0.4", "de", "Anmelden"), ("fr", "en", "Sign in")],
)
async def test_before_signing_in_the_browser_decides(client, header, lang, title):
    shown = await client.get("/sign-in", headers={"accept-language": header})

    assert f'<html lang="{lang}" dir="ltr">' in shown.text
    assert f"<title>{title} · Podium</title>" in shown.text
    assert "Accept-Language" in shown.headers["vary"]


async def test_without_a_header_it_is_english(client):
    assert '<html lang="en" dir="ltr">' in (await client.get("/sign-in")).text


async def test_what_the_viewer_prefers_wins(labeler_browser, prefer):
    await prefer("de")
    in_german = await labeler_browser.get("/projects", headers={"accept-language": "en"})
    await prefer("en")
    in_english = await labeler_browser.get("/projects", headers=GERMAN)

    assert '<html lang="de"' in in_german.text
    assert '<html lang="en"' in in_english.text


async def test_one_viewers_language_is_not_the_next_ones(labeler_browser, client, prefer):
    await prefer("de")
    await labeler_browser.get("/projects")

    assert '<html lang="en"' in (await client.get("/sign-in")).text


async def test_refusals_are_in_the_language_of_the_page(client):
    refused = await client.post(
        "/sign-in", data={"email": "a@example.org", "password": "no"}, headers=GERMAN
    )

    assert "E-Mail-Adresse und Passwort passen nicht zusammen." in refused.text


async def test_the_api_is_english_whoever_asks(labeler, prefer):
    await prefer("de")
    missing = await labeler.get("/api/v1/projects/none", headers=GERMAN)

    assert missing.json()["title"] == "Not Found"
    assert missing.json()["detail"].startswith("There is no such project")
    assert "accept-language" not in missing.headers.get("vary", "").lower()


@pytest.mark.parametrize("path", PAGES_OF_LABELERS)
async def test_pages_of_labelers_are_german_throughout(member_browser, path):
    first = await member_browser.get(path, headers=GERMAN)  # guidelines, before the first task
    await member_browser.post("/projects/demo/guidelines/read", data={"version": 1})
    then = await member_browser.get(path, headers=GERMAN)

    assert first.status_code == (404 if path == "/nowhere" else 200)
    assert english_in(first.text) == []
    assert english_in(then.text) == []


async def test_pages_of_admins_are_german_throughout(app, member, admin_browser):
    found = {}
    for call in every_call(app):
        if not call.is_api and call.method == "GET":
            shown = await admin_browser.get(member.path(call.template), headers=GERMAN)
            if shown.headers.get("content-type", "").startswith("text/html"):
                found[call.template] = english_in(shown.text)

    assert len(found) > 20
    assert {template: texts for template, texts in found.items() if texts} == {}
