"""The calls by which people read and change what they have set for themselves."""

from fastapi import APIRouter

from app.accounts.deps import SignedIn
from app.accounts.preferences import Preferences, preferences_of, replace_preferences
from app.web.deps import Tx
from app.web.json_body import StrictJSONRoute

router = APIRouter(tags=["accounts"], route_class=StrictJSONRoute)


@router.get("/me/preferences")
async def get_preferences(tx: Tx, viewer: SignedIn) -> Preferences:
    """Get your preferences, with the defaults for what you have not set."""
    return await preferences_of(tx, viewer)


@router.put("/me/preferences")
async def put_preferences(preferences: Preferences, tx: Tx, viewer: SignedIn) -> Preferences:
    """Replace all of your preferences; what is left out gets its default."""
    await replace_preferences(tx, viewer, preferences)
    return preferences
