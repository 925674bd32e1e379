"""Every route of the application, and a database in which each of them finds something."""

import json
import uuid
from dataclasses import dataclass

import httpx2
from fastapi import FastAPI
from fastapi.routing import APIRoute
from sqlalchemy import text

from app.db import Base, transaction
from app.main import API, APIS, PAGES
from app.web.query_params import query_names

MODEL = "Zephyrion-7"  # what labelers must never see
OTHER = "other"  # a project of whose the labeler is no member
SAFE = {"GET"}


@dataclass(frozen=True)
class Call:
    """A method of a route, with the path's template, and what its query may name."""

    method: str
    template: str
    query: tuple[str, ...] = ()

    @property
    def is_api(self) -> bool:
        return self.template.startswith(API)

    @property
    def is_safe(self) -> bool:
        return self.method in SAFE


def every_call(app: FastAPI) -> list[Call]:
    """This function will list what can be called; the static files are not among it."""
    routes = [(API + route.path, route) for module in APIS for route in module.router.routes]
    routes += [(route.path, route) for module in PAGES for route in module.router.routes]
    routes += [(route.path, route) for route in app.routes if isinstance(route, APIRoute)]
    return sorted(
        {
            Call(method, path, tuple(sorted(query_names(route))))
            for path, route in routes
            for method in route.methods
        },
        key=lambda call: (call.template, call.method),
    )


@dataclass(frozen=True)
class Inhabited:
    """Ids of what is there, for the paths' placeholders."""

    ids: dict[str, object]
    engine: object

    def path(self, template: str, **changes: object) -> str:
        """The template with its placeholders filled in."""
        return template.format(**{**self.ids, **changes})

    async def rows(self) -> dict[str, int]:
        """How many rows each table has."""
        async with transaction(self.engine) as tx:
            return {
                name: await tx.scalar(text(f"select count(*) from {name}"))
                for name in Base.metadata.tables
            }


async def inhabit(
    app: FastAPI, admin: httpx2.AsyncClient, member: httpx2.AsyncClient, *, email: str
) -> Inhabited:
    """Two projects with slates; `member` labels in the first and has ranked one of them."""
    for slug in ("demo", OTHER):
        await _project(admin, slug)
    joined = await admin.put(f"{API}/projects/demo/members/{email}", json={"role": "labeler"})
    assert joined.status_code == 200, joined.text
    done = (await member.post(f"{API}/projects/demo/tasks/next")).json()
    ranked = (await rank(member, done)).json()
    held = (await member.post(f"{API}/projects/demo/tasks/next")).json()
    dataset = (await admin.post(f"{API}/projects/demo/datasets")).json()
    async with transaction(app.state.engine) as tx:
        run = await tx.scalar(
            text("insert into runs (project_id, kind, settings, dataset_id, status) "
                 "select project_id, 'reward', '{}', id, 'cancelled' from datasets returning id")
        )  # fmt: skip
        report = await tx.scalar(
            text("insert into reports (task_id, labeler_id, kind) "
                 "select id, labeler_id, 'rendering' from tasks where id = :task returning id"),
            {"task": held["id"]},
        )  # fmt: skip
        slate = await tx.scalar(
            text("select slate_id from tasks where id = :task"), {"task": held["id"]}
        )
        exclusion = await tx.scalar(
            text("insert into exclusions (slate_id, reason, created_by, revoked_by, revoked_at) "
                 "select s.id, 'Spam', u.id, u.id, now() from slates s, users u "
                 "order by s.id, u.id limit 1 returning id")
        )  # fmt: skip
        user = await tx.scalar(text("select id from users where email = :email"), {"email": email})
        token = await tx.scalar(text("select max(id) from api_tokens"))
    return Inhabited(
        {
            "slug": "demo",
            "email": email,
            "pseudonym": "L-01",
            "number": 1,
            "task_id": held["id"],
            "ranking_id": ranked["ranking"],
            "remark_id": 1,
            "dataset_id": dataset["id"],
            "run_id": run,
            "name": "manifest.json",
            "kind": "prompts",
            "token_id": token,
            "user_id": user,
            "action": "disable",
            "key": "opinion",
            "report_id": report,
            "slate_id": slate,
            "exclusion_id": exclusion,
        },
        app.state.engine,
    )


async def _project(admin: httpx2.AsyncClient, slug: str) -> None:
    made = await admin.post(
        f"{API}/projects", json={"slug": slug, "name": slug.title(), "guidelines": "Be fair."}
    )
    assert made.status_code == 201, made.text
    lines = [
        {"prompt": f"Question {i}", "responses": [
            {"text": f"Answer {i} {letter}", "model": MODEL} for letter in "abcd"
        ]}
        for i in range(3)
    ]  # fmt: skip
    imported = await admin.post(
        f"{API}/projects/{slug}/responses",
        content="\n".join(map(json.dumps, lines)),
        headers={"content-type": "application/x-ndjson"},
    )
    assert imported.status_code == 200, imported.text


def ranking_of(task: dict, **changes: object) -> dict[str, object]:
    """A ranking in the order shown."""
    return {
        "lease_token": task["lease_token"],
        "responses": [
            {"id": response["id"], "rank": rank, "rating": 7 - rank, "flags": []}
            for rank, response in enumerate(task["responses"], start=1)
        ],
        **changes,
    }


async def rank(client: httpx2.AsyncClient, task: dict, **changes: object) -> httpx2.Response:
    """Submit it with a new key."""
    return await client.put(
        f"{API}/tasks/{task['id']}/ranking",
        json=ranking_of(task, **changes),
        headers={"Idempotency-Key": str(uuid.uuid4())},
    )
