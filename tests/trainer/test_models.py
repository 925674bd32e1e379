"""Loading models: what is refused, and what an untrained base gives."""

import errno
import json
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast, Qwen2Config

from tests.trainer.conftest import checksum, save_base
from tests.trainer.test_adapters import FAMILIES
from trainer import forward, limits, models
from trainer.architecture import reward_head
from trainer.errors import DiskFullError, RunRefusedError
from trainer.model_shape import positions_of
from trainer.shared_prompt import Tree, pack


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "evil.py", "sub/rng_state.pth", "a.PKL", "a.msgpack"]
)
def test_a_folder_with_pickles_or_code_is_refused_by_file_name(tmp_path, name):
    folder = Path(save_base(tmp_path / "base"))
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"cos\nsystem\n")

    with pytest.raises(RunRefusedError, match=Path(name).name):
        models.resolve_folder(str(folder))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("auto_map", {"AutoModel": "evil.Model"}),
        ("trust_remote_code", True),
        ("_attn_implementation_internal", "someone/kernel"),
        ("_experts_implementation", "someone/kernel"),
    ],
)
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_a_config_key_that_could_run_code_is_refused_at_any_depth(tmp_path, key, value, depth):
    folder = Path(save_base(tmp_path / "base"))
    config = json.loads((folder / "config.json").read_text())
    node: dict = {key: value}
    for _ in range(depth):
        node = {"nested": [node]}
    (folder / "config.json").write_text(json.dumps(config | node))

    with pytest.raises(RunRefusedError, match=key):
        models.resolve_folder(str(folder))


@pytest.mark.parametrize("config", ["[]", "{", '{"model_type": "evil"}'])
def test_a_config_without_a_known_architecture_is_refused(tmp_path, config):
    (tmp_path / "config.json").write_text(config)

    with pytest.raises(RunRefusedError):
        models.resolve_folder(str(tmp_path))


def test_a_quantized_model_is_refused(tmp_path):
    folder = Path(save_base(tmp_path / "base"))
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (folder / "config.json").write_text(json.dumps(config))

    with pytest.raises(RunRefusedError, match=r"config\.json: the model is quantized \(quant"):
        models.load_policy(folder, seed=0)


def test_weights_of_another_size_than_the_config_says_are_refused_with_both_sizes(tmp_path):
    folder = Path(save_base(tmp_path / "base"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 300}))

    with pytest.raises(
        RunRefusedError, match=r"embed\w*\S* has the shape \[259, \d+\].*says \[300, \d+\]"
    ):
        models.load_policy(folder, seed=0)


def test_a_folder_without_a_tokenizer_is_refused_with_the_name_of_the_file(tmp_path):
    folder = Path(save_base(tmp_path / "base"))
    (folder / "tokenizer.json").unlink()

    with pytest.raises(RunRefusedError, match=r"has no tokenizer\.json"):
        models.load_tokenizer(folder)


def test_a_model_that_does_not_fit_on_the_disk_says_how_much_it_needs(tmp_path, monkeypatch):
    """R-07: a run that is told too little would be trained again at once, and fail again."""
    folder = Path(save_base(tmp_path / "base"))
    model = models.load_policy(folder, seed=0)
    size = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())

    def fail(*_, **__):
        raise RuntimeError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(model, "save_pretrained", fail)
    (tmp_path / "saved").mkdir()

    with pytest.raises(DiskFullError, match=f"needs {2 * size / 1e6:,.1f} MB"):
        models.save_model(model, models.load_tokenizer(folder), tmp_path / "saved")


def test_an_untrained_base_is_the_same_for_the_same_seed_and_another_for_another(tmp_path):
    folder = Path(save_base(tmp_path / "base", seed=None))

    first, again, other = (checksum(models.load_policy(folder, seed=seed)) for seed in (1, 1, 2))

    assert first == again != other


def test_weights_that_do_not_fit_the_config_are_refused(tmp_path):
    folder = Path(save_base(tmp_path / "base"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 64}))

    with pytest.raises(RunRefusedError, match="cannot be loaded"):
        models.load_policy(folder, seed=0)


def test_a_folder_that_lacks_weights_is_refused_instead_of_filled_with_random_ones(tmp_path):
    folder = Path(save_base(tmp_path / "base"))
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(RunRefusedError, match=r"model\.layers\.1\.mlp\.up_proj\.weight"):
        models.load_policy(folder, seed=0)
    with pytest.raises(RunRefusedError, match="lacks 1 of the weights"):
        models.load_reward_model(folder, seed=0)


INDICES = {
    "none of them there": ({"a": "model-00001-of-00001.safetensors"}, "model-00001-of-00001"),
    "one is missing": (
        {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"},
        "model-00002-of-00002",
    ),
    "weights elsewhere": ({"a": "../other/model.safetensors"}, r"\.\./other"),
    "no names": ({"a": 1}, "names '1'"),
    "no map": ([], "is damaged"),
}


@pytest.mark.parametrize("name", INDICES)
def test_an_index_has_to_name_weights_that_are_in_the_folder(tmp_path, name):
    weight_map, cause = INDICES[name]
    save_base(tmp_path / "other")
    folder = Path(save_base(tmp_path / "base", seed=None if name.startswith("none") else 0))
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))

    with pytest.raises(RunRefusedError, match=cause):
        models.load_policy(folder, seed=0)


def test_a_link_to_weights_that_are_gone_is_refused(tmp_path):
    folder = Path(save_base(tmp_path / "base", seed=None))
    (folder / "model.safetensors").symlink_to(tmp_path / "gone")

    with pytest.raises(RunRefusedError, match=r"model\.safetensors cannot be read: No such"):
        models.resolve_folder(str(folder))


@pytest.mark.parametrize("location", ["/nowhere", "owner/name@main", "", "x" * 5000, "a\0b"])
def test_what_is_no_folder_is_refused(location):
    with pytest.raises(RunRefusedError) as refused:
        models.resolve_folder(location)

    assert len(str(refused.value)) < 500


def test_a_run_that_starts_from_no_weights_says_so(tmp_path, caplog):
    with caplog.at_level("WARNING"):
        models.load_policy(Path(save_base(tmp_path / "base", seed=None)), seed=0)

    assert "has no weights: an untrained model is made of its config" in caplog.text


def test_a_damaged_weight_file_is_refused(tmp_path):
    folder = Path(save_base(tmp_path / "base"))
    (folder / "model.safetensors").write_bytes(b"\xff" * 64)

    with pytest.raises(RunRefusedError, match="cannot be loaded"):
        models.load_policy(folder, seed=0)


def change_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


@pytest.mark.parametrize("has_weights", [True, False])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vocab_size", 10**12),
        ("vocab_size", -1),
        ("vocab_size", "many"),
        ("vocab_size", True),
        ("hidden_size", 10**12),
        ("hidden_size", 0),
        ("num_hidden_layers", 10**9),
        ("num_hidden_layers", 2.5),
        ("num_attention_heads", [10**12]),
        ("original_max_position_embeddings", -1),
    ],
)
def test_numbers_that_no_model_has_are_refused_before_anything_is_made(
    tmp_path, key, value, has_weights
):
    folder = Path(save_base(tmp_path / "base", seed=0 if has_weights else None))
    change_config(folder, **{key: value})

    with pytest.raises(RunRefusedError, match=f"config.json: {key} is ") as refused:
        models.load_policy(folder, seed=0)

    assert "\n" not in str(refused.value)


def test_a_base_that_does_not_fit_the_memory_is_refused_before_it_is_made(tmp_path):
    folder = Path(save_base(tmp_path / "base", seed=None))
    change_config(folder, vocab_size=2**24, hidden_size=2**20)

    with pytest.raises(RunRefusedError, match=r"parameters, which need .* are free"):
        models.load_policy(folder, seed=0)


def test_a_config_of_50_megabytes_is_refused_unread(tmp_path):
    folder = Path(save_base(tmp_path / "base"))
    (folder / "config.json").write_bytes(b" " * 50 * 10**6)

    with pytest.raises(RunRefusedError, match="50000000 bytes"):
        models.resolve_folder(str(folder))


def test_a_deeply_nested_config_is_refused(tmp_path):
    folder = Path(save_base(tmp_path / "base"))
    (folder / "config.json").write_text("[" * 100_000)

    with pytest.raises(RunRefusedError, match="is not JSON"):
        models.resolve_folder(str(folder))


@pytest.mark.parametrize(
    "changes",
    [
        {"num_attention_heads": 3},
        {"num_key_value_heads": 5},
        {"hidden_act": "evil"},
        {"rope_parameters": {"rope_type": "evil"}},
        {"layer_types": ["evil", "evil"]},
    ],
)
def test_numbers_that_do_not_fit_together_are_refused_in_one_line(tmp_path, changes):
    folder = Path(save_base(tmp_path / "base"))
    change_config(folder, **changes)

    with pytest.raises(RunRefusedError) as refused:
        models.load_policy(folder, seed=0)

    assert str(folder) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not str(refused.value).endswith(":")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_weight_file_is_refused_with_its_name(tmp_path, share):
    folder = Path(save_base(tmp_path / "base"))
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: int(share * weights.stat().st_size)])

    with pytest.raises(RunRefusedError, match=r"model\.safetensors cannot be loaded"):
        models.resolve_folder(str(folder))


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b'{"a": 1}',
        b'{"a": {"dtype": "F32", "shape": ["x"], "data_offsets": [0, 0]}}',
        b'{"a": {"dtype": "F32", "shape": [1]}}',
        b"{",
    ],
)
def test_a_damaged_header_of_a_weight_file_is_refused(tmp_path, header):
    folder = Path(save_base(tmp_path / "base"))
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)

    with pytest.raises(RunRefusedError, match="header is damaged"):
        models.resolve_folder(str(folder))


@pytest.mark.parametrize("content", [None, "{", '{"model": {"type": "evil"}}'])
def test_a_folder_without_a_readable_tokenizer_is_refused(tmp_path, content):
    folder = Path(save_base(tmp_path / "base"))
    (folder / "tokenizer.json").unlink()
    if content is not None:
        (folder / "tokenizer.json").write_text(content)

    with pytest.raises(RunRefusedError, match="tokenizer") as refused:
        models.load_tokenizer(folder)

    assert "\n" not in str(refused.value)


def test_a_tokenizer_without_eos_is_refused(tmp_path):
    folder = Path(save_base(tmp_path / "base"))
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config.pop("eos_token")
    path.write_text(json.dumps(config))

    with pytest.raises(RunRefusedError, match="no eos_token"):
        models.load_tokenizer(folder)


def test_the_tokenizer_of_the_folder_is_used_whatever_the_architecture(tmp_path):
    backend = Tokenizer(WordLevel({"<end>": 0, "hello": 1, "world": 2}, unk_token="<end>"))
    backend.pre_tokenizer = WhitespaceSplit()
    saved = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<end>")
    saved.save_pretrained(tmp_path)
    Qwen2Config(vocab_size=3).save_pretrained(tmp_path)

    tokenizer = models.load_tokenizer(tmp_path)

    assert tokenizer("hello world")["input_ids"] == [1, 2]


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(tmp_path):
    folder = Path(save_base(tmp_path / "base", vocab_size=200))
    policy = models.load_policy(folder, seed=0)

    with pytest.raises(RunRefusedError, match="259 tokens but the model only 200"):
        models.require_same_vocabulary(policy, models.load_tokenizer(folder), name="base")


def test_a_reward_model_is_no_policy_to_start_from(tmp_path):
    folder = Path(save_base(tmp_path / "base"))
    model = models.load_reward_model(folder, seed=0)
    models.save_model(model, models.load_tokenizer(folder), tmp_path / "saved")

    with pytest.raises(RunRefusedError, match="saved is a reward model"):
        models.load_policy(tmp_path / "saved", seed=0)


def test_a_saved_reward_model_scores_bit_equal_after_loading(tmp_path):
    """R15."""
    folder = Path(save_base(tmp_path / "base", pad="<|end|>"))
    model = models.load_reward_model(folder, seed=0)
    reward_head.set_bias(model, 0.5)
    models.save_model(model, models.load_tokenizer(folder), tmp_path / "saved")

    loaded = models.load_reward_model(tmp_path / "saved", seed=9)

    packed = pack(model, [Tree((0, 50), ((60, 2), (70, 71, 2)))])
    assert torch.equal(forward.scores(loaded, packed), forward.scores(model, packed))
    assert reward_head.bias_of(loaded) == 0.5


def test_a_loaded_model_has_dropout_off(tmp_path):
    """P16."""
    folder = Path(save_base(tmp_path / "base", attention_dropout=0.5))
    policy = models.load_policy(folder, seed=0)
    tokens = torch.tensor([[0, 50, 60, 2, 1]])

    assert torch.equal(policy(tokens).logits, policy(tokens).logits)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_longest_sequence_of_a_folder_is_the_one_that_the_trainer_keeps_to(family, tmp_path):
    FAMILIES[family].save_pretrained(tmp_path)

    assert positions_of(tmp_path) == limits.say_longest_sequence(FAMILIES[family], 10**9)


def test_a_config_may_name_no_longest_sequence(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bloom", "hidden_size": 64}')

    assert positions_of(tmp_path) is None


@pytest.mark.parametrize(
    "error",
    [ConnectionError("no route to host\nsecond line"), ValueError("no such revision")],
)
def test_a_model_that_cannot_be_downloaded_is_refused_in_one_line(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)

    with pytest.raises(RunRefusedError) as refused:
        models.resolve_folder("owner/name@" + "0" * 40)

    cause = str(error).splitlines()[0]
    assert str(refused.value).startswith("owner/name@0000")
    assert f"cannot be downloaded: {type(error).__name__}: {cause};" in str(refused.value)


def test_a_disk_that_a_download_fills_is_waited_for(monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)

    with pytest.raises(OSError, match="No space left"):
        models.resolve_folder("owner/name@" + "0" * 40)
