"""The packed forward: exact for the architectures that Podium names, nothing computed twice."""

import itertools
import logging
import random
from functools import partial

import pytest
import torch
from torch.distributions import Categorical
from torch.nn.attention.flex_attention import (
    BlockMask,
    create_block_mask,
    create_mask,
    flex_attention,
)
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BloomConfig,
    CohereConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    GraniteConfig,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    Phi3Config,
    PhiConfig,
    Qwen2Config,
    Qwen3Config,
)

from trainer import data, forward, logprobs, tree_attention
from trainer.exactness import keep_tree_attention, use_tree_attention
from trainer.losses import comparisons_of, kwise_loss
from trainer.shared_prompt import (
    Tree,
    expected_reach,
    hidden_states,
    pack,
    pack_separately,
    pack_shared,
    reach_of,
    sizes_of,
)
from trainer.tree_attention import Span

VOCABULARY = 97
SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,  # FlexAttention takes heads from width 16 on
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "num_labels": 1,
}
WIDE = {**SMALL, "head_dim": 16}
CONFIGS = {
    "gpt2": lambda: GPT2Config(
        vocab_size=VOCABULARY,
        n_embd=64,
        n_layer=2,
        n_head=4,
        n_positions=256,
        pad_token_id=0,
        num_labels=1,
    ),
    "llama": lambda: LlamaConfig(**SMALL),
    "qwen2": lambda: Qwen2Config(**SMALL),
    "qwen3": lambda: Qwen3Config(**WIDE),
    "mistral": lambda: MistralConfig(**SMALL, sliding_window=None),
    "mistral with a window": lambda: MistralConfig(**SMALL, sliding_window=64),
    "gemma": lambda: GemmaConfig(**WIDE),
    "gemma3": lambda: Gemma3TextConfig(**WIDE, sliding_window=64),
    "phi": lambda: PhiConfig(**{**SMALL, "num_key_value_heads": 4}),
    "phi3": lambda: Phi3Config(**SMALL),
}
SCALED = {
    "granite": lambda: GraniteConfig(**SMALL, logits_scaling=8.0),
    "cohere": lambda: CohereConfig(**SMALL, logit_scale=0.0625),
}
OTHERS = {
    "recurrent": lambda: MambaConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, state_size=4
    ),
    "biased by distance": lambda: BloomConfig(
        vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4
    ),
    "capped": lambda: Gemma2Config(**WIDE, attn_logit_softcapping=0.5, sliding_window=64),
}


def sequences(*lengths: int, seed: int = 0) -> tuple[tuple[int, ...], ...]:
    numbers = random.Random(seed)
    return tuple(
        tuple(numbers.randrange(3, VOCABULARY) for _ in range(length)) for length in lengths
    )


TREES = [
    Tree(sequences(7)[0], sequences(3, 5, 1, 4)),
    Tree(sequences(2, seed=1)[0], sequences(6, seed=1)),
    Tree(sequences(1, seed=2)[0], sequences(2, 9, seed=2)),
    Tree(sequences(8, seed=3)[0], sequences(5, 5, 5, seed=3)),
]


# More than one of FlexAttention's blocks, some of which a tree begins or ends in.
LONG_TREES = [
    Tree(sequences(130, seed=4)[0], sequences(70, 3, 100, seed=4)),
    Tree(sequences(20, seed=5)[0], sequences(60, 60, 128, 1, seed=5)),
]


def policy_of(config, *, shared: bool):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    if shared:
        use_tree_attention(model)
    return model


def reward_model_of(config, *, shared: bool):
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    torch.nn.init.normal_(model.score.weight, std=33**-0.5)
    if shared:
        use_tree_attention(model)
    return model


def gradients_of(model) -> torch.Tensor:
    return torch.cat(
        [parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None]
    )


def assert_gradients_are(ours, plain, *, share, floor):
    """Compare each tensor on its own scale; some are 0 but for rounding, as a shift has no loss."""
    for (name, one), other in zip(ours.named_parameters(), plain.parameters(), strict=True):
        if other.grad is None:
            assert one.grad is None, name
            continue
        tolerance = share * other.grad.abs().max().item() + floor
        torch.testing.assert_close(
            one.grad, other.grad, atol=tolerance, rtol=0, msg=lambda said, name=name: name + said
        )


def in_float64(model):
    """All of a model: transformers rounds to float32 in its norms, whatever the dtype."""
    model.double()
    for module in model.modules():
        kind = type(module).__name__
        if kind.endswith("RMSNorm"):
            # The two names that transformers has for it; Gemma's weight is what is added to 1.
            epsilon = getattr(module, "variance_epsilon", None) or module.eps
            scale = module.weight + 1 if kind.startswith("Gemma") else module.weight
            module.forward = partial(root_mean_square_norm, scale=scale, epsilon=epsilon)
    return model


def root_mean_square_norm(values, *, scale, epsilon):
    return values * (values.square().mean(-1, keepdim=True) + epsilon).rsqrt() * scale


def scores_in_float64(model, packed):
    """As `forward.scores`, which gives float32."""
    hidden = hidden_states(model, packed, read=packed.ends)[packed.ends]
    return (hidden @ model.score.weight.T).squeeze(-1)


def loss_of_rankings(scores: torch.Tensor) -> torch.Tensor:
    rows = comparisons_of([1, 2, 2, 4], ties="drop")
    chosen, rejected, weights = (torch.tensor(column) for column in zip(*rows, strict=True))
    return kwise_loss(scores[:4], chosen, rejected, weights)


@pytest.mark.parametrize("name", CONFIGS)
def test_scores_and_gradients_are_those_of_separate_rows(name):
    plain = reward_model_of(CONFIGS[name](), shared=False)
    ours = reward_model_of(CONFIGS[name](), shared=True)

    expected = forward.scores(plain, pack_separately(TREES))
    packed = pack(ours, TREES)
    scores = forward.scores(ours, packed)
    loss_of_rankings(expected).backward()
    loss_of_rankings(scores).backward()

    assert packed.layout is not None
    assert packed.tokens.shape == (1, sum(tree.tokens for tree in TREES))
    torch.testing.assert_close(scores, expected, atol=1e-5, rtol=0)
    # Rounding of float32 was at most 1.8e-6 of the largest gradient of a tensor.
    assert_gradients_are(ours, plain, share=3e-6, floor=3e-8)


@pytest.mark.parametrize("name", CONFIGS)
def test_in_float64_scores_and_gradients_are_those_of_separate_rows_to_1e_10(name):
    """R5: what float32 would hide among its rounding."""
    plain = in_float64(reward_model_of(CONFIGS[name](), shared=False))
    ours = in_float64(reward_model_of(CONFIGS[name](), shared=True))

    expected = scores_in_float64(plain, pack_separately(TREES))
    packed = pack(ours, TREES)
    scores = scores_in_float64(ours, packed)
    loss_of_rankings(expected).backward()
    loss_of_rankings(scores).backward()

    assert packed.layout is not None
    assert scores.dtype == torch.float64
    torch.testing.assert_close(scores, expected, atol=1e-10, rtol=0)
    assert_gradients_are(ours, plain, share=1e-10, floor=1e-14)


@pytest.mark.parametrize("name", CONFIGS | SCALED)
def test_log_probabilities_and_values_are_those_of_the_models_own_forward(name):
    plain = policy_of((CONFIGS | SCALED)[name](), shared=False)
    ours = policy_of((CONFIGS | SCALED)[name](), shared=True)
    rows = [(tree.prompt, response) for tree in TREES for response in tree.responses]

    with torch.no_grad():
        logprobs_of, entropy = forward.response_logprobs_and_entropy(ours, pack(ours, TREES))
        logits = [plain(torch.tensor([prompt + response])).logits[0] for prompt, response in rows]

    expected = torch.cat(
        [
            row.log_softmax(-1)[range(len(prompt) - 1, len(row) - 1), response]
            for row, (prompt, response) in zip(logits, rows, strict=True)
        ]
    )
    torch.testing.assert_close(logprobs_of, expected, atol=1e-5, rtol=0)
    before = torch.cat(
        [row[len(prompt) - 1 : -1] for row, (prompt, _) in zip(logits, rows, strict=True)]
    )
    torch.testing.assert_close(entropy, Categorical(logits=before).entropy(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", OTHERS)
def test_what_cannot_be_shared_exactly_is_found_and_padded(name, caplog):
    model = policy_of(OTHERS[name](), shared=False)

    with caplog.at_level(logging.WARNING):
        use_tree_attention(model)

    assert pack(model, TREES).layout is None
    assert "cannot share a prompt exactly" in caplog.text


def test_what_the_attention_of_a_device_cannot_take_is_padded_there(monkeypatch, caplog):
    model = policy_of(CONFIGS["qwen2"](), shared=True)
    keep_tree_attention(model)
    assert pack(model, TREES).layout is not None

    def refuse(*_, **__):
        raise NotImplementedError("head width 8 is less than 16")

    monkeypatch.setattr(tree_attention, "_attend_in_blocks", refuse)
    keep_tree_attention(model)

    packed = pack(model, TREES)
    assert packed.layout is None
    assert "(NotImplementedError: head width 8 is less than 16)" in caplog.text
    expected = forward.response_logprobs(policy_of(CONFIGS["qwen2"](), shared=False), packed)
    torch.testing.assert_close(forward.response_logprobs(model, packed), expected)


def test_a_row_longer_than_the_sliding_window_is_padded():
    model = policy_of(MistralConfig(**SMALL, sliding_window=12), shared=True)

    assert pack(model, TREES[:2]).layout is not None  # 7 + 5 tokens
    assert pack(model, TREES).layout is None  # 8 + 5


@pytest.mark.parametrize("window", [None, 12, 4])
def test_the_size_of_a_pass_is_what_the_model_is_given(window):
    model = policy_of(MistralConfig(**SMALL, sliding_window=window), shared=True)
    sizes = sizes_of(TREES, model)

    for first, second in itertools.combinations(range(4), 2):
        together = (sizes[first] + sizes[second]).tokens
        assert together == pack(model, [TREES[first], TREES[second]]).tokens.numel()


def test_padding_counts_in_the_budget_of_a_forward_pass():
    """Two trees of 500 + 9 x 50 tokens are 950 each with a shared prompt, and 9 x 550 without."""
    model = policy_of(MistralConfig(**SMALL, sliding_window=64), shared=True)
    tree = Tree(sequences(500)[0], sequences(*[50] * 9))
    short = Tree(sequences(20)[0], sequences(*[10] * 9))

    sizes = sizes_of([tree, tree, short, short, tree], model)
    parts = list(data.within_budget(sizes, tokens=2048))

    assert [size.tokens for size in sizes] == [4950, 4950, 110, 110, 4950]
    assert parts == [[0], [1], [2, 3], [4]]


@pytest.mark.parametrize("name", CONFIGS | SCALED | OTHERS)
def test_a_config_tells_what_the_loaded_model_will_share(name):
    config = (CONFIGS | SCALED | OTHERS)[name]()

    expected = expected_reach(config)

    assert expected == reach_of(policy_of(config, shared=True))


def test_every_prompt_is_computed_once_and_every_response_once():  # R3
    model = reward_model_of(CONFIGS["qwen2"](), shared=True)
    seen: list[int] = []
    model.base_model.layers[0].mlp.register_forward_hook(
        lambda _module, _inputs, output: seen.append(output.shape[0] * output.shape[1])
    )

    forward.scores(model, pack(model, TREES))

    assert seen == [(7 + 13) + (2 + 6) + (1 + 11) + (8 + 15)]


@pytest.mark.parametrize(
    ("read", "tokens"),
    [(forward.scores, 4 + 1 + 2 + 3), (forward.state_values, 10 + 6 + 10 + 13)],
)
def test_the_last_mlp_is_computed_for_the_tokens_that_are_read(read, tokens):
    model = reward_model_of(CONFIGS["qwen2"](), shared=True)
    seen: list[int] = []
    model.base_model.layers[-1].mlp.down_proj.register_forward_hook(
        lambda _module, _inputs, output: seen.append(output.shape[0] * output.shape[1])
    )

    read(model, pack(model, TREES))

    assert seen == [tokens]


def test_sampling_with_a_cache_is_untouched():
    plain = policy_of(CONFIGS["qwen2"](), shared=False)
    ours = policy_of(CONFIGS["qwen2"](), shared=True)
    prompt = torch.tensor([TREES[0].prompt])

    options = {"do_sample": False, "max_new_tokens": 8, "eos_token_id": None}

    assert torch.equal(ours.generate(prompt, **options), plain.generate(prompt, **options))


def test_gradient_checkpointing_changes_no_gradient():
    plain = reward_model_of(CONFIGS["llama"](), shared=True)
    saving = reward_model_of(CONFIGS["llama"](), shared=True)
    saving.activation_checkpointing_enable()
    saving.train()

    for model in (plain, saving):
        loss_of_rankings(forward.scores(model, pack(model, TREES))).backward()

    torch.testing.assert_close(gradients_of(saving), gradients_of(plain), atol=1e-7, rtol=0)


def test_logits_in_chunks_give_the_same_losses_and_gradients(monkeypatch):  # P28
    whole = policy_of(CONFIGS["qwen2"](), shared=True)
    chunked = policy_of(CONFIGS["qwen2"](), shared=True)
    made: list[int] = []
    reduce = logprobs.token_logprobs

    def count(logits, tokens, *, temperature):
        made.append(len(logits))
        return reduce(logits, tokens, temperature=temperature)

    forward.text_loss(whole, pack(whole, TREES)).backward()
    monkeypatch.setattr(forward, "MAX_LOGITS", 7 * VOCABULARY)
    monkeypatch.setattr(forward, "token_logprobs", count)
    forward.text_loss(chunked, pack(chunked, TREES)).backward()

    assert max(made) == 7
    assert len(made) == 2 * -(-sum(made) // 2 // 7)  # each chunk again in the backward pass
    torch.testing.assert_close(gradients_of(chunked), gradients_of(whole), atol=1e-5, rtol=0)


def test_log_probabilities_are_float32_though_the_model_is_not():  # P28
    model = policy_of(CONFIGS["qwen2"](), shared=True).to(torch.bfloat16)

    with torch.no_grad():
        result, entropy = forward.response_logprobs_and_entropy(model, pack(model, TREES))

    assert (result.dtype, entropy.dtype) == (torch.float32, torch.float32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_log_softmax_and_entropy_are_computed_in_float32_whatever_the_logits_are(dtype):
    """P28: in bfloat16 log-probabilities around -6 would be 0.03 apart."""
    generator = torch.Generator().manual_seed(0)
    logits = (4 * torch.randn(3, 7, VOCABULARY, generator=generator)).to(dtype)
    tokens = torch.randint(VOCABULARY, (3, 7), generator=generator)

    found = logprobs.token_logprobs(logits, tokens, temperature=0.7)
    entropy = logprobs.token_entropy(logits, temperature=0.7)

    distributions = Categorical(logits=logits.double() / 0.7)
    torch.testing.assert_close(found.double(), distributions.log_prob(tokens), atol=1e-5, rtol=0)
    torch.testing.assert_close(entropy.double(), distributions.entropy(), atol=1e-5, rtol=0)


def test_the_block_mask_of_a_gpu_sees_what_the_blocks_of_a_cpu_see(monkeypatch):
    model = policy_of(CONFIGS["qwen2"](), shared=True)
    with torch.no_grad():
        expected = forward.response_logprobs(model, pack_shared(TREES))

    monkeypatch.setattr(tree_attention, "_dense_layout", tree_attention._flex_layout)
    monkeypatch.setattr(tree_attention, "_flex_kernel", lambda: flex_attention)
    packed = pack_shared(TREES)
    with (
        torch.no_grad(),
        pytest.warns(UserWarning, match="flex_attention called without torch.compile"),
    ):
        flexed = forward.response_logprobs(model, packed)

    torch.testing.assert_close(flexed, expected, atol=1e-5, rtol=0)


def attend_to_what_the_mask_shows(query, key, value, *, block_mask, scale, enable_gqa):
    tokens = query.shape[2]
    is_seen = create_mask(block_mask.mask_mod, 1, 1, tokens, tokens, device="cpu")
    return torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=is_seen, scale=scale, enable_gqa=enable_gqa
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_with_the_mask_of_a_gpu_scores_and_gradients_are_those_of_separate_rows(name, monkeypatch):
    """All of the GPU's way but its kernel, which has no backward pass on a CPU."""
    plain = reward_model_of(CONFIGS[name](), shared=False)
    ours = reward_model_of(CONFIGS[name](), shared=True)
    expected = forward.scores(plain, pack_separately(TREES))
    monkeypatch.setattr(tree_attention, "_dense_layout", tree_attention._flex_layout)
    monkeypatch.setattr(tree_attention, "_flex_kernel", lambda: attend_to_what_the_mask_shows)

    scores = forward.scores(ours, pack_shared(TREES))
    loss_of_rankings(expected).backward()
    loss_of_rankings(scores).backward()

    torch.testing.assert_close(scores, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(gradients_of(ours), gradients_of(plain), atol=1e-5, rtol=0)


def random_spans(seed):
    numbers, spans = random.Random(seed), []
    for _ in range(numbers.randint(1, 5)):
        prompt, responses = numbers.choice([1, 100, 128, 400]), numbers.randint(1, 5)
        lengths = tuple(numbers.choice([1, 60, 128, 129, 300]) for _ in range(responses))
        spans.append(Span(spans[-1].end if spans else 0, prompt, lengths))
    return spans


@pytest.mark.parametrize("seed", range(20))
def test_the_block_mask_is_the_one_that_a_matrix_of_all_tokens_would_give(seed):
    spans = random_spans(seed)

    mask = tree_attention._flex_layout(spans, torch.device("cpu"))

    tokens = spans[-1].end
    expected = create_block_mask(mask.mask_mod, None, None, tokens, tokens, device="cpu")
    assert mask.seq_lengths == expected.seq_lengths
    for side in ("kv", "q"):
        for name in (f"{side}_num_blocks", f"full_{side}_num_blocks"):
            assert torch.equal(getattr(mask, name), getattr(expected, name))
        for name in (f"{side}_indices", f"full_{side}_indices"):
            assert torch.equal(getattr(mask, name), getattr(expected, name))


def test_attention_is_compiled_whole_and_not_again_for_another_length():
    graphs = []

    def count(graph, _inputs):
        graphs.append(graph)
        return graph.forward

    attend = tree_attention._flex_kernel(count)
    generator = torch.Generator().manual_seed(0)

    def run(prompt, heads=4):
        span = Span(0, prompt, (20, 300, 17))
        mask = tree_attention._flex_layout([span], torch.device("cpu"))
        query = torch.randn(1, heads, span.end, 16, generator=generator)
        key, value = torch.randn(2, 1, 2, span.end, 16, generator=generator)
        found = attend(query, key, value, block_mask=mask, scale=None, enable_gqa=True)
        expected = attend_to_what_the_mask_shows(
            query, key, value, block_mask=mask, scale=None, enable_gqa=True
        )
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)

    with torch.no_grad():
        for prompt in (40, 47, 50, 91, 128, 129, 200, 256, 300, 333, 511, 512, 700):
            run(prompt)
        assert len(graphs) == 1
        run(40, heads=8)
    assert len(graphs) == 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("name", ["qwen2", "llama", "gpt2"])
def test_the_gpus_block_mask_gives_the_scores_and_gradients_of_separate_rows(name):
    plain = reward_model_of(CONFIGS[name](), shared=False).cuda()
    ours = reward_model_of(CONFIGS[name](), shared=False).cuda()
    use_tree_attention(ours)
    trees = [*TREES, *LONG_TREES]
    packed = pack(ours, trees)
    assert isinstance(packed.layout, BlockMask)

    expected = forward.scores(plain, pack_separately(trees, device="cuda"))
    scores = forward.scores(ours, packed)
    expected.square().sum().backward()
    scores.square().sum().backward()

    torch.testing.assert_close(scores, expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(gradients_of(ours), gradients_of(plain), atol=1e-4, rtol=0)
