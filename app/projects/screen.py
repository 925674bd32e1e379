"""What a project decides about its labeling screen; for the rest, the defaults."""

from typing import Annotated, Literal

from pydantic import Field

from app.web.schemas import Body, Note, Text
from app.web.translation import gettext

# Labelers put helpfulness first for training data, and truthfulness and harmlessness first in
# evaluations: arXiv 2203.02155, section 3.4.
CRITERIA = {
    "training": "Helpful first, then truthful and harmless",
    "evaluation": "Truthful and harmless first, then helpful",
}
RankAssist = Literal["none", "button", "presort"]
Share = Annotated[float, Field(ge=0, le=1)]
Meaning = Annotated[Text, Field(max_length=500)]


class ScreenSettings(Body):
    """How labelers work on a task, stored as `projects.screen`.

    Attributes:
        flow: rate and rank on one screen; in two steps, with the board hidden until all are rated,
            as in InstructGPT (arXiv 2203.02155, figure 12); or rank before rating.
        rank_assist: whether ratings fill the ranks: never, by a button, or from the start.
        rank_assist_experiment: whether that holds for half of the tasks only, to measure what it
            does to ranks.
        flags_mode: tick what applies, or answer yes or no to each flag.
        require_rating: whether each judged response needs a rating.
        require_rank: whether each judged response needs a rank.
        rate_unjudged: whether a response that cannot be judged is stored with the rating 1.
        allow_ties: whether responses may share a rank.
        conflict_gap: which difference of ratings makes a contradicting order worth a question; None
            asks never.
        criteria_profile: which criterion goes first, said on the screen.
        criteria_text: the same in own words, for `custom`.
        rating_1: what the rating 1, the worst, means here; the guidelines and the step say it.
        rating_4: the same for 4.
        rating_7: the same for 7, the best.
        gold_share: share of tasks that have a known answer.
        anchor_share: share of tasks that every round repeats.
        repeat_share: share of tasks that a labeler gets twice.
        guided_mode: whether ranking by questions is offered: from 6 responses on, never, always.
        neighbour_check: whether guided ranking ends by comparing neighbours.
        preview_lines: after how many lines a long response is folded.
        veil: which tasks start behind a veil.
        idle_seconds_min: after how many seconds without a sign time stops counting, at least.
        lease_minutes: for how long a task stays with its labeler; None is the server's setting.
        feedback_delay_hours: age of a complete slate before its labelers see how others ranked.
        feedback_items: how many disagreements they see.
        mobile: whether small screens may label.
        break_after_minutes: after how many active minutes a break is suggested; None is never.
    """

    flow: Literal["single_screen", "two_step", "rank_first"] = "single_screen"
    rank_assist: RankAssist = "none"
    rank_assist_experiment: bool = False
    flags_mode: Literal["check_all", "forced_yes_no"] = "check_all"
    require_rating: bool = True
    require_rank: bool = True
    rate_unjudged: bool = False
    allow_ties: bool = True
    conflict_gap: Annotated[int, Field(ge=1, le=6)] | None = 2
    criteria_profile: Literal["training", "evaluation", "custom"] = "training"
    criteria_text: Note = ""
    rating_1: Meaning = ""
    rating_4: Meaning = ""
    rating_7: Meaning = ""
    gold_share: Share = 0.04
    anchor_share: Share = 0.02
    repeat_share: Share = 0.02
    guided_mode: Literal["offered", "off", "always"] = "offered"
    neighbour_check: Literal["offered", "off", "required"] = "offered"
    preview_lines: Annotated[int, Field(ge=10, le=60)] = 22
    veil: Literal["flagged", "never", "always"] = "flagged"
    idle_seconds_min: Annotated[int, Field(ge=30, le=600)] = 60
    lease_minutes: Annotated[int, Field(ge=10, le=1440)] | None = None
    feedback_delay_hours: Annotated[int, Field(ge=0, le=24 * 30)] = 24
    feedback_items: Annotated[int, Field(ge=0, le=50)] = 5
    mobile: Literal["small_slates", "never", "always"] = "small_slates"
    break_after_minutes: Annotated[int, Field(ge=20, le=120)] | None = 50

    @property
    def criteria(self) -> str:
        """What counts most, in a few words for the head of the screen."""
        if self.criteria_profile == "custom":
            return self.criteria_text
        return gettext(CRITERIA[self.criteria_profile])

    @property
    def meanings(self) -> dict[int, str]:
        """What ratings mean here, by rating, as far as the project says so."""
        told = {1: self.rating_1, 4: self.rating_4, 7: self.rating_7}
        return {rating: words.strip() for rating, words in told.items() if words.strip()}
