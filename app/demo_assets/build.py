"""Makes everything generated in this folder: `python -m app.demo_assets.build [--data-only]`.

It writes the prompts, demonstrations and plain texts, trains the tokenizer, and fine-tunes the
untrained base model with the same `python -m trainer sft` run that users start. Ten to twenty
minutes on one core.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from app.demo_assets.base_model import train_tokenizer, write_base_model
from app.demo_assets.demonstrations.answering import Demonstration
from app.demo_assets.demonstrations.corpus import (
    demonstrations,
    held_out_prompts,
    pretraining_texts,
)
from trainer.spec import DemonstrationRow, Message, SFTSettings, SFTSpec

ASSETS = Path(__file__).parent
SETTINGS = SFTSettings(
    epochs=5, learning_rate=2e-3, batch_size=16, max_tokens=256, warmup_steps=50, seed=0
)


def main() -> None:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data-only", action="store_true", help="write the data and the base model, do not train"
    )
    arguments = parser.parse_args()
    write_data(ASSETS)
    if not arguments.data_only:
        train_model(ASSETS)


def write_data(folder: Path) -> None:
    """Write the prompts, demonstrations, plain texts and the untrained base model."""
    drawn = demonstrations()
    _write_lines(
        folder / "prompts.jsonl",
        (
            {"id": f"demo-{number:03}", **prompt._asdict()}
            for number, prompt in enumerate(held_out_prompts(), start=1)
        ),
    )
    _write_lines(
        folder / "demonstrations.jsonl",
        ({"prompt": one.prompt, "response": one.response} for one in drawn),
    )
    _write_lines(folder / "pretraining.jsonl", ({"text": text} for text in pretraining_texts()))
    tokenizer = train_tokenizer(text for one in drawn for text in (one.prompt, one.response))
    write_base_model(folder / "base", tokenizer)


def train_model(folder: Path) -> None:
    """Fine-tune the base model in a temporary run directory and keep the model it leaves.

    Raises:
        subprocess.CalledProcessError: if the run fails; its output says why.
    """
    with tempfile.TemporaryDirectory(prefix="podium-demo-model-") as name:
        run_dir = Path(name)
        _write_run(run_dir, folder / "base", demonstrations())
        # More threads than free cores make a model of this size slower, not faster.
        environment = {"OMP_NUM_THREADS": "1", **os.environ}
        command = [sys.executable, "-m", "trainer", "sft", str(run_dir)]
        subprocess.run(command, check=True, env=environment)  # noqa: S603
        _keep_model(run_dir / "model", folder / "sft")


def _write_run(run_dir: Path, base_model: Path, drawn: list[Demonstration]) -> None:
    spec = SFTSpec(base_model=str(base_model.resolve()), settings=SETTINGS)
    (run_dir / "spec.json").write_text(spec.model_dump_json(indent=2), encoding="utf-8")
    rows = (
        DemonstrationRow(
            prompt_id=str(number),
            group=one.subject,
            messages=[Message(role="user", content=one.prompt)],
            response=one.response,
        )
        for number, one in enumerate(drawn)
    )
    _write_lines(run_dir / spec.demonstrations, (row.model_dump() for row in rows))


def _keep_model(trained: Path, target: Path) -> None:
    card = target / "MODEL_CARD.md"
    kept = card.read_text(encoding="utf-8") if card.exists() else None
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(trained, target)
    if kept is not None:
        card.write_text(kept, encoding="utf-8")


def _write_lines(path: Path, rows: Iterable[dict[str, object]]) -> None:
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
