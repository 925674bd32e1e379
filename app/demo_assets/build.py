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
from trainer.result import RunResult
from trainer.spec import DemonstrationRow, Message, SFTSettings, SFTSpec

ASSETS = Path(__file__).parent
SETTINGS = SFTSettings(
    epochs=6, learning_rate=2e-3, batch_size=16, max_tokens=256, warmup_steps=50, seed=0
)

CARD = """# The demo's SFT model

A Llama of 1.9 million parameters (hidden size 192, 4 layers, vocabulary 2,560, float32), trained
from scratch so that `podium demo` has something to sample, rank and improve without a download.

Made by one command, from the repository's root:

    python -m app.demo_assets.build

It draws the demonstrations from templates, trains the tokenizer and starts `python -m trainer sft`,
the run that users start from the runs page. With `../base` as the base model and
`../demonstrations.jsonl` as the data, the same model can be trained again there.

- Data: {examples} demonstrations generated for this project in everyday English. About four in
  five are good; the others are terse, wrong, rambling or unhelpful on purpose, so that the answers
  to one prompt differ in quality. The prompts of `../prompts.jsonl` are not among them.
- Settings: {settings}.
- Loss of the last batch: {loss:.3f}.
- Versions: {versions}.

It knows a few hundred facts and a handful of patterns, and it is often wrong. Use it to try the
program, for nothing else. License: Apache-2.0, as the project.
"""


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
        keep_model(run_dir, folder / "sft")


def keep_model(run_dir: Path, target: Path) -> None:
    """Copy the model of a finished run beside the data, with a card that says how it was made."""
    result = RunResult.model_validate_json((run_dir / "result.json").read_bytes())
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(run_dir / "model", target, copy_function=shutil.copyfile)
    (target / "MODEL_CARD.md").write_text(_model_card(result), encoding="utf-8")


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


def _model_card(result: RunResult) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in SETTINGS.model_dump().items())
    versions = ", ".join(f"{name} {version}" for name, version in sorted(result.versions.items()))
    return CARD.format(
        examples=result.rows["train"],
        settings=settings,
        loss=result.metrics["loss/sft"],
        versions=versions,
    )


def _write_lines(path: Path, rows: Iterable[dict[str, object]]) -> None:
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
