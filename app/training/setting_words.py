"""What each setting is called and counted in, on the form, on a run's page and in refusals."""

from typing import Final

# label, unit or explanation
WORDS: Final[dict[str, tuple[str, str]]] = {
    "steps": ("Iterations", "one batch of sampled responses each"),
    "beta": ("Beta", "strength of the tie to the reference model"),
    "epochs": ("Epochs", "passes over the data"),
    "learning_rate": ("Learning rate", "peak, of AdamW; falls along a cosine"),
    "batch_size": ("Batch size", "rows per optimizer step"),
    "minibatch_size": ("Minibatch size", "episodes per optimizer step, at most the batch size"),
    "responses_per_prompt": (
        "Responses per prompt",
        "episodes that share a prompt, which is computed once for them",
    ),
    "inner_epochs": ("Inner epochs", "passes over each batch of responses"),
    "value_learning_rate": ("Learning rate of the value model", "peak, of AdamW"),
    "warmup_steps": ("Warm-up", "steps until the peak learning rate"),
    "kl_coefficient": ("KL coefficient", "penalty per nat away from the reference model"),
    "kl_target_nats": (
        "KL target",
        "nats per response; the KL coefficient follows it; empty: it stays fixed",
    ),
    "kl_horizon_episodes": ("KL horizon", "episodes; how slowly the coefficient follows"),
    "kl_limit_nats": (
        "KL limit",
        "nats per response; above it the run ends before the update; empty: no limit",
    ),
    "max_new_tokens": ("Longest response", "tokens"),
    "max_tokens": ("Longest prompt plus response", "tokens; of a longer row the beginning is cut"),
    "temperature": ("Temperature", "of sampling; 1 draws from the policy itself"),
    "clip": ("Clip range", "of the policy's probability ratio"),
    "value_clip": ("Value clip range", "in units of reward"),
    "gamma": ("Discount", "1 is none"),
    "gae_lambda": ("GAE lambda", "0 trusts the value model, 1 the sampled reward"),
    "whiten_rewards": ("Whiten rewards", "scales a batch's token rewards to variance 1"),
    "pretraining_share": (
        "Pretraining share",
        "of the tokens in the loss; these texts come on top of the batch; 0 is off",
    ),
    "ptx_coefficient": (
        "Pretraining mix",
        "times the mean token loss of the pretraining texts; 0 is off; the paper has 27.8, but "
        "does not say what its loss is divided by",
    ),
    "ptx_texts_per_episode": ("Pretraining texts per episode", "used when the mix is on"),
    "missing_eos_penalty": ("Penalty for not ending", "reward taken off a cut response"),
    "ema_decay": (
        "EMA decay",
        "of the weights, with LoRA of the factors A and B, not of their product; empty: off",
    ),
    "rollouts": ("Responses are sampled by", "the server is the one of PODIUM_ROLLOUT_URL"),
    "evaluate_every": ("Evaluate every", "iterations; each time with sampled texts"),
    "ties": ("Ties", "between responses that a labeler gave one rank"),
    "labeler_folds": (
        "Labeler folds",
        "groups of labelers, each held out once in a training of its own; 0: off",
    ),
    "seed": ("Seed", "same seed, data and machine: same numbers"),
    "precision": ("Precision", "of the forward pass; automatic: bfloat16 on a GPU"),
    "lora_rank": ("LoRA rank", "of small trained matrices beside frozen weights; empty: off"),
    "lora_alpha": ("LoRA alpha", "the adapter is scaled by alpha / rank"),
    "gradient_checkpointing": (
        "Gradient checkpointing",
        "less memory; activations are computed twice",
    ),
    "max_gradient_norm": (
        "Largest gradient norm",
        "a larger gradient is scaled down to it; empty: never",
    ),
    "tokens_per_forward": ("Tokens per forward pass", "a batch is taken in such parts"),
    "checkpoint_minutes": ("Checkpoint every", "minutes; 0: at every step"),
}
# Where a name means something else, or more, for one kind of run.
OTHER_WORDS: Final[dict[tuple[str, str], str]] = {
    ("sft", "batch_size"): "demonstrations per optimizer step",
    ("reward", "batch_size"): "prompts per optimizer step, each with all its comparisons",
    ("dpo", "batch_size"): "prompts per optimizer step, each with all its comparisons",
    ("ppo", "batch_size"): "episodes per iteration: one prompt and one response each",
    ("ppo", "learning_rate"): "of AdamW, constant after the warm-up",
    ("ppo", "warmup_steps"): "iterations until the full learning rate",
}
# What the settings of a sampling run are called, beside those that training has, too.
SAMPLING_WORDS: Final[dict[str, str]] = {
    "models": "Models",
    "prompts": "Prompts",
    "sampling": "Sampling",
    "top_p": "Top p",
    "split": "Split",
    "limit": "At most",
}
# What a number on a run's page is counted in, where its label does not say it.
UNITS: Final[dict[str, str]] = {
    "kl_target_nats": "nats",
    "kl_limit_nats": "nats",
    "kl_horizon_episodes": "episodes",
    "max_new_tokens": "tokens",
    "max_tokens": "tokens",
    "evaluate_every": "iterations",
    "checkpoint_minutes": "minutes",
}
CHOICES: Final[dict[str, str]] = {
    "drop": "left out",
    "half": "half-half target",
    "auto": "automatic",
    "local": "the trainer itself",
    "server": "the rollout server",
}
