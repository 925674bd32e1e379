"""The form of the preferences on the account page; keys are set on the labeling screen. No I/O."""

from collections.abc import Mapping

from app.accounts.preferences import Preferences
from app.web.forms import checked, number_or_text

SWITCHES = ("single_keys", "go_on", "expand_all", "shows_timer", "suggests_breaks")
MAX_TYPED = 20


def typed_from(form: Mapping[str, object]) -> dict[str, str | bool]:
    """What the posted form says, as the page shows it again; a box without a tick is not posted."""
    texts = {
        name: str(form.get(name, ""))[:MAX_TYPED] for name in ("language", "goal", "goal_unit")
    }
    return {**texts, **{name: name in form for name in SWITCHES}}


def typed_of(preferences: Preferences) -> dict[str, str | bool]:
    """The same for what is stored."""
    goal = preferences.goal
    return {
        "language": preferences.language or "",
        "goal": "" if goal is None else str(goal.amount),
        "goal_unit": "tasks" if goal is None else goal.unit,
        **{name: getattr(preferences, name) for name in SWITCHES},
    }


def preferences_from(
    typed: Mapping[str, str | bool], keys: Mapping[str, str]
) -> tuple[Preferences | None, dict[str, str]]:
    """The preferences with these keys, or None and what is wrong with which field."""
    amount = str(typed["goal"]).strip()
    goal = {"unit": typed["goal_unit"], "amount": number_or_text(int, amount)} if amount else None
    return checked(
        Preferences,
        {
            **{name: typed[name] for name in SWITCHES},
            "language": typed["language"] or None,
            "goal": goal,
            "keys": dict(keys),
        },
    )
