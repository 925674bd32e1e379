"""What the numbers that a run ends with are called, where they have no curve to take it from."""

from typing import Final

METRICS: Final[dict[str, str]] = {
    "accuracy/validation_low": "Accuracy: validation, 95% interval from",
    "accuracy/validation_high": "Accuracy: validation, 95% interval to",
    "comparisons/validation": "Strict comparisons, validation",
    "ties/validation": "Ties left out, validation",
    "reward/bias": "Bias, so that demonstrations score 0",
    "learning_rate": "Learning rate",
    "tokens": "Tokens trained on",
    "tokens_per_second": "Tokens per second",
    "pretraining/texts": "Pretraining texts, last step",
    "pretraining/tokens": "Pretraining tokens, last step",
    "ptx/texts": "Pretraining texts, last iteration",
    "ptx/tokens": "Pretraining tokens, last iteration",
    "objective/entropy": "Entropy, nats per response",
    "selection/step": "Step of the chosen checkpoint",
    "selection/reward": "Score of the chosen checkpoint",
    "sampled/prompts": "Prompts sampled for",
    "sampled/responses": "Responses sampled",
    "sampled/resampled": "Responses drawn more than once",
    "sampled/empty": "Responses still empty",
    "sampled/duplicate": "Responses still duplicates",
}
ROWS: Final[dict[str, str]] = {
    "rankings": "Rankings",
    "responses": "Responses",
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
