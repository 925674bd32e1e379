"""What admins read of signals: what went off, and how its number is written."""

from app.agreement.behaviour.alert_rules import Key
from app.agreement.behaviour.alerts import Signal
from app.web.formats import fixed, percent
from app.web.translation import gettext

SHARES: frozenset[Key] = frozenset(
    {
        "low_agreement",
        "reversed_scale",
        "low_gold",
        "low_with_researchers",
        "low_self_consistency",
        "too_fast",
        "never_opens",
        "same_rating",
        "never_ties",
        "ties_most",
        "rating_conflicts",
    }
)
PROBABILITIES: frozenset[Key] = frozenset({"best_by_position", "as_displayed"})
LEAST_WRITTEN = 1e-4


def titles() -> dict[Key, str]:
    """Each signal in a few words, in the reader's language."""
    return {
        "low_agreement": gettext("low agreement with the others' consensus"),
        "reversed_scale": gettext("ranks against the others: best and worst may be swapped"),
        "drift": gettext("agreement has fallen (CUSUM)"),
        "low_gold": gettext("low accuracy on known answers"),
        "gold_fell": gettext("accuracy on known answers has fallen (z)"),
        "low_with_researchers": gettext("low agreement with researchers"),
        "low_self_consistency": gettext("ranks repeated prompts differently"),
        "position": gettext("the place on the screen decides (z)"),
        "best_by_position": gettext("best responses pile up at one place (p)"),
        "as_displayed": gettext("ranks as displayed too often (p)"),
        "too_fast": gettext("tasks above 1,000 words per minute"),
        "never_opens": gettext("never unfolds long responses"),
        "same_rating": gettext("one rating for nearly everything"),
        "narrow_ratings": gettext("hardly varies the ratings (entropy)"),
        "never_ties": gettext("never ties"),
        "ties_most": gettext("ties most pairs"),
        "rating_conflicts": gettext("ranks against the own ratings"),
    }


def written(signal: Signal, value: float | None) -> str:
    """The signal's value or limit as people read it."""
    if signal.key in SHARES:
        return percent(value)
    if signal.key in PROBABILITIES and value is not None:
        return f"< {fixed(LEAST_WRITTEN, 4)}" if value < LEAST_WRITTEN else fixed(value, 4)
    return fixed(value, 2)
