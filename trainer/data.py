"""Rows to batches: conversations become tokens, and tokens are dealt into forward passes."""

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

import torch
from transformers import PreTrainedTokenizerBase

from trainer import memory
from trainer.errors import RunRefusedError
from trainer.shared_prompt import Size, Tree
from trainer.spec import Message

NOTHING = r"(?!)"
PRIVATE_USE = range(0xE000, 0xF900)
# Tokenizing takes a hundred times the memory, before anything is cut; a row's line is no longer.
MAX_PROMPT_CHARACTERS = 2**24


@dataclass(frozen=True)
class Example:
    """A prompt and perhaps its response as tokens.

    Attributes:
        tokens: the prompt, then the response with its EOS.
        prompt_length: how many of the tokens are the prompt.
        is_cut: True when the prompt's beginning was dropped to fit.
    """

    tokens: tuple[int, ...]
    prompt_length: int
    is_cut: bool = False

    def tree(self) -> Tree:
        """Return it as a prompt with one response."""
        return Tree(self.prompt, (self.response,))

    @property
    def prompt(self) -> tuple[int, ...]:
        """The tokens before the response."""
        return self.tokens[: self.prompt_length]

    @property
    def response(self) -> tuple[int, ...]:
        """The tokens after the prompt."""
        return self.tokens[self.prompt_length :]


def share_prompts(examples: Iterable[Example], *, at_most: int) -> list[Tree]:
    """Return one tree for each run of neighbors with the same prompt; the order stays.

    Args:
        examples: prompts with their responses.
        at_most: responses in a tree, which goes through a model in one pass; longer runs are cut.
    """
    trees = []
    for prompt, same in groupby(examples, key=lambda example: example.prompt):
        responses = [example.response for example in same]
        trees += [
            Tree(prompt, tuple(responses[start : start + at_most]))
            for start in range(0, len(responses), at_most)
        ]
    return trees


def render_prompt(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> str:
    """Write a conversation as the text that the response follows.

    The tokenizer's chat template decides; without one, turns are written as `User: ...`.

    Raises:
        RunRefusedError: when the template does: some take no system message, or no two users. Or
            when it writes far too much.
    """
    if tokenizer.chat_template is None:
        turns = [f"{message.role.capitalize()}: {message.content}\n\n" for message in messages]
        return "".join(turns) + "Assistant:\n"
    written = [message.model_dump() for message in messages]
    try:
        text = str(
            tokenizer.apply_chat_template(written, tokenize=False, add_generation_prompt=True)
        )
    # A template is a program of the model's makers, and raises what it likes.
    except Exception as error:
        roles = ", ".join(message.role for message in messages)
        raise RunRefusedError(
            f"the chat template refuses a conversation with the roles {roles}: {error}; "
            "change the data or the template"
        ) from error
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise RunRefusedError(
            f"the chat template writes {len(text):,} characters for a conversation of "
            f"{sum(len(message.content) for message in messages):,}; correct it"
        )
    return text


def tokenize(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, special: bool
) -> list[list[int]]:
    """Turn texts into token ids without adding any.

    Args:
        tokenizer: of the model.
        texts: to be tokenized.
        special: whether `<|end|>` and the like are special tokens; in a response they are text.
    """
    if not texts:
        return []
    encoded = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=not special)
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def tokenize_prompts(
    tokenizer: PreTrainedTokenizerBase, conversations: Sequence[Sequence[Message]]
) -> list[list[int]]:
    """Turn conversations into the token ids that responses follow.

    Special tokens come from the chat template only: what a person wrote that spells one is text.
    Without a template a prompt begins as the tokenizer begins texts.

    Raises:
        RunRefusedError: when the template refuses a conversation or makes nothing of it, or a
            conversation cannot be told from special tokens.
    """
    rendered = tokenize(
        tokenizer, [render_prompt(tokenizer, messages) for messages in conversations], special=True
    )
    spelled = re.compile("|".join(map(re.escape, _special_tokens(tokenizer))) or NOTHING)
    opening = _opening(tokenizer) if tokenizer.chat_template is None else []
    prompts = []
    for messages, ids in zip(conversations, rendered, strict=True):
        is_spelled = any(spelled.search(message.content) for message in messages)
        own = _tokenize_guarded(tokenizer, messages, spelled) if is_spelled else ids
        if not own:
            roles = ", ".join(repr(message.role) for message in messages)
            raise RunRefusedError(
                f"a conversation of {roles} has no token: the tokenizer's chat template makes "
                "nothing of its messages; repair the template"
            )
        prompts.append([*opening, *own])
    return prompts


def _opening(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the BOS where the tokenizer itself begins texts with it, as models are pretrained."""
    [ids] = tokenizer([""])["input_ids"]
    return [ids[0]] if ids and ids[0] == tokenizer.bos_token_id else []


def _special_tokens(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    added = (str(token) for token in tokenizer.added_tokens_decoder.values() if token.special)
    named = (str(token) for token in tokenizer.all_special_tokens)
    return sorted({*named, *added}, key=len, reverse=True)


def _tokenize_guarded(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], spelled: re.Pattern[str]
) -> list[int]:
    """Render with a private character in place of each special token that a person wrote."""
    contents = "\n".join(message.content for message in messages)
    found = sorted({text for message in messages for text in spelled.findall(message.content)})
    free = list(
        islice((chr(code) for code in PRIVATE_USE if chr(code) not in contents), len(found))
    )
    if len(free) < len(found):
        raise RunRefusedError(
            f"a conversation spells {len(found)} special tokens, such as {found[0]!r}, and has all "
            f"but {len(free)} of the characters U+E000 to U+F8FF, which would stand for them; "
            "remove some of these"
        )
    guard_of = dict(zip(found, free, strict=False))
    written_by = {guard: text for text, guard in guard_of.items()}
    rendered = render_prompt(
        tokenizer,
        [
            Message(
                role=message.role,
                content=spelled.sub(lambda match: guard_of[match[0]], message.content),
            )
            for message in messages
        ],
    )
    pieces: list[str] = re.split(f"([{''.join(written_by)}])", rendered)
    return [
        token
        for piece in pieces
        if piece
        for token in tokenize(
            tokenizer, [written_by.get(piece, piece)], special=piece not in written_by
        )[0]
    ]


def encode_prompts(
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Sequence[Message]],
    *,
    max_tokens: int,
) -> list[Example]:
    """Turn conversations into prompts; of one that is too long the end is kept."""
    return [
        Example(tuple(ids[-max_tokens:]), min(len(ids), max_tokens), len(ids) > max_tokens)
        for ids in tokenize_prompts(tokenizer, conversations)
    ]


def encode_examples(
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Sequence[Message]],
    responses: Sequence[str],
    *,
    max_tokens: int,
    unfinished: Container[int] = (),
) -> list[Example]:
    """Turn conversations with their responses into examples that end with EOS.

    Of what is too long the end is kept: the response matters most.

    Args:
        tokenizer: of the model.
        conversations: the prompts.
        responses: one to each.
        max_tokens: that an example may have.
        unfinished: indices of responses that were cut while they were sampled: no EOS follows.
    """
    prompts = tokenize_prompts(tokenizer, conversations)
    eos = eos_id_of(tokenizer)
    examples = []
    for index, (prompt, response) in enumerate(
        zip(prompts, tokenize(tokenizer, responses, special=False), strict=True)
    ):
        ended = end_response(response, is_unfinished=index in unfinished, eos_id=eos)
        tokens = (*prompt, *ended)
        surplus = max(0, len(tokens) - max_tokens)
        # One prompt token must stay: the first response token needs something that predicts it.
        length = max(1, len(prompt) - surplus)
        examples.append(Example(tokens[surplus:], length, surplus > 0))
    return examples


def end_response(tokens: Sequence[int], *, is_unfinished: bool, eos_id: int) -> tuple[int, ...]:
    """Append EOS to a response, unless it was cut while it was sampled; it has a token anyway.

    With an EOS a model would learn from what was cut that a sentence may stop anywhere.
    """
    return tuple(tokens) if is_unfinished and tokens else (*tokens, eos_id)


def encode_texts(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, max_tokens: int
) -> list[Example]:
    """Turn plain texts into examples where all but the first token is to be predicted.

    Of what is too long the beginning is kept; a text without two tokens is left out.
    """
    opening, eos = _opening(tokenizer), eos_id_of(tokenizer)
    rows = [(*opening, *ids, eos) for ids in tokenize(tokenizer, texts, special=False) if ids]
    return [Example(row[:max_tokens], 1, len(row) > max_tokens) for row in rows]


def eos_id_of(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the id of the token that ends a response.

    Raises:
        RunRefusedError: when the tokenizer has none.
    """
    eos = tokenizer.eos_token_id
    if not isinstance(eos, int):
        raise RunRefusedError(
            f"the tokenizer of {tokenizer.name_or_path} has no eos_token; set it in "
            "tokenizer_config.json"
        )
    return eos


def within_budget(sizes: Sequence[Size], *, tokens: int) -> Iterator[list[int]]:
    """Cut indices, in order, into runs that together take at most so many tokens.

    Args:
        sizes: of each item; a single larger one still goes alone.
        tokens: the budget of a run; on a CPU small runs are faster, whatever it allows.
    """
    tokens = memory.forward_budget(tokens, "cuda" if torch.cuda.is_available() else "cpu")
    run: list[int] = []
    used: Size | None = None
    for index, size in enumerate(sizes):
        together = size if used is None else used + size
        if run and together.tokens > tokens:
            yield run
            run, together = [], size
        run.append(index)
        used = together
    if run:
        yield run
