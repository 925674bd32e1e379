"""A project whose eight labelers rank much alike, except for one who goes by the place."""

import json

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.projects.flag_storage import store_flags
from app.projects.flags import DEFAULT_FLAGS
from tests.labeled_project import Given, GivenSlate, Seeded, seed

LABELERS, RESPONSES = 8, 5
SPREAD = 1.7
BY_PLACE = 3  # the labeler who goes by the place
MODELS = ("sft", "ppo", "sft", "ppo", "sft")
TAGS = (["code", "lang:en"], ["chat", "lang:en"], ["chat", "lang:de"], ["it", "lang:fr"])

DISPLAYED = text("""
update rankings r set display_order = given.display_order, active_ms = given.active_ms
from jsonb_to_recordset(cast(:rows as jsonb)) as given
     (slate_id bigint, place int, display_order bigint[], active_ms int)
join tasks t on t.slate_id = given.slate_id and t.place = given.place
where r.slate_id = t.slate_id and r.labeler_id = t.labeler_id
""")
FLAGGED = text("""
update ranking_items i set flags = array[(select min(key) from flags
                                          where project_id = :project_id and scope = 'response')]
from rankings r
where r.id = i.ranking_id and r.slate_id = any(:slates) and hashint8(i.response_id) % 9 = 0
  and hashint8(i.response_id + r.labeler_id) % 5 <> 0
""")


async def make_team(
    tx: AsyncSession, *, slates: int, slug: str = "team", alone: int = 0, seed_: int = 7
) -> Seeded:
    """Store it: each slate is ranked by two, the last `alone` by one; rounds 1 to 3."""
    rng = np.random.default_rng(seed_)
    given, shown = [], []
    for number in range(slates):
        worth = SPREAD * np.exp(0.5 * rng.normal()) * rng.normal(size=RESPONSES)
        both = rng.choice(LABELERS, size=1 if number >= slates - alone else 2, replace=False) + 1
        rankings = []
        for labeler in both.tolist():
            places = rng.permutation(RESPONSES)
            pull = -1.2 * places if labeler == BY_PLACE else worth
            order = np.argsort(-(pull + rng.gumbel(size=RESPONSES)))
            ranks = np.empty(RESPONSES, dtype=int)
            ranks[order] = np.cumsum([1, *(rng.random(RESPONSES - 1) > 0.1)])
            ratings = np.clip(8 - ranks + rng.integers(-1, 2, RESPONSES), 1, 7)
            purpose = "overlap" if len(both) > 1 else "fresh"
            rankings.append(
                Given(labeler, [ranks.tolist()], ratings=ratings.tolist(), purpose=purpose)
            )
            wpm = 900 if labeler == BY_PLACE else 220 + 15 * labeler
            shown.append((number, len(rankings), places, 60_000 * 150 / wpm))
        given.append(
            GivenSlate(
                rankings,
                texts=["word " * int(rng.integers(10, 50)) for _ in range(RESPONSES)],
                models=MODELS,
                round=1 + 3 * number // slates,
                tags=TAGS[number % len(TAGS)],
            )
        )
    seeded = await seed(tx, given, slug=slug, labelers=LABELERS)
    await store_flags(tx, seeded.project.id, DEFAULT_FLAGS)
    rows = [
        {
            "slate_id": seeded.slates[number],
            "place": place,
            "display_order": [seeded.responses[number][i] for i in np.argsort(places)],
            "active_ms": round(active_ms),
        }
        for number, place, places, active_ms in shown
    ]
    await tx.execute(DISPLAYED, {"rows": json.dumps(rows)})
    await tx.execute(FLAGGED, {"project_id": seeded.project.id, "slates": seeded.slates})
    return seeded
