"""What a model was made of: the hash of every file that was read, and what became of each row.

Needs no torch. A loop notes its rows in `RowUse` and ends with `describe_lineage`.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trainer.result import Lineage
from trainer.spec import TrainingSpec

# Fields of the specs that name a file in the run directory.
INPUT_FIELDS = ("demonstrations", "rankings", "prompts", "pretraining")
# Why a row was left out that less than an epoch does not come to.
NEVER_REACHED = "the run ended before its turn"
MODEL_FILES = ("*.safetensors", "*.safetensors.index.json", "config.json", "adapter_config.json")
TOKENIZER_FILES = (
    "tokenizer*",
    "special_tokens_map.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "chat_template.jinja",
)


@dataclass
class RowUse:
    """What became of the rows that a run has read, by id.

    Attributes:
        used: rows that were trained on.
        dropped: why a row was left out.
        cut: why a row was shortened.
    """

    used: list[str] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)
    cut: dict[str, str] = field(default_factory=dict)

    def end_before(self, rows: Collection[str]) -> None:
        """Take back rows that no step of the run reaches."""
        self.used = [row for row in self.used if row not in rows]
        self.dropped |= dict.fromkeys(rows, NEVER_REACHED)


def unique_ids(ids: Iterable[str]) -> list[str]:
    """Tell rows of the same id apart: the second `a` becomes `a#2`."""
    seen: Counter[str] = Counter()
    unique = []
    for one in ids:
        seen[one] += 1
        unique.append(one if seen[one] == 1 else f"{one}#{seen[one]}")
    return unique


def describe_lineage(
    spec: TrainingSpec, run_dir: Path, *, parents: Mapping[str, Path], rows: RowUse
) -> Lineage:
    """Hash what the run reads and put it beside what it was told.

    Args:
        spec: of the run.
        run_dir: where the spec's `.jsonl` files lie.
        parents: the folder of each model that is read, by role.
        rows: what became of them.
    """
    return Lineage(
        dataset_sha256=spec.dataset_sha256,
        files=hash_inputs(spec, run_dir),
        parents={role: model_sha256(folder) for role, folder in parents.items()},
        settings=spec.settings.model_dump(),
        seed=spec.settings.seed,
        rows_used=rows.used,
        rows_dropped=rows.dropped,
        rows_cut=rows.cut,
    )


def hash_inputs(spec: TrainingSpec, run_dir: Path) -> dict[str, str]:
    """Return the sha256 of each `.jsonl` file that the spec names and that is there, by name."""
    names = (getattr(spec, name, None) for name in INPUT_FIELDS)
    return {
        name: file_sha256(run_dir / name)
        for name in names
        if name is not None and (run_dir / name).is_file()
    }


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file, which is read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def model_sha256(folder: Path) -> str:
    """Return one sha256 over the weights, the config and the tokenizer of a model folder.

    It covers each file's name and content, in the order of the names.
    """
    names = {
        path.name
        for pattern in (*MODEL_FILES, *TOKENIZER_FILES)
        for path in folder.glob(pattern)
        if path.is_file()
    }
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(f"{name}\0{file_sha256(folder / name)}\n".encode())
    return digest.hexdigest()
