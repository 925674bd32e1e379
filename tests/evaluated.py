"""The result of a reward run, as the trainer writes it, with all that is measured at its end."""


def share(value: float, count: int = 84, prompts: int = 24) -> dict[str, object]:
    return {"value": value, "low": max(0.0, value - 0.06), "high": min(1.0, value + 0.06),
            "count": count, "prompts": prompts}  # fmt: skip


OVERSHOOTS = (
    "At the same reward, labelers choose the shorter response more often: the reward model "
    "overshoots how much they like length."
)
NOTHING = {"value": None, "count": 0, "prompts": 0, "reason": "not enough data: no such comparison"}
BINS = [
    {"low": 0.5 + number / 20, "high": 0.55 + number / 20, "confidence": 0.525 + number / 20,
     "accuracy": 0.5 + number / 25, "count": 60 - 6 * number}
    for number in range(10)
]  # fmt: skip
EVALUATED = {
    "kind": "reward",
    "metrics": {"accuracy": 0.71, "loss/validation": 0.55},
    "model": "model",
    "rows": {"used": 14, "dropped": 2},
    "versions": {"torch": "2.12", "transformers": "5.1"},
    "lineage": {
        "dataset_sha256": "ab" * 32,
        "files": {"rankings.jsonl": "cd" * 32},
        "parents": {"base_model": "ef" * 32},
        "settings": {"seed": 7},
        "seed": 7,
        "rows_used": [f"row-{number}" for number in range(14)],
        "rows_dropped": {"row-14": "all its responses are tied", "row-15": "longer than 1024"},
        "rows_cut": {},
    },
    "evaluation": {
        "accuracy": share(0.71),
        "accuracy_per_prompt": share(0.7),
        "by_labeler": {"L-01": share(0.74), "L-02": share(0.68)},
        "by_margin": {"0": NOTHING, "1": share(0.62), "2": share(0.75), "3+": share(0.9)},
        "by_round": {"1": share(0.73, 60), "2": share(0.66, 24), "10": share(0.7, 12)},
        "by_models": [
            {"models": ["base", "tuned"], "accuracy": share(0.79, 48)},
            {"models": ["tuned", "tuned"], "accuracy": share(0.61, 36)},
        ],
        "training_labelers": share(0.72),
        "held_out_labelers": share(0.69),
        "calibration": {
            "temperature": 1.31, "log_loss_before": 0.61, "log_loss_after": 0.58,
            "brier_before": 0.21, "brier_after": 0.2, "ece_before": 0.061, "ece_after": 0.018,
            "bins": BINS,
        },
        "length": {
            "mean_spearman": 0.31, "longer_wins": share(0.58),
            "when_chosen_longer": share(0.81), "when_chosen_shorter": share(0.57),
            "warning": "It is right 24 points more often where the longer response was chosen.",
            "choice": {
                "reward": {"value": 0.91, "se": 0.11, "low": 0.68, "high": 1.14},
                "log_length": {"value": -0.42, "se": 0.15, "low": -0.73, "high": -0.11},
                "count": 84, "prompts": 33, "warning": OVERSHOOTS,
            },
        },
        "agreement": {
            "agreement": share(0.726), "ceiling": 0.836, "empirical_ceiling": share(0.79),
            "accuracy": share(0.73), "accuracy_beside_majority": share(0.76),
        },
        "folds": [
            {"labelers": ["L-01"], "training_labelers": share(0.72),
             "held_out_labelers": share(0.68)},
            {"labelers": ["L-02"], "training_labelers": share(0.74),
             "held_out_labelers": share(0.7)},
        ],
    },
}  # fmt: skip
