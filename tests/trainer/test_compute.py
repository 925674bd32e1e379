"""Precision and recomputation: properties of a loaded model, whoever calls it."""

import copy
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    CohereConfig,
    Gemma2Config,
    GraniteConfig,
    PreTrainedModel,
)

from tests.trainer.conftest import checksum, make_tokenizer, save_base
from tests.trainer.test_adapters import FAMILIES, TREES, WIDTHS, logprobs, save_family, scores
from trainer import forward, memory, models
from trainer.architecture import adapters
from trainer.architecture.compute import make_frozen
from trainer.errors import RunRefusedError
from trainer.generate import Draw, draw_responses
from trainer.logprobs import float32_logits
from trainer.running import optimization
from trainer.shared_prompt import hidden_states, logits_of, pack
from trainer.spec import ComputeSettings

FULL = ComputeSettings(precision="bfloat16")
LORA = ComputeSettings(precision="bfloat16", lora_rank=4, lora_alpha=8.0)
# Families that multiply, divide or cap their logits.
CHANGED_LOGITS = {
    "cohere": CohereConfig(**WIDTHS, logit_scale=0.25),
    "granite": GraniteConfig(**WIDTHS, logits_scaling=0.5),
    "gemma2": Gemma2Config(**WIDTHS, final_logit_softcapping=2.0),
}
CHECKPOINTED = ComputeSettings(gradient_checkpointing=True)


@pytest.mark.parametrize(
    ("precision", "device", "expected"),
    [
        ("auto", "cuda", True),
        ("auto", "cpu", False),
        ("bfloat16", "cpu", True),
        ("float32", "cuda", False),
    ],
)
def test_auto_is_bfloat16_on_a_gpu_only(precision, device, expected):
    assert memory.is_half(precision, device) is expected


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("settings", [FULL, LORA], ids=["full", "lora"])
def test_policy_and_reference_agree_exactly_in_bfloat16(tmp_path, family, settings):
    """P1: rounding the frozen weights once gives the bits of rounding them in every product."""
    folder = save_family(tmp_path / family, family)
    exact = logprobs(models.load_policy(folder, seed=0))

    policy, reference = models.load_policy_and_reference(folder, seed=0, compute=settings)
    with adapters.off(reference):
        found = logprobs(reference)

    assert torch.equal(logprobs(policy), found)
    assert not torch.equal(found, exact)
    assert_close(found, exact, atol=0.05, rtol=0)


def test_trained_weights_stay_float32_and_frozen_products_are_halved(tmp_path):
    folder = save_family(tmp_path / "llama", "llama")

    policy, reference = models.load_policy_and_reference(folder, seed=0, compute=FULL)
    adapted = models.load_policy(folder, seed=0, compute=LORA)

    assert {parameter.dtype for parameter in policy.parameters()} == {torch.float32}
    assert reference.model.layers[0].mlp.up_proj.weight.dtype == torch.bfloat16
    assert reference.lm_head.weight.dtype == torch.bfloat16
    assert reference.model.norm.weight.dtype == torch.float32
    assert adapted.model.layers[0].mlp.up_proj.base_layer.weight.dtype == torch.bfloat16
    assert {p.dtype for p in adapters.trainable_parameters(adapted).values()} == {torch.float32}


@pytest.mark.parametrize("settings", [FULL, LORA], ids=["full", "lora"])
def test_a_model_is_rounded_before_it_goes_to_its_device(tmp_path, monkeypatch, settings):
    """In float32 a model would not fit where its rounded weights do; "meta" cannot compute."""
    folder, to, arrived = save_family(tmp_path / "llama", "llama"), PreTrainedModel.to, []

    def moved(model, device):
        arrived.append(model.get_submodule("model.layers.0.mlp.up_proj").weight.dtype)
        return to(model, device)

    monkeypatch.setattr(models, "device", lambda: torch.device("meta"))
    monkeypatch.setattr(PreTrainedModel, "to", moved)

    policy, reference = models.load_policy_and_reference(folder, seed=0, compute=settings)
    value, reward = models.load_value_and_reward(folder, seed=0, compute=settings)

    of_trained = torch.float32 if settings is FULL else torch.bfloat16
    expected = [of_trained, torch.bfloat16][: len({policy, reference})]
    assert arrived == expected * 2
    for model in (policy, reference, value, reward):
        with adapters.off(model):
            assert {tensor.device.type for tensor in model.parameters()} == {"meta"}


def test_a_tied_unembedding_is_not_rounded_with_the_embedding(base):
    reference = models.load_reference(Path(base), seed=0, compute=FULL)

    assert reference.lm_head.weight is reference.model.embed_tokens.weight
    assert reference.lm_head.weight.dtype == torch.float32


@pytest.mark.parametrize("settings", [FULL, LORA], ids=["full", "lora"])
def test_scores_in_bfloat16_are_not_on_its_grid(base, settings):
    """R14: between 4 and 8 neighbors in bfloat16 are 0.03 apart."""
    value, reward = models.load_value_and_reward(Path(base), seed=0, compute=settings)
    for model in {value, reward}:
        model.score.weight.data *= 6 / scores(model).abs().mean()

    found = scores(value)

    assert found.dtype == torch.float32
    assert not torch.equal(found, found.bfloat16().float())


@pytest.mark.parametrize("family", [*FAMILIES, *CHANGED_LOGITS])
@pytest.mark.parametrize("settings", [FULL, LORA], ids=["full", "lora"])
def test_logits_in_bfloat16_are_not_on_its_grid(tmp_path, family, settings):
    """P28: between 8 and 16 neighbors in bfloat16 are 0.06 apart."""
    config = (FAMILIES | CHANGED_LOGITS)[family]
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    exact = models.load_policy(tmp_path, seed=0)
    policy, reference = models.load_policy_and_reference(tmp_path, seed=0, compute=settings)
    packed = pack(policy, TREES)
    hidden = hidden_states(policy, packed, read=packed.before_once)[packed.before]

    with torch.no_grad(), adapters.off(reference):
        found, of_reference = logits_of(policy, hidden), logits_of(reference, hidden)
        expected = logits_of(exact, hidden)
        own = policy(torch.tensor([TREES[0].prompt])).logits[0, -1]

    assert found.dtype == own.dtype == torch.float32
    assert not torch.equal(found, found.bfloat16().float())
    assert torch.equal(found, of_reference)
    assert_close(found, expected, atol=5e-3, rtol=0)
    assert_close(found[0], own, atol=0.02, rtol=0)


def test_a_head_that_is_more_than_a_product_is_left_to_autocast(base):
    class Doubled(torch.nn.Linear):
        def forward(self, hidden):
            return 2 * super().forward(hidden)

    policy = models.load_policy(Path(base), seed=0)
    policy.lm_head.__class__ = Doubled
    hidden = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    expected = policy.lm_head(hidden)

    make_frozen(policy, FULL, "cpu")

    assert policy.lm_head(hidden).dtype == torch.bfloat16
    assert_close(policy.lm_head(hidden).float(), expected, atol=0.01, rtol=0)


def test_float32_logits_are_the_product_of_rounded_numbers_with_the_gradients_of_autocast():
    generator = torch.Generator().manual_seed(0)
    hidden = (3 * torch.randn(2, 40, 64, generator=generator)).requires_grad_()
    weight = torch.randn(300, 64, generator=generator).requires_grad_()
    slope = torch.randn(2, 40, 300, generator=generator)

    logits = float32_logits(hidden.bfloat16(), weight.bfloat16())
    gradients = torch.autograd.grad((logits * slope).sum(), (hidden, weight))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        halved = torch.nn.functional.linear(hidden, weight)
        inside = float32_logits(hidden.bfloat16(), weight.bfloat16())
    expected = torch.autograd.grad((halved.float() * slope).sum(), (hidden, weight))

    rounded = hidden.bfloat16().double() @ weight.bfloat16().double().T
    assert_close(logits, rounded.float(), rtol=1e-6, atol=1e-5)
    assert torch.equal(inside, logits)
    assert not torch.equal(halved.float(), logits)
    assert all(map(torch.equal, gradients, expected))


def test_an_update_in_bfloat16_changes_what_the_next_forward_computes(base):
    """No rounded copy of a weight outlives a forward pass."""
    policy = models.load_policy(Path(base), seed=0, compute=FULL)
    optimizer = optimization.make_optimizer(policy, learning_rate=0.01)
    packed = pack(policy, TREES)
    losses = []

    for step in range(8):
        loss = forward.text_loss(policy, packed)
        loss.backward()
        optimization.guarded_step(
            optimizer, policy.parameters(), loss=loss.item(), step=step, max_norm=1.0
        )
        losses.append(loss.item())

    assert losses == sorted(losses, reverse=True)
    assert {parameter.dtype for parameter in policy.parameters()} == {torch.float32}


@pytest.mark.parametrize("settings", [FULL, LORA, CHECKPOINTED], ids=["full", "lora", "again"])
def test_a_model_in_any_setting_samples_with_its_cache(base, settings):
    policy = models.load_policy(Path(base), seed=0, compute=settings)
    draws = [Draw((0, 50, 60, 2, 1), seed) for seed in range(3)]

    drawn = draw_responses(policy, draws, eos_id=2, temperature=1.0, top_p=1.0, max_new_tokens=6)

    assert all(response.tokens for response in drawn)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rank", [None, 4])
def test_recomputed_layers_give_the_same_gradients(tmp_path, family, rank):
    folder = save_family(tmp_path / family, family)
    gradients = []
    for is_recomputed in (False, True):
        settings = ComputeSettings(lora_rank=rank, gradient_checkpointing=is_recomputed)
        policy = models.load_policy(folder, seed=0, compute=settings)
        forward.text_loss(policy, pack(policy, TREES)).backward()
        gradients.append(
            {name: value.grad for name, value in adapters.trainable_parameters(policy).items()}
        )

    kept, recomputed = gradients
    assert kept.keys() == recomputed.keys()
    assert all(torch.equal(kept[name], recomputed[name]) for name in kept)


def test_gradient_checkpointing_computes_each_layer_twice(base):
    calls = []
    policy = models.load_policy(Path(base), seed=0, compute=CHECKPOINTED)
    policy.model.layers[0].mlp.register_forward_pre_hook(lambda *_: calls.append(1))

    loss = forward.text_loss(policy, pack(policy, TREES))
    during_forward = len(calls)
    loss.backward()

    assert (during_forward, len(calls)) == (1, 2)


@pytest.mark.parametrize("settings", [FULL, LORA, CHECKPOINTED], ids=["full", "lora", "again"])
def test_a_copy_of_a_model_computes_with_its_own_weights(base, settings):
    policy = models.load_policy(Path(base), seed=0, compute=settings)
    expected = logprobs(policy)
    twin = copy.deepcopy(policy)

    for parameter in policy.parameters():
        parameter.data.zero_()

    assert torch.equal(logprobs(twin), expected)


@pytest.mark.parametrize("settings", [FULL, CHECKPOINTED], ids=["bfloat16", "again"])
def test_a_model_in_any_setting_is_saved_in_full_and_bit_equal(tmp_path, base, settings):
    """R15."""
    policy = models.load_policy(Path(base), seed=0, compute=settings)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.001)

    models.save_model(policy, make_tokenizer(), tmp_path / "saved")

    loaded = models.load_policy(tmp_path / "saved", seed=1, compute=settings)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "saved")
    assert checksum(loaded) == checksum(policy) == checksum(plain)
    assert torch.equal(logprobs(loaded), logprobs(policy))


def test_dropout_is_off_in_any_setting(tmp_path):
    """P16: also where layers are computed a second time."""
    folder = Path(save_base(tmp_path / "base", attention_dropout=0.5))
    policy = models.load_policy(folder, seed=0, compute=CHECKPOINTED)
    packed = pack(policy, TREES)

    first, second = (forward.response_logprobs(policy, packed) for _ in range(2))

    assert torch.equal(first, second)


def test_a_model_with_a_head_of_its_own_is_refused_before_it_is_trained(tmp_path):
    # It multiplies with the number that Granite divides by.
    config = AutoConfig.for_model(
        "hyperclovax",
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        logits_scaling=2.0,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)

    sampled = models.load_policy(tmp_path, seed=0)

    assert sampled.config.logits_scaling == 2.0
    with pytest.raises(RunRefusedError, match="HyperCLOVAXForCausalLM changes its logits"):
        models.load_policy(tmp_path, seed=0, compute=ComputeSettings())
