"""TRL 1.12.0's PPOTrainer, the last one; runs in the environment `trl_ppo`.

python -m benchmarks.peers.trl_ppo BASE REWARD_MODEL PROMPTS REPORT SETTINGS

PROMPTS is a JSON file of token ids; SETTINGS is JSON with the names of Podium's settings.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
)
from trl.experimental import ppo
from trl.experimental.ppo import ppo_trainer

from benchmarks.peers.meter import Stopwatch, peak_mib, write_report


def arguments_of(settings: dict[str, Any], folder: str) -> dict[str, Any]:
    """Return TRL's names for the settings; one optimizer serves policy and value model."""
    batch = settings["batch_size"]
    return {
        "output_dir": folder,
        "per_device_train_batch_size": batch,
        "num_mini_batches": batch // settings["minibatch_size"],
        "local_rollout_forward_batch_size": batch,
        "total_episodes": batch * settings["steps"],
        "num_ppo_epochs": settings["inner_epochs"],
        "response_length": settings["max_new_tokens"],
        "stop_token": "eos",
        "temperature": settings["temperature"],
        "missing_eos_penalty": settings["missing_eos_penalty"],
        "learning_rate": settings["learning_rate"],
        "kl_coef": settings["kl_coefficient"],
        "cliprange": settings["clip"],
        "cliprange_value": settings["value_clip"],
        "gamma": settings["gamma"],
        "lam": settings["gae_lambda"],
        "num_sample_generations": 0,
        "bf16": False,
        "gradient_checkpointing": False,
        "use_cpu": True,
        "report_to": "none",
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "seed": 0,
    }


def time_sampling() -> list[float]:
    """Let every call of TRL's `batch_generation` add its processor seconds to the list."""
    generate, spent = ppo_trainer.batch_generation, []

    def timed(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - passed on
        started = time.process_time()
        found = generate(*arguments, **named)
        spent.append(time.process_time() - started)
        return found

    ppo_trainer.batch_generation = timed
    return spent


def warm_up(*models: torch.nn.Module) -> None:
    """Run every model once forward and backward, and clear the gradients."""
    tokens = torch.arange(20, 84)[None]
    for model in models:
        model(tokens).logits.sum().backward()
        model.zero_grad()


def main(base: str, reward_model: str, prompts: str, report: str, settings_json: str) -> None:
    """Do as many iterations as the settings say."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    settings = json.loads(settings_json)
    tokenizer = AutoTokenizer.from_pretrained(base, padding_side="left")
    policy, reference = (AutoModelForCausalLM.from_pretrained(base) for _ in range(2))
    reward, value = (
        AutoModelForSequenceClassification.from_pretrained(reward_model) for _ in range(2)
    )
    warm_up(policy, reference, reward, value)
    rows = [{"input_ids": ids} for ids in json.loads(Path(prompts).read_text())]
    spent_sampling = time_sampling()
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        trainer = ppo.PPOTrainer(
            args=ppo.PPOConfig(**arguments_of(settings, folder)),
            processing_class=tokenizer,
            model=policy,
            ref_model=reference,
            reward_model=reward,
            value_model=value,
            train_dataset=Dataset.from_list(rows),
            eval_dataset=Dataset.from_list(rows[:1]),
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        watch.start()
        trainer.train()
        watch.lap()
    write_report(
        Path(report),
        watch,
        peak_mib=peak_mib(),
        steps=settings["steps"],
        seconds={"seconds/rollout": round(sum(spent_sampling), 3)},
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
