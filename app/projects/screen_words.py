"""What the screen settings are called, what each does, and what they come to for a labeler."""

from typing import Final

from app.projects.screen import ScreenSettings
from app.web.formats import number
from app.web.translation import gettext

# title, a sentence about all of them, names of the settings
GROUPS: Final[tuple[tuple[str, str | None, tuple[str, ...]], ...]] = (
    ("Flow", None, ("flow", "criteria_profile", "criteria_text", "mobile")),
    (
        "Ratings, ranks and flags",
        None,
        (
            "require_rating",
            "require_rank",
            "rate_unjudged",
            "allow_ties",
            "flags_mode",
            "conflict_gap",
        ),
    ),
    (
        "What the ratings mean",
        "Labelers read it in the guidelines, and on the steps under the pointer.",
        ("rating_1", "rating_4", "rating_7"),
    ),
    (
        "Help that could bias",
        "Each of these makes work quicker and may pull ranks towards what it suggests; "
        "every ranking says which was used.",
        ("rank_assist", "rank_assist_experiment", "guided_mode", "neighbour_check"),
    ),
    (
        "Attention and time",
        None,
        ("preview_lines", "veil", "idle_seconds_min", "lease_minutes", "break_after_minutes"),
    ),
    (
        "Feedback",
        "Labelers learn how others ranked only what they have ranked themselves.",
        ("feedback_delay_hours", "feedback_items"),
    ),
    (
        "Sampling of tasks",
        "Shares of tasks, from 0 to 1, of rounds that start from now on. How many slates get a "
        "second labeler is set on the project's overview.",
        ("gold_share", "anchor_share", "repeat_share"),
    ),
)

# label, what it does
WORDS: Final[dict[str, tuple[str, str]]] = {
    "flow": ("Order of work", "Whether labelers rate or rank first, and whether on one screen."),
    "criteria_profile": ("What goes first", "The criterion that stands above each task."),
    "criteria_text": (
        "What goes first, in your words",
        "Used when the choice above is “in own words”.",
    ),
    "mobile": ("Small screens", "Whether phones may label; they show little at once."),
    "require_rating": ("Each response needs a rating", "From 1 to 7, unless it cannot be judged."),
    "require_rank": ("Each response needs a rank", "Unless it cannot be judged."),
    "rate_unjudged": (
        "What cannot be judged is rated 1",
        "Nobody is asked for its rating then; it has no rank and is in no pair either way.",
    ),
    "allow_ties": ("Responses may share a rank", "Without ties labelers have to decide each pair."),
    "flags_mode": (
        "Flags",
        "A yes or no to each takes longer and finds more; never mix both in one reported rate.",
    ),
    "conflict_gap": (
        "Ask about conflicts from",
        "Ratings this far apart that contradict the order are asked about once; empty never asks.",
    ),
    "rating_1": ("1, the worst", "For example: wrong or harmful throughout."),
    "rating_4": ("4, in the middle", "For example: helps, with faults that matter."),
    "rating_7": ("7, the best", "For example: nothing could be better."),
    "rank_assist": ("Ranks from ratings", "Whether the ratings may fill the rank board."),
    "rank_assist_experiment": (
        "Fill ranks in half of the tasks only",
        "Chance decides for each labeler and task; the page on agreement compares the two halves.",
    ),
    "guided_mode": ("Ranking by questions", "Asks which of two responses is better, one by one."),
    "neighbour_check": (
        "Check of neighbors",
        "Whether ranking by questions ends by comparing neighbors once more.",
    ),
    "preview_lines": (
        "Lines before folding",
        "Longer responses are folded to this many lines, all alike, until they are opened.",
    ),
    "veil": ("Veil", "Which tasks start behind a veil that the labeler lifts or skips."),
    "idle_seconds_min": (
        "Idle after",
        "Seconds without a sign of work before time stops counting; longer for long texts.",
    ),
    "lease_minutes": (
        "Task is held for",
        "Minutes before an untouched task goes to somebody else; empty takes the server's.",
    ),
    "break_after_minutes": (
        "Suggest a break after",
        "Active minutes, and labelers can dismiss it; empty never suggests one.",
    ),
    "feedback_delay_hours": (
        "Feedback after",
        "Hours from a slate's last ranking until its labelers see how others ranked.",
    ),
    "feedback_items": ("Disagreements shown", "How many of them a labeler sees at once."),
    "gold_share": ("Known answers", "Tasks whose best order is known beforehand."),
    "anchor_share": ("Anchors", "Tasks that every round repeats, to notice drift."),
    "repeat_share": (
        "Repeats",
        "Tasks that the same labeler gets twice, to see how steady one is.",
    ),
}

CHOICES: Final[dict[str, dict[str, str]]] = {
    "flow": {
        "single_screen": "rate, then rank, on one screen",
        "two_step": "rate all, then rank on a board that appears",
        "rank_first": "rank, then rate",
    },
    "criteria_profile": {
        "training": "helpful, then truthful, then harmless",
        "evaluation": "truthful and harmless, then helpful",
        "custom": "in own words",
    },
    "mobile": {
        "small_slates": "allowed up to 5 responses",
        "never": "never",
        "always": "always",
    },
    "flags_mode": {"check_all": "tick what applies", "forced_yes_no": "yes or no to each"},
    "rank_assist": {
        "none": "never",
        "button": "by a button",
        "presort": "from the start",
    },
    "guided_mode": {
        "offered": "offered from 6 responses on",
        "off": "off",
        "always": "always",
    },
    "neighbour_check": {"offered": "offered", "off": "off", "required": "required"},
    "veil": {"flagged": "flagged as severe", "never": "none", "always": "all"},
}

# What empty means where it is allowed.
EMPTY: Final[dict[str, str]] = {
    "conflict_gap": "never",
    "lease_minutes": "the server's",
    "break_after_minutes": "never",
}


def in_words(settings: ScreenSettings) -> list[str]:
    """What the settings come to for a labeler, where a picture of the screen does not show it."""
    said = [
        _needs(settings),
        gettext("A response that cannot be judged is rated 1.") if settings.rate_unjudged else "",
        gettext("Ties are welcome.") if settings.allow_ties else gettext("Ties are refused."),
        gettext("Flags are ticked where they apply.")
        if settings.flags_mode == "check_all"
        else gettext("Each flag takes a yes or a no."),
        gettext(
            "An order against ratings %(gap)s or more apart is asked about once.",
            gap=settings.conflict_gap,
        )
        if settings.conflict_gap
        else gettext("An order against the ratings is never asked about."),
        _filled(settings),
        gettext(
            "Ranking by questions: %(mode)s; check of neighbors: %(check)s.",
            mode=gettext(CHOICES["guided_mode"][settings.guided_mode]),
            check=gettext(CHOICES["neighbour_check"][settings.neighbour_check]),
        ),
        gettext("Small screens: %(which)s.", which=gettext(CHOICES["mobile"][settings.mobile])),
        gettext("Veiled tasks: %(which)s.", which=gettext(CHOICES["veil"][settings.veil])),
        *_times(settings),
        gettext(
            "%(count)s disagreements are shown, %(hours)s hours after a slate is complete.",
            count=settings.feedback_items,
            hours=settings.feedback_delay_hours,
        ),
        gettext(
            "Of 100 tasks: %(gold)s known answer, %(anchor)s anchor, %(repeat)s repeat.",
            gold=number(100 * settings.gold_share),
            anchor=number(100 * settings.anchor_share),
            repeat=number(100 * settings.repeat_share),
        ),
    ]
    return [sentence for sentence in said if sentence]


def _needs(settings: ScreenSettings) -> str:
    if settings.require_rating and settings.require_rank:
        return gettext("Each response needs a rating and a rank.")
    if settings.require_rating:
        return gettext("Each response needs a rating.")
    if settings.require_rank:
        return gettext("Each response needs a rank.")
    return gettext("No rating or rank is needed.")


def _filled(settings: ScreenSettings) -> str:
    is_half = settings.rank_assist_experiment
    if settings.rank_assist == "presort" and not is_half:
        return gettext("The ratings fill the board from the start.")
    if settings.rank_assist == "presort":
        return gettext("In half of the tasks the ratings fill the board from the start.")
    if settings.rank_assist == "button" and is_half:
        return gettext("In half of the tasks a button fills the board from the ratings.")
    return ""


def _times(settings: ScreenSettings) -> list[str]:
    idle = settings.idle_seconds_min
    said = [
        gettext(
            "Time stops after %(idle)s idle seconds; "
            "a break is suggested after %(minutes)s minutes.",
            idle=idle,
            minutes=settings.break_after_minutes,
        )
        if settings.break_after_minutes
        else gettext("Time stops after %(idle)s idle seconds; no break is suggested.", idle=idle)
    ]
    if settings.lease_minutes:
        said.insert(
            0, gettext("A task is held for %(minutes)s minutes.", minutes=settings.lease_minutes)
        )
    return said
