"""What each number means, in the language of whoever reads it: for the page and for the API."""

from dataclasses import dataclass

from app.web.translation import gettext


@dataclass(frozen=True)
class Definition:
    """A number in words, with its formula and where it is from, as far as there is one."""

    title: str
    words: str
    formula: str = ""
    source: str = ""


# Formulas and names of papers are the same in every language.
SOURCES = {
    "strict": ("A = Σ agreeing units / Σ units", "Ouyang et al. 2022"),
    "half": ("1, ½ or 0 per unit", "Zhou et al. 2023"),
    "three_way": ("1 or 0 per unit", ""),
    "interval": ("SE = √(P/(P−1) Σ (a_p − A n_p)²) / Σ n_p", "Liang and Zeger 1986; Wilson 1927"),
    "alpha": ("1 − (n−1) Σ o_ck δ²_ck / Σ n_c n_k δ²_ck", "Krippendorff 2011"),
    "ac2": ("(p_a − p_e) / (1 − p_e)", "Gwet 2008"),
    "icc": (
        "(MSR − MSE) / (MSR + (k−1) MSE + k (MSC − MSE) / n)",
        "Shrout and Fleiss 1979, ICC(2,1)",
    ),
    "flags": ("2 n₁₁ / (2 n₁₁ + n₁₀ + n₀₁); (p_a − p_e) / (1 − p_e)", "Gwet 2008, AC1"),
    "leave_one_out": ("sign(Σ_v≠u x_v) = x_u", ""),
    "tau_b": ("(C − D) / √((n₀ − n₁)(n₀ − n₂))", "Kendall 1945"),
    "kendall_w": (
        "(12 Σ R² − 3 m² n (n+1)²) / (m² n (n²−1) − m Σ T); (m W − 1) / (m − 1)",
        "Kendall and Babington Smith 1939",
    ),
    "dawid_skene": ("q_u = mean P(z = x_u)", "Dawid and Skene 1979, one coin"),
    "crowd_bradley_terry": (
        "P(i > j | u) = η_u s(t_i − t_j) + (1 − η_u) s(t_j − t_i)",
        "Chen et al. 2013",
    ),
    "windows": ("z = (p₁ − p₂) / √(p (1 − p) (1/n₁ + 1/n₂))", "Rao and Scott 1992"),
    "position": ("z = Σ S / √(Σ Var S)", "Kendall 1970"),
    "drift": ("S_t = max(0, S_t−1 + p₀ − x_t − 0.05)", "Page 1954"),
    "win_rate": ("(wins + ties / 2) / n", ""),
    "anchors": (
        "z = β / SE(β), x = α_slate + β late",
        "Stiennon et al. 2020; Cameron, Gelbach, and Miller 2011",
    ),
    "strength": (
        "1000 + 400 t / ln 10, P(i > j) = 1 / (1 + exp(t_j − t_i))",
        "Bradley and Terry 1952",
    ),
    "ties_of_models": ("P(tie) ∝ ν √(π_i π_j)", "Davidson 1970"),
    "at_equal_length": (
        "t_i − t_j + β (l_i − l_j) / (l_i + l_j) / s",
        "Li et al. 2024, style control",
    ),
}


def definitions() -> dict[str, Definition]:
    """What each name means that the API uses."""
    return {
        name: Definition(title, words, *SOURCES.get(name, ("", "")))
        for name, (title, words) in _words().items()
    }


def leaderboard_definitions() -> dict[str, Definition]:
    """The same of the numbers that models are compared by."""
    return {
        name: Definition(title, words, *SOURCES.get(name, ("", "")))
        for name, (title, words) in _of_models().items()
    }


def _of_models() -> dict[str, tuple[str, str]]:
    return {
        "strength": (
            gettext("Strength"),
            gettext(
                "Each two responses of different models in one ranking are a comparison. Strengths "
                "are Bradley-Terry's on a scale like Elo's, where the baseline has 1000: 100 "
                "points more win 64% of comparisons. Intervals come from 1,000 bootstrap samples "
                "of prompts; the rank is 1 plus the number of models whose interval lies above "
                "this one's."
            ),
        ),
        "ties_of_models": (
            gettext("Ties"),
            gettext(
                "A tie is half a win of each. Where more than 20% of comparisons are ties, how "
                "often models tie is a parameter of its own, and strengths say who wins where "
                "labelers decide."
            ),
        ),
        "at_equal_length": (
            gettext("At equal length"),
            gettext(
                "The strength that remains when the length of responses is held fixed: the "
                "relative gap of length, in its standard deviations, is part of the logit. The "
                "95% interval is by standard errors with prompts as clusters. A tie is half a "
                "win; where ties are modeled, only decided comparisons count. Nothing is shown "
                "where length cannot be told from the models."
            ),
        ),
    }


def _words() -> dict[str, tuple[str, str]]:
    return _of_the_top() | _of_labelers()


def _of_the_top() -> dict[str, tuple[str, str]]:
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
                "This is the 72.6% of InstructGPT's training labelers. By chance: 50%. Averaged by "
                "prompt each prompt counts the same, by pair of labelers each two who share 30 "
                "comparisons; their intervals come from the same draws."
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
                "whichever is wider. Where all prompts say the same, neither has a width or an SE; "
                "then it is Wilson's interval, with each prompt as one case."
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
        "tau_b": (
            gettext("Tau-b"),
            gettext(
                "Kendall's correlation of two whole rankings with ties: 1 is the same order, 0 is "
                "chance, −1 is reversed. The mean over prompts; of the first two labels at the "
                "top, of each labeler with every other one in the tables."
            ),
        ),
        "kendall_w": (
            gettext("Kendall's W"),
            gettext(
                "How far three or more rankings of the same responses go together, from 0 to 1. By "
                "chance it is 1 / labelers, so beside it stands the mean correlation of two of "
                "them, which is 0 by chance. The mean over slates with three or more labels; where "
                "a third was asked for because two disagreed, both are lower."
            ),
        ),
        "ac2": (
            gettext("AC2 of ratings"),
            gettext(
                "Agreement of ratings corrected for chance, with quadratic weights; it stays high "
                "where nearly all ratings are the same."
            ),
        ),
        "icc": (
            gettext("ICC of ratings"),
            gettext(
                "Share of the ratings' variance that is of the responses, not of the labelers; "
                "how lenient a labeler is counts as disagreement. Only of responses that all "
                "labelers rated."
            ),
        ),
        "flags": (
            gettext("Flags: raw, positive, AC1"),
            gettext(
                "Raw: how often two labelers both set a flag or both do not; high for any rare "
                "flag. Positive: of the flags that one set, how far the other set them too. AC1: "
                "raw, corrected for chance."
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
        "language": (
            gettext("Language"),
            gettext(
                "What the tag of a prompt names that begins with lang:, like lang:en or "
                "lang:pt-BR; a prompt may have several. A code alone, like it or ml, is a tag like "
                "any other."
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


def _of_labelers() -> dict[str, tuple[str, str]]:
    return {
        "agreement": (
            gettext("Agreement"),
            gettext("Strict agreement of one labeler with each other one on the same slates."),
        ),
        "leave_one_out": (
            gettext("Leave-one-out"),
            gettext(
                "How often a labeler orders a pair as the sign of the others' sum does; own ties "
                "and pairs on which the others cancel out are left aside."
            ),
        ),
        "gold": (
            gettext("Gold"),
            gettext(
                "Of the pairs that a known answer orders, how many are ordered like that; a tie "
                "is wrong there."
            ),
        ),
        "researchers": (
            gettext("Researchers"),
            gettext(
                "Strict agreement with each ranking by an admin of the same slate; beside it, "
                "that of admins with each other."
            ),
        ),
        "ties": (gettext("Ties"), gettext("Share of the judged pairs that are tied.")),
        "conflicts": (
            gettext("Conflicts"),
            gettext("Pairs ranked against their ratings, of those rated two or more points apart."),
        ),
        "position": (
            gettext("Position z"),
            gettext(
                "Whether responses that are shown earlier rank better (above 0) or worse, in "
                "standard errors; places are drawn at random. Beyond ±3 it is no chance."
            ),
        ),
        "pace": (
            gettext("Words per minute"),
            gettext(
                "Median over tasks of the words of all responses per minute of active time; six "
                "characters are a word."
            ),
        ),
        "drift": (
            gettext("Drift"),
            gettext(
                "Whether agreement with the others has fallen since the first 30 prompts: a "
                "cumulative sum against the labeler's own usual share, set to one false alarm in "
                "500 prompts."
            ),
        ),
        "windows": (
            gettext("Two windows"),
            gettext(
                "Agreement with the others' consensus in the last 30 days of a labeler's shared "
                "prompts, and before. z compares the two with prompts as clusters; beyond ±3 it is "
                "hardly chance. It sets nothing off."
            ),
        ),
        "dawid_skene": (
            gettext("Dawid-Skene q"),
            gettext(
                "How often a labeler's preference is the right one, if every pair has a right "
                "answer that all labelers know with a probability of their own; estimated together "
                "with the answers. It needs pairs with three labels and takes the pairs of a "
                "ranking as independent, so it is a hint where to look and sets nothing off. The "
                "95% interval has prompts as clusters and allows for answers and all q being "
                "estimated from each other. It is approximate: with about 100 prompts of three "
                "labels it misses one q in ten, with more labels one in twenty."
            ),
        ),
        "crowd_bradley_terry": (
            gettext("Crowd Bradley-Terry η"),
            gettext(
                "How likely a labeler's comparison is the right way round, if responses have "
                "strengths and close ones are easily confused: near 50% is noise, below it the "
                "scale may be reversed, near 100% differences are explained by close responses. "
                "Of slates with three or more labels, the newest 2,000, of 8,000 labels at most; a "
                "hint, which sets nothing off. The interval has prompts as clusters and takes the "
                "strengths as given, so it is too narrow: of labelers who often rank at random it "
                "misses up to four in ten."
            ),
        ),
        "longer_wins": (
            gettext("Longer wins"),
            gettext(
                "Of pairs of unequal length, how often the longer response is preferred; chance "
                "is 50%."
            ),
        ),
        "first_is_best": (
            gettext("First is best"),
            gettext(
                "How often the response shown first is ranked best, ties shared; chance is 1 / K "
                "for K responses."
            ),
        ),
        "anchors": (
            gettext("Anchors"),
            gettext(
                "Slates that every round repeats: how often other models win over the SFT model in "
                "their last 100 rankings (at most half of all), ties as half a win. The responses "
                "stay the same, so that a change is drift of the labelers. It is compared slate by "
                "slate with the earlier rankings; z beyond 3 is a drift. Slates and labelers are "
                "the clusters of all intervals here, so it takes five of both."
            ),
        ),
        "skips": (gettext("Skips"), gettext("Share of the tasks that labelers skipped.")),
        "alert": (
            gettext("Alert"),
            gettext(
                "Two signals of different kinds are beyond their limits: a reason to look at "
                "cases and to talk, no verdict. One signal is no reason; somebody is always the "
                "lowest."
            ),
        ),
    }
