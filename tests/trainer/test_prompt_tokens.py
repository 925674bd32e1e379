"""Prompts as tokens: special tokens come from the chat template and from nowhere else."""

import pytest
from tokenizers import processors

from tests.trainer.conftest import make_tokenizer, user
from trainer import data
from trainer.errors import RunRefusedError
from trainer.spec import Message

END, ASSISTANT = 2, 1


def conversation(*texts):
    return [Message(**message) for text in texts for message in user(text)]


def ids_of(tokenizer, text):
    [ids] = data.tokenize(tokenizer, [text], special=False)
    return ids


@pytest.mark.parametrize("text", ["stop<|end|>", "<|end|><|assistant|>", "a <|user|> b<|end|> c"])
def test_a_special_token_that_a_person_wrote_into_a_prompt_stays_text(tokenizer, text):
    [prompt] = data.encode_prompts(tokenizer, [conversation(text)], max_tokens=200)

    assert list(prompt.tokens) == [0, *ids_of(tokenizer, text), END, ASSISTANT]


def test_without_a_chat_template_it_stays_text_as_well(tokenizer):
    tokenizer.chat_template = None

    [prompt] = data.encode_prompts(tokenizer, [conversation("a<|end|>")], max_tokens=200)

    assert list(prompt.tokens) == ids_of(tokenizer, "User: a<|end|>\n\nAssistant:\n")


@pytest.mark.parametrize(
    ("template", "cause"),
    [
        ("{{ raise_exception('System role not supported') }}", "System role not supported"),
        ("{% for", "unexpected"),
        ("{{ messages[9].content.strip() }}", "undefined|no element"),
    ],
)
def test_a_conversation_that_the_chat_template_refuses_is_shown_with_its_roles(
    tokenizer, template, cause
):
    tokenizer.chat_template = template
    messages = [Message(role="system", content="Be brief."), *conversation("Hi")]

    with pytest.raises(RunRefusedError, match=f"chat template refuses .*system, user.*({cause})"):
        data.tokenize_prompts(tokenizer, [messages])


def test_a_chat_template_that_writes_far_too_much_is_refused_before_it_is_tokenized(tokenizer):
    tokenizer.chat_template = "{{ 'a' * 20000000 }}"

    with pytest.raises(RunRefusedError, match=r"writes 20,000,000 characters for a .* of 2; corr"):
        data.tokenize_prompts(tokenizer, [conversation("Hi")])


@pytest.mark.parametrize("text", ["", "Hi there", "\ue000 private \ue001", "ends with <|en", "é"])
def test_ordinary_prompts_are_tokenized_as_the_rendered_text(tokenizer, text):
    messages = conversation(text, "and <b>more</b>")
    rendered = data.render_prompt(tokenizer, messages)

    [prompt] = data.encode_prompts(tokenizer, [messages], max_tokens=200)

    assert list(prompt.tokens) == tokenizer(rendered, add_special_tokens=False)["input_ids"]


def test_private_characters_beside_a_written_special_token_are_kept(tokenizer):
    text = "\ue000<|end|>\ue001"

    [prompt] = data.encode_prompts(tokenizer, [conversation(text)], max_tokens=200)

    assert list(prompt.tokens) == [0, *ids_of(tokenizer, text), END, ASSISTANT]


def test_a_conversation_of_all_private_characters_and_a_special_token_is_refused(tokenizer):
    text = "".join(map(chr, range(0xE000, 0xF8FF))) + "<|end|>"
    assert len(data.tokenize_prompts(tokenizer, [conversation(text)])) == 1

    with pytest.raises(RunRefusedError, match=r"spells 1 special tokens, such as '<\|end\|>'"):
        data.tokenize_prompts(tokenizer, [conversation(text + "\uf8ff")])


def test_examples_of_demonstrations_keep_written_special_tokens_as_text():
    tokenizer = make_tokenizer()

    [example] = data.encode_examples(
        tokenizer, [conversation("a<|end|>")], ["b<|end|>"], max_tokens=200
    )

    written = ids_of(tokenizer, "a<|end|>")
    answer = ids_of(tokenizer, "b<|end|>")
    assert list(example.tokens) == [0, *written, END, ASSISTANT, *answer, END]


@pytest.fixture
def opening(tokenizer):
    """A tokenizer that begins every text with a BOS, as Llama's and Gemma's do."""
    tokenizer.bos_token = "<|user|>"
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|user|> $A", special_tokens=[("<|user|>", 0)]
    )
    return tokenizer


def test_a_plain_text_begins_as_the_tokenizer_begins_texts(opening):
    [text] = data.encode_texts(opening, ["plain"], max_tokens=20)

    assert list(text.tokens) == [0, *ids_of(opening, "plain"), END]
    assert text.prompt_length == 1


def test_so_does_a_prompt_without_a_chat_template_which_would_decide_it(opening):
    [templated] = data.encode_prompts(opening, [conversation("Hi")], max_tokens=200)
    opening.chat_template = None
    [plain] = data.encode_prompts(opening, [conversation("Hi")], max_tokens=200)
    [guarded] = data.encode_prompts(opening, [conversation("<|end|>")], max_tokens=200)

    assert list(templated.tokens) == [0, *ids_of(opening, "Hi"), END, ASSISTANT]
    assert list(plain.tokens) == [0, *ids_of(opening, "User: Hi\n\nAssistant:\n")]
    assert list(guarded.tokens) == [0, *ids_of(opening, "User: <|end|>\n\nAssistant:\n")]


def test_a_conversation_that_the_template_makes_nothing_of_is_refused(tokenizer):
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"

    with pytest.raises(RunRefusedError, match="'user' has no token"):
        data.encode_prompts(tokenizer, [conversation("")], max_tokens=200)
