"""What ships with `podium demo`: the data is valid, fresh from its generator, and held out."""

import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from app.demo_assets.base_model import train_tokenizer, write_base_model
from app.demo_assets.build import ASSETS, SETTINGS, write_data
from app.demo_assets.demonstrations.corpus import held_out_prompts
from trainer.spec import PretrainingRow

MEGABYTE = 1_000_000
FORBIDDEN_SUFFIXES = {".py", ".pkl", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".npy", ".npz", ".h5"}


def lines_of(name: str) -> list[dict[str, Any]]:
    with (ASSETS / name).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(ASSETS / "base" / "tokenizer.json"))


def test_there_are_enough_prompts_in_the_import_format():
    prompts = lines_of("prompts.jsonl")

    assert len(prompts) >= 140
    for prompt in prompts:
        assert set(prompt) == {"id", "prompt", "group", "tags"}
        assert prompt["prompt"].strip() == prompt["prompt"] != ""
        assert prompt["group"]
        assert all(isinstance(tag, str) and tag for tag in prompt["tags"])


def test_no_prompt_and_no_prompt_id_occurs_twice():
    prompts = lines_of("prompts.jsonl")

    assert len({prompt["prompt"].casefold() for prompt in prompts}) == len(prompts)
    assert len({prompt["id"] for prompt in prompts}) == len(prompts)


def test_the_prompts_are_of_many_kinds_and_no_kind_dominates():
    topics = Counter(prompt["tags"][0] for prompt in lines_of("prompts.jsonl"))

    assert len(topics) >= 10
    assert max(topics.values()) <= 30


def test_no_prompt_occurs_among_the_demonstrations():
    prompts = {prompt["prompt"] for prompt in lines_of("prompts.jsonl")}
    demonstrated = {one["prompt"] for one in lines_of("demonstrations.jsonl")}

    assert not prompts & demonstrated


def test_every_word_of_a_prompt_was_met_in_training():
    """A word that the model never saw would be answered with nonsense."""
    met = Counter(
        word for one in lines_of("demonstrations.jsonl") for word in words_of(one["prompt"])
    )

    rare = {word for one in held_out_prompts() for word in words_of(one.prompt) if met[word] < 5}

    assert rare == set()


def test_no_demonstration_is_empty_or_occurs_twice():
    demonstrations = lines_of("demonstrations.jsonl")

    assert len(demonstrations) >= 10_000
    assert len({(one["prompt"], one["response"]) for one in demonstrations}) == len(demonstrations)
    assert all(one["prompt"].strip() and one["response"].strip() for one in demonstrations)
    assert (ASSETS / "demonstrations.jsonl").stat().st_size <= 3 * MEGABYTE


def test_the_shipped_data_is_what_the_generator_writes(tmp_path: Path):
    write_data(tmp_path)

    for name in ("prompts.jsonl", "demonstrations.jsonl", "pretraining.jsonl"):
        assert sha256(tmp_path / name) == sha256(ASSETS / name), name
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        assert sha256(tmp_path / "base" / name) == sha256(ASSETS / "base" / name), name


def test_plain_texts_are_valid_and_distinct():
    texts = [PretrainingRow.model_validate(line).text for line in lines_of("pretraining.jsonl")]

    assert len(set(texts)) == len(texts) >= 200
    assert min(len(text) for text in texts) >= 40


def test_the_guidelines_name_the_three_aims_the_scale_and_ties():
    text = (ASSETS / "guidelines.md").read_text(encoding="utf-8").lower()

    for word in ("helpful", "truthful", "harmless", "| 7 |", "| 1 |", "ties are welcome", "flags"):
        assert word in text


@pytest.mark.parametrize(
    "text",
    ["What is 12 plus 7?", "1. Ants\n2. Bees", "  naïve – 日本 🦊", 'A "quote" and\ttabs', ""],
)
def test_the_tokenizer_gives_every_text_back(tokenizer: Tokenizer, text: str):
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_the_tokenizer_keeps_digits_apart(tokenizer: Tokenizer):
    assert tokenizer.encode("127").tokens == ["1", "2", "7"]


def test_every_demonstration_fits_into_the_length_of_its_run(tokenizer: Tokenizer):
    texts = [one["prompt"] + one["response"] for one in lines_of("demonstrations.jsonl")]

    longest = max(len(encoding.ids) for encoding in tokenizer.encode_batch(texts))

    assert longest + 3 <= SETTINGS.max_tokens


def test_the_config_names_the_special_tokens_of_the_tokenizer(tokenizer: Tokenizer):
    config = json.loads((ASSETS / "base" / "config.json").read_text(encoding="utf-8"))

    assert tokenizer.get_vocab_size() == config["vocab_size"]
    assert tokenizer.token_to_id("<|end|>") == config["eos_token_id"]
    assert tokenizer.token_to_id("<|pad|>") == config["pad_token_id"]


def test_the_base_model_is_written_without_weights(tmp_path: Path):
    write_base_model(tmp_path / "base", train_tokenizer(["hello there"]))

    assert sorted(path.name for path in (tmp_path / "base").iterdir()) == [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_the_shipped_model_is_small_and_holds_nothing_that_can_run(tokenizer: Tokenizer):
    files = [path for path in (ASSETS / "sft").iterdir() if path.is_file()]

    assert {"config.json", "model.safetensors", "tokenizer.json", "MODEL_CARD.md"} <= {
        path.name for path in files
    }
    assert sum(path.stat().st_size for path in files) <= 8 * MEGABYTE
    assert not {path.suffix for path in files} & FORBIDDEN_SUFFIXES
    trained = Tokenizer.from_file(str(ASSETS / "sft" / "tokenizer.json"))
    assert trained.get_vocab() == tokenizer.get_vocab()
