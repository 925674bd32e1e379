"""What each number means, in the language of whoever reads it: for the page and for the API."""

from app.web.translation import gettext


def definitions() -> dict[str, tuple[str, str]]:
    """A title and a definition for each name that the API uses."""
    return {
        "unit": (
            gettext("Unit"),
            gettext(
                "One pair of responses judged by two labelers. In the numbers at the top only the "
                "first two labels of a prompt count, so that later ones cannot tilt them; the "
                'tables count all. Responses marked "cannot judge" are in no pair.'
            ),
        ),
        "strict": (
            gettext("Strict"),
            gettext(
                "Of the pairs on which both labelers have a preference, how many they order alike. "
                "This is the 72.6% of InstructGPT's training labelers. By chance: 50%."
            ),
        ),
        "half": (
            gettext("Ties count half"),
            gettext(
                "All pairs: 1 when alike (two ties are alike), a half when one labeler ties, 0 "
                "when opposite."
            ),
        ),
        "three_way": (
            gettext("Three-way"),
            gettext(
                "All pairs: 1 when alike, else 0. Chance is below a half and moves with the ties; "
                "do not compare it with the others."
            ),
        ),
        "interval": (
            gettext("SE and 95% interval"),
            gettext(
                "Pairs of one prompt depend on each other, so prompts are the clusters. The "
                "interval is at first a t interval with prompts − 1 degrees of freedom; in the "
                "background the numbers at the top get percentiles of 1,000 samples of the prompts "
                "drawn with replacement, and with fewer than ten labelers of labelers and prompts, "
                "whichever is wider."
            ),
        ),
        "alpha": (
            gettext("Alpha"),
            gettext(
                "Krippendorff's alpha: 1 is perfect, 0 is chance. Of pairs: nominal and "
                "symmetrized; of ratings: ordinal. 72.6% without ties is about 0.45. The t "
                "interval is a jackknife over prompts."
            ),
        ),
        "win_rate": (
            gettext("Win rate"),
            gettext(
                "(wins + ties / 2) / comparisons between responses of two models in the same "
                "ranking, all labelers' rankings, with prompts as clusters."
            ),
        ),
        "margin": (
            gettext("Margin"),
            gettext(
                "How far apart the labelers of a slate rated the two responses of a pair, on "
                "average and without the sign, rounded down."
            ),
        ),
        "status": (
            gettext("Provisional, not enough data"),
            gettext(
                "Agreement is hidden below 10 shared prompts or 50 comparisons, and provisional "
                "below 30 prompts or with an interval wider than ±10 points. Two labelers: 5, 30 "
                "and 15. Win rates: hidden below 30 prompts, provisional below 100."
            ),
        ),
    }
