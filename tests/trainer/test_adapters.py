"""LoRA: what is trained, that switching it off gives the loaded model, and what is saved."""

from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch.testing import assert_close
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    GemmaConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    PhiConfig,
    Qwen2Config,
    Qwen3Config,
)

from tests.trainer.conftest import checksum, make_tokenizer, save_base
from trainer import forward, models
from trainer.architecture import adapters, reward_head
from trainer.errors import RunRefusedError
from trainer.model_shape import shape_from_config, shape_of
from trainer.shared_prompt import Tree, pack
from trainer.spec import ComputeSettings

LORA = ComputeSettings(lora_rank=4, lora_alpha=8.0)
WIDTHS = {
    "vocab_size": 259,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 256,
    "head_dim": 16,
    "bos_token_id": None,
    "eos_token_id": 2,
    "pad_token_id": None,
}
FAMILIES = {
    "gpt2": GPT2Config(
        vocab_size=259, n_embd=32, n_layer=2, n_head=2, n_positions=256, eos_token_id=2
    ),
    "llama": LlamaConfig(**WIDTHS),
    "qwen2": Qwen2Config(**WIDTHS),
    "qwen3": Qwen3Config(**WIDTHS),
    "mistral": MistralConfig(**WIDTHS),
    "gemma": GemmaConfig(**WIDTHS),
    "phi": PhiConfig(**{key: value for key, value in WIDTHS.items() if key != "head_dim"}),
}
TREES = [Tree((0, 50, 60, 2, 1), ((70, 71, 2), (80, 2), (90, 91, 92, 2)))]


def save_family(folder: Path, family: str) -> Path:
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(FAMILIES[family]).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


def train_a_little(model: torch.nn.Module) -> None:
    """Move everything that is trained away from where it started."""
    generator = torch.Generator().manual_seed(5)
    for parameter in adapters.trainable_parameters(model).values():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)


@torch.no_grad()
def logprobs(model) -> torch.Tensor:
    return forward.response_logprobs(model, pack(model, TREES))


@torch.no_grad()
def scores(model) -> torch.Tensor:
    return forward.scores(model, pack(model, TREES))


@pytest.mark.parametrize("family", FAMILIES)
def test_an_adapter_is_a_no_op_before_training_and_off_after_it(tmp_path, family):
    """P1: the reference is the policy with the adapter off, to the last bit."""
    folder = save_family(tmp_path / family, family)
    loaded = logprobs(models.load_policy(folder, seed=0))
    policy, reference = models.load_policy_and_reference(folder, seed=0, compute=LORA)

    fresh = logprobs(policy)
    train_a_little(policy)
    trained = logprobs(policy)
    with adapters.off(reference):
        off = logprobs(reference)

    assert policy is reference
    assert torch.equal(fresh, loaded)
    assert torch.equal(off, loaded)
    assert (trained - loaded).abs().max() > 1e-3
    assert torch.equal(logprobs(policy), trained)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_linear_layer_of_the_decoder_and_nothing_else_gets_an_adapter(tmp_path, family):
    policy = models.load_policy(save_family(tmp_path / family, family), seed=0)
    matrices = {
        name.removesuffix(".weight")
        for name, parameter in policy.base_model.named_parameters(prefix=policy.base_model_prefix)
        if parameter.ndim == 2 and "embed" not in name and "wte" not in name and "wpe" not in name
    }

    adapters.add(policy, rank=4, alpha=8.0, seed=0)

    trained = adapters.trainable_parameters(policy)
    assert matrices
    assert {name.rpartition(".lora_")[0] for name in trained} == matrices
    assert {parameter.dtype for parameter in trained.values()} == {torch.float32}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_policy_has_the_adapter_in_its_weights_for_the_plain_classes(tmp_path, family):
    """R15."""
    folder = save_family(tmp_path / family, family)
    policy = models.load_policy(folder, seed=0, compute=LORA)
    train_a_little(policy)
    expected = logprobs(policy)

    models.save_model(policy, make_tokenizer(), tmp_path / "saved")

    plain, report = AutoModelForCausalLM.from_pretrained(
        tmp_path / "saved", output_loading_info=True
    )
    models.use_tree_attention(plain)
    assert not any(report.values())
    assert plain.dtype == torch.float32
    assert_close(logprobs(plain.eval()), expected, atol=1e-5, rtol=0)
    assert_close(
        logprobs(models.load_policy(tmp_path / "saved", seed=9)), expected, atol=1e-5, rtol=0
    )
    assert torch.equal(logprobs(policy), expected)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_saved_reward_model_scores_as_before_and_its_head_is_in_the_file(tmp_path, family):
    """R15."""
    folder = save_family(tmp_path / family, family)
    model = models.load_reward_model(folder, seed=0, compute=LORA)
    train_a_little(model)
    reward_head.set_bias(model, 0.25)
    expected = scores(model)

    models.save_model(model, make_tokenizer(), tmp_path / "saved")

    loaded = models.load_reward_model(tmp_path / "saved", seed=9)
    head = load_file(tmp_path / "saved" / "model.safetensors")["score.weight"]
    assert torch.equal(head, model.score.weight)
    assert_close(scores(loaded), expected, atol=1e-5, rtol=0)
    AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved", num_labels=1)


# peft asks transformers by an old name.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_peft_puts_the_saved_adapter_and_head_on_the_loaded_reward_model(tmp_path):
    """R15."""
    folder = save_family(tmp_path / "llama", "llama")
    model = models.load_reward_model(folder, seed=0, compute=LORA)
    train_a_little(model)
    models.save_model(model, make_tokenizer(), tmp_path / "saved")
    base = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)

    with_adapter = PeftModel.from_pretrained(base, tmp_path / "saved" / "adapter")

    ids = torch.tensor([[0, 50, 60, 2, 1]])
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved", num_labels=1)
    # One row without padding, so that the stock classifier needs no pad token.
    assert_close(with_adapter.eval()(ids).logits, plain.eval()(ids).logits, atol=1e-5, rtol=0)


def test_a_reward_model_is_its_value_model_with_adapter_and_head_off(tmp_path):
    """The value model trains its head too; the reward must not move with it."""
    folder = save_family(tmp_path / "llama", "llama")
    models.save_model(models.load_reward_model(folder, seed=3), make_tokenizer(), tmp_path / "rm")
    loaded = scores(models.load_reward_model(tmp_path / "rm", seed=0))
    value, reward = models.load_value_and_reward(tmp_path / "rm", seed=0, compute=LORA)

    fresh = scores(value)
    train_a_little(value)
    with adapters.off(reward):
        off = scores(reward)

    assert torch.equal(fresh, loaded)
    assert torch.equal(off, loaded)
    assert (scores(value) - loaded).abs().max() > 1e-3
    assert "score.weight" in adapters.trainable_parameters(value)


def test_a_model_without_adapter_is_left_as_it_is_by_off(base):
    policy, reference = models.load_policy_and_reference(
        Path(base), seed=0, compute=ComputeSettings()
    )
    expected = logprobs(policy)

    with adapters.off(reference):
        found = logprobs(reference)

    assert policy is not reference
    assert torch.equal(found, expected)
    assert adapters.trainable_parameters(reference) == {}
    assert len(adapters.trainable_parameters(policy)) == len(list(policy.parameters()))


def test_off_comes_back_on_after_an_error(base):
    policy = models.load_policy(Path(base), seed=0, compute=LORA)
    train_a_little(policy)
    expected = logprobs(policy)

    with pytest.raises(ZeroDivisionError), adapters.off(policy):
        raise ZeroDivisionError

    assert torch.equal(logprobs(policy), expected)


def test_the_gradient_of_an_adapter_survives_a_look_at_the_reference(base):
    policy = models.load_policy(Path(base), seed=0, compute=LORA)
    train_a_little(policy)
    packed = pack(policy, TREES)
    forward.response_logprobs(policy, packed).sum().backward()
    expected = {k: v.grad.clone() for k, v in adapters.trainable_parameters(policy).items()}
    policy.zero_grad()

    loss = forward.response_logprobs(policy, packed).sum()
    with adapters.off(policy):
        logprobs(policy)
    loss.backward()

    found = {k: v.grad for k, v in adapters.trainable_parameters(policy).items()}
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_an_adapter_starts_from_the_seed_alone(base):
    def first(seed: int) -> torch.Tensor:
        torch.rand(seed)
        policy = models.load_policy(Path(base), seed=seed, compute=LORA)
        return next(iter(adapters.trainable_parameters(policy).values())).detach()

    assert torch.equal(first(1), first(1))
    assert not torch.equal(first(1), first(2))


def test_adding_an_adapter_leaves_the_random_numbers_of_the_run_alone(base):
    policy = models.load_policy(Path(base), seed=0)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)

    adapters.add(policy, rank=4, alpha=8.0, seed=0)

    assert torch.equal(torch.rand(3), expected)


def test_an_untrained_base_takes_an_adapter(tmp_path):
    folder = Path(save_base(tmp_path / "base", seed=None))

    first, again = (models.load_policy(folder, seed=3, compute=LORA) for _ in range(2))

    assert checksum(first) == checksum(again)


def test_a_rank_that_no_layer_has_is_refused_with_the_largest_that_one_has(tmp_path):
    folder = Path(save_base(tmp_path / "base", hidden_size=32, intermediate_size=64))
    settings = ComputeSettings(lora_rank=33)

    with pytest.raises(RunRefusedError) as refused:
        models.load_policy(folder, seed=0, compute=settings)

    assert str(refused.value) == (
        f"lora_rank is 33, but no linear layer of {folder} has a rank above 32, and beyond it an "
        "adapter adds nothing; lower it to at most 32"
    )
    assert shape_of(folder).largest_rank == 32
    models.load_policy(folder, seed=0, compute=ComputeSettings(lora_rank=32))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_largest_rank_is_known_from_the_config_alone(tmp_path, family):
    model = models.load_policy(save_family(tmp_path / family, family), seed=0)

    found = max(min(layer.weight.shape) for layer in adapters.linear_layers(model).values())

    assert shape_from_config(model.config.to_dict()).largest_rank == found
