"""What may set off an alert, and from how many labels on it is looked at: the page's promise. Pure.

A signal belongs to a family; the signals of a family are drawn from the same labels and go off
together. Of an honest labeler, those of two families do not.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from app.agreement.behaviour.drift import REFERENCE_PROMPTS
from app.agreement.behaviour.evidence import GOLD_WINDOW
from app.agreement.metrics.estimates import GOLD, LIMITS, REPEATED, RESEARCHED, SHARED
from app.web.translation import gettext

Family = Literal[
    "consensus", "trusted", "repeats", "position", "reading", "variety", "contradiction"
]
Key = Literal[
    "low_agreement",
    "reversed_scale",
    "drift",
    "low_gold",
    "gold_fell",
    "low_with_researchers",
    "low_self_consistency",
    "position",
    "best_by_position",
    "as_displayed",
    "too_fast",
    "never_opens",
    "same_rating",
    "narrow_ratings",
    "never_ties",
    "ties_most",
    "rating_conflicts",
]

TASKS = "not enough data: %(count)s of %(least)s tasks"
TIMED = "not enough data: %(count)s of %(least)s timed tasks"
FOLDED = "not enough data: %(count)s of %(least)s long responses"
RATED = "not enough data: %(count)s of %(least)s ratings"
TEAM = "not enough data: %(count)s of %(least)s labelers to compare with"
WIDE = "provisional: the 95% interval is wider than ±10 points"


@dataclass(frozen=True)
class Rule:
    """What a signal is drawn from, and from how many labels on it is looked at."""

    family: Family
    least: int
    missing: str


LEAST = LIMITS["labeler"].ok_prompts
# Gold decides only some pairs of a slate, so that an interval of ±10 points takes more prompts.
LEAST_GOLD = 40
RULES: dict[Key, Rule] = {
    "low_agreement": Rule("consensus", LEAST, SHARED),
    "reversed_scale": Rule("consensus", LEAST, SHARED),
    "drift": Rule("consensus", REFERENCE_PROMPTS + 10, SHARED),
    "low_gold": Rule("trusted", LEAST_GOLD, GOLD),
    "gold_fell": Rule("trusted", LEAST + GOLD_WINDOW, GOLD),
    "low_with_researchers": Rule("trusted", LEAST, RESEARCHED),
    "low_self_consistency": Rule("repeats", LEAST, REPEATED),
    "position": Rule("position", LEAST, TASKS),
    "best_by_position": Rule("position", LEAST, TASKS),
    "as_displayed": Rule("position", LEAST, TASKS),
    "too_fast": Rule("reading", LEAST, TIMED),
    "never_opens": Rule("reading", LEAST, FOLDED),
    "same_rating": Rule("variety", LEAST, RATED),
    "narrow_ratings": Rule("variety", LEAST, RATED),
    "never_ties": Rule("variety", LEAST, TASKS),
    "ties_most": Rule("variety", LEAST, TASKS),
    "rating_conflicts": Rule("contradiction", LEAST, TASKS),
}


class Lack(NamedTuple):
    """Why a signal is not looked at; put into words only when somebody reads it."""

    message: str
    have: int = 0
    least: int = 0

    def __str__(self) -> str:
        """Say it in the reader's language."""
        if self.message == WIDE:
            return gettext(WIDE)
        return gettext(self.message, count=self.have, least=self.least)
