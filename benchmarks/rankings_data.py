"""Made-up rankings for the benchmarks: a small random model, its tokenizer, and a planted signal.

One word is one token, so every length is exact. A response has a share of good words among its
loaded words; the labeler sees that share with noise. Nothing is downloaded and all is seeded.
"""

import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

VOCABULARY = 2048
SPECIAL = ("<unk>", "<pad>", "<eos>")
UNKNOWN, PAD, EOS = range(3)
GOOD, BAD, NEUTRAL = range(3, 7), range(7, 11), range(11, VOCABULARY)
LOADED_SHARE = 0.5
LABELER_NOISE = 0.1
# Of the sets with ragged lengths: log-normal around the mean, from 8 tokens to four times the mean.
PROMPT_SIGMA, PROMPT_SCALE = 0.9, 0.67
RESPONSE_SIGMA, RESPONSE_SCALE = 0.7, 0.78
STOPPING_STEPS = 40
TEMPLATE = "{% for message in messages %}{{ message.content }} {% endfor %}"


@dataclass(frozen=True)
class Shape:
    """The lengths of one set: tokens of the prompt and of each response, the EOS included.

    Attributes:
        prompt_tokens: the mean when ragged.
        response_tokens: the mean when ragged.
        k: responses per prompt.
        is_ragged: True when lengths are log-normal instead of all equal.
    """

    prompt_tokens: int
    response_tokens: int
    k: int
    is_ragged: bool = False


@dataclass(frozen=True)
class RankedTask:
    """A prompt and its responses as tokens; 1 is the best rank and there are no ties."""

    prompt: list[int]
    responses: list[list[int]]
    ranks: list[int]


def make_tasks(shape: Shape, *, prompts: int, seed: int) -> list[RankedTask]:
    """Draw prompts with ranked responses."""
    choose = random.Random(seed)
    return [_make_task(shape, choose) for _ in range(prompts)]


def make_prompts(shape: Shape, *, prompts: int, seed: int) -> list[list[int]]:
    """Draw prompts alone."""
    choose = random.Random(seed)
    return [choose.choices(NEUTRAL, k=_prompt_length(shape, choose)) for _ in range(prompts)]


def make_prompts_like_the_paper(*, prompts: int, seed: int) -> list[list[int]]:
    """Draw prompts with the lengths of InstructGPT's PPO prompts, up to 1024 tokens.

    Log-normal with their median of 62 and mean of 166 tokens (arXiv 2203.02155, appendix A).
    """
    choose = random.Random(seed)
    lengths = (
        min(
            1024,
            max(8, round(choose.lognormvariate(math.log(62), (2 * math.log(166 / 62)) ** 0.5))),
        )
        for _ in range(prompts)
    )
    return [choose.choices(NEUTRAL, k=length) for length in lengths]


def _make_task(shape: Shape, choose: random.Random) -> RankedTask:
    prompt = choose.choices(NEUTRAL, k=_prompt_length(shape, choose))
    responses, seen = [], []
    for _ in range(shape.k):
        share = choose.random()
        length = _response_length(shape, choose)
        responses.append([*(_word(share, choose) for _ in range(length - 1)), EOS])
        seen.append(share + choose.gauss(0, LABELER_NOISE))
    best_first = sorted(range(shape.k), key=lambda place: -seen[place])
    ranks = [1 + best_first.index(place) for place in range(shape.k)]
    return RankedTask(prompt, responses, ranks)


def _word(share: float, choose: random.Random) -> int:
    if choose.random() >= LOADED_SHARE:
        return choose.choice(NEUTRAL)
    return choose.choice(GOOD if choose.random() < share else BAD)


def _prompt_length(shape: Shape, choose: random.Random) -> int:
    if not shape.is_ragged:
        return shape.prompt_tokens
    drawn = choose.lognormvariate(0, PROMPT_SIGMA) * shape.prompt_tokens * PROMPT_SCALE
    return max(8, min(4 * shape.prompt_tokens, int(drawn)))


def _response_length(shape: Shape, choose: random.Random) -> int:
    if not shape.is_ragged:
        return shape.response_tokens
    drawn = choose.lognormvariate(0, RESPONSE_SIGMA) * shape.response_tokens * RESPONSE_SCALE
    return max(8, min(4 * shape.response_tokens, int(drawn)))


# --- what counting tokens allows -----------------------------------------------------------------


def shared_tokens(tasks: Sequence[RankedTask]) -> int:
    """Count the tokens of computing each prompt once: P + K R."""
    return sum(len(task.prompt) + sum(map(len, task.responses)) for task in tasks)


def kwise_tokens(tasks: Sequence[RankedTask]) -> int:
    """Count the tokens of one row per response: K (P + R)."""
    return sum(len(task.prompt) + len(response) for task in tasks for response in task.responses)


def pairwise_tokens(tasks: Sequence[RankedTask]) -> int:
    """Count the tokens of one row for each side of each pair: K (K - 1) (P + R)."""
    return sum((len(task.ranks) - 1) * kwise_tokens([task]) for task in tasks)


# --- files ---------------------------------------------------------------------------------------


def save_tasks(path: Path, *, train: Sequence[RankedTask], held_out: Sequence[RankedTask]) -> None:
    """Write tasks as token ids, for the arms that do not read Podium's files."""
    sides = {"train": train, "held_out": held_out}
    rows = {side: [asdict(task) for task in tasks] for side, tasks in sides.items()}
    path.write_text(json.dumps(rows))


def ranking_rows(tasks: Sequence[RankedTask]) -> Iterator[dict[str, object]]:
    """Yield the lines of `rankings.jsonl`; one group, so that the trainer holds nothing out."""
    for number, task in enumerate(tasks):
        yield {
            "prompt_id": f"p{number}",
            "group": "all",
            "split": "train",
            "messages": [{"role": "user", "content": text_of(task.prompt)}],
            "responses": [
                {"id": f"p{number}-r{place}", "text": text_of(response[:-1])}
                for place, response in enumerate(task.responses)
            ],
            "ranks": task.ranks,
            "ratings": [None] * len(task.ranks),
            "labeler": "L-1",
            "weight": 1.0,
        }


def prompt_rows(prompts: Sequence[Sequence[int]]) -> Iterator[dict[str, object]]:
    """Yield the lines of `prompts.jsonl`."""
    for number, prompt in enumerate(prompts):
        messages = [{"role": "user", "content": text_of(prompt)}]
        yield {"prompt_id": f"p{number}", "split": "train", "messages": messages}


def text_of(tokens: Sequence[int]) -> str:
    """Return the words that become these tokens."""
    return " ".join(f"w{token}" for token in tokens)


def make_run(run_dir: Path, spec: dict[str, object], **files: Iterator[dict[str, object]]) -> None:
    """Write a run directory: `spec.json` and one `.jsonl` file for each name."""
    run_dir.mkdir(parents=True)
    (run_dir / "spec.json").write_text(json.dumps(spec))
    for name, rows in files.items():
        lines = [json.dumps(row) + "\n" for row in rows]
        (run_dir / f"{name}.jsonl").write_text("".join(lines))


# --- models --------------------------------------------------------------------------------------


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer of 2,048 words, one token each."""
    words = [*SPECIAL, *(f"w{token}" for token in range(len(SPECIAL), VOCABULARY))]
    backend = Tokenizer(
        WordLevel({word: token for token, word in enumerate(words)}, unk_token=SPECIAL[UNKNOWN])
    )
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token=SPECIAL[UNKNOWN],
        pad_token=SPECIAL[PAD],
        eos_token=SPECIAL[EOS],
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def make_config() -> LlamaConfig:
    """Return a Llama of 4 layers and width 256: 3.1M parameters outside the embedding.

    Not Qwen2: for that name `AutoTokenizer` insists on byte pairs, where a word is not one token.
    """
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=768,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=EOS,
        pad_token_id=PAD,
    )


def save_base(folder: Path) -> None:
    """Save a random language model and its tokenizer."""
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(make_config()).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)


def save_base_that_stops(folder: Path, *, response_tokens: int) -> None:
    """Save a language model whose responses end by themselves after about so many tokens.

    A few steps on random words teach it how often EOS comes, so that lengths are geometric.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(make_config())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(STOPPING_STEPS):
        tokens = torch.randint(NEUTRAL.start, VOCABULARY, (8, 128))  # (b, t)
        tokens[torch.rand(tokens.shape) < 1 / response_tokens] = EOS
        model(tokens, labels=tokens).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)


def save_reward_model(folder: Path) -> None:
    """Save a random reward model with the same tokenizer."""
    torch.manual_seed(1)
    config = make_config()
    config.num_labels = 1
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
