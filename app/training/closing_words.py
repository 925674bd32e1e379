"""What the numbers that a run ends with are called, where they have no curve to take it from."""

from typing import Final

from app.training.charts import Quantity

METRICS: Final[dict[str, Quantity]] = {
    "accuracy/validation_low": Quantity("Accuracy: validation, 95% interval from", "%"),
    "accuracy/validation_high": Quantity("Accuracy: validation, 95% interval to", "%"),
    "comparisons/validation": Quantity("Strict comparisons, validation"),
    "ties/validation": Quantity("Ties left out, validation"),
    "reward/bias": Quantity("Bias, so that demonstrations score 0"),
    "learning_rate": Quantity("Learning rate"),
    "tokens": Quantity("Tokens trained on"),
    "pretraining/texts": Quantity("Pretraining texts, last step"),
    "pretraining/tokens": Quantity("Pretraining tokens, last step"),
    "ptx/texts": Quantity("Pretraining texts, last iteration"),
    "ptx/tokens": Quantity("Pretraining tokens, last iteration"),
    "policy/log_ratio_max": Quantity("Largest log-ratio of a token", "nats"),
    "objective/entropy": Quantity("Entropy of whole responses", "nats"),
    "selection/step": Quantity("Step of the chosen checkpoint"),
    "selection/reward": Quantity("Score of the chosen checkpoint"),
    "sampled/prompts": Quantity("Prompts sampled for"),
    "sampled/responses": Quantity("Responses sampled"),
    "sampled/resampled": Quantity("Responses drawn more than once"),
    "sampled/empty": Quantity("Responses still empty"),
    "sampled/duplicate": Quantity("Responses still duplicates"),
}
ROWS: Final[dict[str, str]] = {
    "rankings": "Rankings",
    "responses": "Responses",
    "responses_unfinished": "Responses cut off",
    "prompts": "Prompts",
    "prompts_cut": "Prompts shortened",
    "prompts_train": "Prompts, train",
    "prompts_validation": "Prompts, validation",
    "prompts_without_comparison": "Prompts without a comparison",
    "cut": "Rows shortened",
    "demonstrations": "Demonstrations",
    "train": "Demonstrations, train",
    "validation": "Demonstrations, validation",
    "dropped": "Rows left out",
    "pretraining_texts": "Pretraining texts",
    "pretraining_read": "Pretraining texts read",
    "pretraining_cut": "Pretraining texts shortened",
    "episodes": "Episodes",
}
