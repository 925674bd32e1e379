"""A made-up language with a hidden rule of quality, and labelers who see it through noise.

A prompt names a topic; a response is a bag of words of all topics, good words, bad words and
filler. Quality is what the rule says of the words; a labeler ranks by quality plus Gumbel noise,
so that one prefers a to b with probability sigmoid((q_a - q_b) / noise) (Plackett-Luce).
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer, pre_tokenizers
from tokenizers import models as tokenizer_models
from transformers import LlamaConfig, PreTrainedTokenizerFast

SYLLABLES = ("ba", "ko", "ti", "ru", "ne", "sa", "mo", "li", "du", "pe", "fa", "zi")
TOPICS, WORDS_PER_TOPIC, JUDGED_WORDS, FILLERS = 8, 12, 12, 24
# Shares of the words of a response as the demonstrations write them.
ON_TOPIC, GOOD, BAD, OFF_TOPIC = 0.30, 0.15, 0.15, 0.20
SHORTEST, LONGEST = 4, 16
SPECIAL = ("<|user|>", "<|assistant|>", "<|end|>")
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@dataclass(frozen=True)
class Language:
    """Its words by what they are."""

    topics: tuple[tuple[str, ...], ...]
    good: tuple[str, ...]
    bad: tuple[str, ...]
    fillers: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """All words, names of topics included."""
        names = [f"topic{number}" for number in range(len(self.topics))]
        return [*names, *sum(self.topics, ()), *self.good, *self.bad, *self.fillers]

    def prompt(self, topic: int) -> str:
        """Ask for a topic."""
        return f"topic{topic}"

    def quality(self, topic: int, text: str) -> float:
        """Return what the hidden rule says: 0 for no words, about -3..5 otherwise."""
        words = text.split()
        if not words:
            return 0.0
        good, bad = (sum(word in some for word in words) for some in (self.good, self.bad))
        on_topic = sum(word in self.topics[topic] for word in words)
        return (4 * (good - bad) + 2 * on_topic) / len(words)


def make_language(numbers: random.Random) -> Language:
    """Draw distinct words for everything."""
    count = TOPICS * WORDS_PER_TOPIC + 2 * JUDGED_WORDS + FILLERS
    words: list[str] = []
    while len(words) < count:
        word = "".join(numbers.choices(SYLLABLES, k=3))
        if word not in words:
            words.append(word)
    upcoming = iter(words)

    def some(amount: int) -> tuple[str, ...]:
        return tuple(next(upcoming) for _ in range(amount))

    return Language(
        topics=tuple(some(WORDS_PER_TOPIC) for _ in range(TOPICS)),
        good=some(JUDGED_WORDS),
        bad=some(JUDGED_WORDS),
        fillers=some(FILLERS),
    )


def write_response(language: Language, topic: int, numbers: random.Random) -> str:
    """Write a demonstration: a bag of words of any quality."""
    words = []
    for _ in range(numbers.randint(SHORTEST, LONGEST)):
        kind = numbers.random()
        if kind < ON_TOPIC:
            source = language.topics[topic]
        elif kind < ON_TOPIC + GOOD:
            source = language.good
        elif kind < ON_TOPIC + GOOD + BAD:
            source = language.bad
        elif kind < ON_TOPIC + GOOD + BAD + OFF_TOPIC:
            source = numbers.choice(language.topics)
        else:
            source = language.fillers
        words.append(numbers.choice(source))
    return " ".join(words)


def write_story(language: Language, numbers: random.Random) -> str:
    """Write a pretraining text: each word of a topic is followed by its neighbour in the topic."""
    topic = numbers.choice(language.topics)
    at = numbers.randrange(len(topic))
    words = []
    for _ in range(numbers.randint(SHORTEST, LONGEST)):
        words += [topic[at % len(topic)], numbers.choice(language.bad)]
        at += 1
    return " ".join(words)


def story_entropy(stories: Sequence[str]) -> float:
    """Return the loss of who knows how stories are written, nats per token after the first.

    The first word says the topic and the place in it. Then each word of a topic is certain, each
    bad word one of all of them, and a story of any number of pairs as likely as another.
    """
    pairs = [len(story.split()) // 2 for story in stories]
    lengths = math.log(LONGEST - SHORTEST + 1)
    total = sum(count * math.log(JUDGED_WORDS) + lengths for count in pairs)
    # All words but the first, and the end.
    return total / sum(2 * count for count in pairs)


def save_base(language: Language, folder: Path) -> None:
    """Save a tokenizer of whole words and the config of a small model without weights."""
    vocabulary = {word: place for place, word in enumerate([*SPECIAL, *language.words])}
    backend = Tokenizer(tokenizer_models.WordLevel(vocabulary, unk_token=SPECIAL[2]))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.add_special_tokens(list(SPECIAL))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=SPECIAL[2])
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        intermediate_size=192,
        max_position_embeddings=128,
        bos_token_id=None,
        eos_token_id=vocabulary[SPECIAL[2]],
        tie_word_embeddings=True,
        architectures=["LlamaForCausalLM"],
    ).save_pretrained(folder)


# --- labelers ------------------------------------------------------------------------------------


def rank(qualities: Sequence[float], *, noise: float, numbers: random.Random) -> list[int]:
    """Return a labeler's ranks, 1 is best, of responses of these qualities."""
    felt = [
        quality - noise * math.log(-math.log(numbers.random() or 1e-12)) for quality in qualities
    ]
    order = sorted(range(len(felt)), key=lambda place: -felt[place])
    return [order.index(place) + 1 for place in range(len(felt))]


def expected_agreement(gaps: Sequence[float], noise: float) -> float:
    """Return how often two labelers agree on pairs with these gaps of quality."""
    chances = [_sigmoid(gap / noise) for gap in gaps]
    return sum(chance**2 + (1 - chance) ** 2 for chance in chances) / len(chances)


def expected_accuracy(gaps: Sequence[float], noise: float) -> float:
    """Return how often a labeler agrees with the rule itself: the ceiling of a reward model."""
    return sum(_sigmoid(abs(gap) / noise) for gap in gaps) / len(gaps)


def calibrate_noise(gaps: Sequence[float], *, agreement: float) -> float:
    """Return the noise at which two labelers agree that often."""
    return _bisect(lambda noise: expected_agreement(gaps, noise) - agreement, 1e-3, 1e3)


def _bisect(falling: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(100):
        middle = math.sqrt(low * high)
        if falling(middle) > 0:
            low = middle
        else:
            high = middle
    return low


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))
