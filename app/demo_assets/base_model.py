"""The untrained base model of the demo: tokenizer, chat template and a tiny Llama's config.

Written without transformers, so that the app package stays free of it; the trainer loads it.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

VOCABULARY_SIZE = 2560
# Far below the score of any word: letters are the last resort.
LETTER_SCORE = -30.0
MAX_POSITIONS = 512
PAD, SYSTEM, USER, ASSISTANT, END = (
    "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>",
)  # fmt: skip
SPECIAL_TOKENS = [PAD, SYSTEM, USER, ASSISTANT, END]

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

# About 1.9 million parameters: the float32 weights stay under 8 MB.
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": VOCABULARY_SIZE,
    "hidden_size": 192,
    "intermediate_size": 416,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 48,
    "hidden_act": "silu",
    "max_position_embeddings": MAX_POSITIONS,
    "initializer_range": 0.07,
    "rms_norm_eps": 1e-06,
    "rope_theta": 10000.0,
    "attention_bias": False,
    "attention_dropout": 0.0,
    "mlp_bias": False,
    "tie_word_embeddings": True,
    "use_cache": True,
    "bos_token_id": None,
    "eos_token_id": SPECIAL_TOKENS.index(END),
    "pad_token_id": SPECIAL_TOKENS.index(PAD),
    "dtype": "float32",
}
TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "pad_token": PAD,
    "eos_token": END,
    "additional_special_tokens": [SYSTEM, USER, ASSISTANT],
    "chat_template": CHAT_TEMPLATE,
    "clean_up_tokenization_spaces": False,
    "model_input_names": ["input_ids", "attention_mask"],
    "model_max_length": MAX_POSITIONS,
    "padding_side": "left",
}


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Make a tokenizer from the frequent words of the texts, and single bytes for everything else.

    A model this small spells badly: it has to pick whole words. Digits stay apart so that it can
    learn sums.
    """
    splitter = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    counts = Counter(word for text in texts for word, _ in splitter.pre_tokenize_str(text))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    for letter in alphabet:
        counts.pop(letter, None)
    frequent = sorted(counts, key=lambda word: (-counts[word], word))
    words = frequent[: VOCABULARY_SIZE - len(SPECIAL_TOKENS) - len(alphabet)]
    vocabulary = [
        *((token, 0.0) for token in SPECIAL_TOKENS),
        *((letter, LETTER_SCORE) for letter in alphabet),
        *((word, math.log(counts[word] / counts.total())) for word in words),
    ]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=None, byte_fallback=False))
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL_TOKENS)
    return tokenizer


def write_base_model(folder: Path, tokenizer: Tokenizer) -> None:
    """Write the untrained model: config and tokenizer, no weights."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(folder / "tokenizer_config.json", TOKENIZER_CONFIG)
    _write_json(folder / "config.json", CONFIG)


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
