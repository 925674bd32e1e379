"""What may be registered as a model folder, and what is refused (bad inputs B091 to B097)."""

import json
import os
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from app.errors import InvalidError
from app.registry.folder import check_folder

CONFIG = {"model_type": "llama", "vocab_size": 64, "hidden_size": 8, "num_hidden_layers": 1}


def safetensors(header: object, data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def weights(values: list[float]) -> bytes:
    data = np.array(values, dtype="<f4").tobytes()
    entry = {"dtype": "F32", "shape": [len(values)], "data_offsets": [0, len(data)]}
    return safetensors({"w": entry}, data)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "models"
    root.mkdir()
    return root


@pytest.fixture
def folder(root: Path) -> Path:
    """A small model folder that is accepted."""
    folder = root / "small"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer.json").write_text('{"model": {}}')
    (folder / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
    (folder / "model.safetensors").write_bytes(weights([0.5, -1.0]))
    return folder


def code_of(path: Path | str, root: Path) -> str:
    with pytest.raises(InvalidError) as refusal:
        check_folder(str(path), (root,))
    return refusal.value.code


def test_a_sound_folder_is_accepted_with_the_hash_of_every_file(folder, root):
    checked = check_folder(str(folder), (root,))

    assert checked.path == str(folder)
    assert checked.has_weights
    assert set(checked.file_sha256) == {
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "model.safetensors",
    }
    assert checked.file_sha256["tokenizer.json"] == (
        "60e9a258caaf1d7141ddfeb43291d73091efa8af3d8b48faa62678e150b3f2f3"
    )


def test_a_folder_without_weights_is_an_untrained_model(folder, root):
    (folder / "model.safetensors").unlink()

    assert not check_folder(str(folder), (root,)).has_weights


@pytest.fixture
def adapter(folder: Path) -> Path:
    """What a LoRA run leaves beside the merged weights."""
    adapter = folder / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 8}')
    (adapter / "adapter_model.safetensors").write_bytes(weights([0.25]))
    return adapter


def test_the_adapter_of_a_lora_run_is_accepted_and_hashed(folder, adapter, root):
    checked = check_folder(str(folder), (root,))

    assert {"adapter/adapter_config.json", "adapter/adapter_model.safetensors"} < set(
        checked.file_sha256
    )


def test_an_adapter_alone_is_no_model(folder, adapter, root):
    (folder / "model.safetensors").unlink()

    assert not check_folder(str(folder), (root,)).has_weights


def test_the_files_of_an_adapter_are_held_to_the_same_rules(folder, adapter, root):
    (adapter / "custom.py").write_text("import os")
    assert code_of(folder, root) == "forbidden_file"
    (adapter / "custom.py").unlink()
    (adapter / "adapter_model.safetensors").write_bytes(weights([float("nan")]))
    assert code_of(folder, root) == "weights_not_finite"
    (adapter / "adapter_model.safetensors").unlink()
    (adapter / "deeper").mkdir()
    assert code_of(folder, root) == "not_a_regular_file"


def test_no_other_folder_and_no_link_may_stand_for_an_adapter(folder, adapter, root):
    adapter.rename(folder / "other")
    assert code_of(folder, root) == "not_a_regular_file"
    (folder / "other").rename(root / "elsewhere")
    (folder / "adapter").symlink_to(root / "elsewhere")
    assert code_of(folder, root) == "not_a_regular_file"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/etc",
        "..",
        "~",
        "~root",
        "./small",
        "small",
        "{folder}/",
        "/{folder}",
        "{root}//small",
        "{folder}/../small",
        "{folder}\x00",
        "/" + "a" * 5000,
        "\\\\server\\share",
        "file://{folder}",
        "http://localhost/small",
        "{root}",
        "{root}/missing",
    ],
)
def test_a_path_that_is_not_plainly_below_a_root_is_refused(path, folder, root):
    assert code_of(path.format(folder=folder, root=root), root) == "outside_model_roots"


def test_a_sibling_whose_name_begins_like_the_root_is_refused(folder, root):
    evil = root.with_name("models-evil")
    evil.mkdir()
    folder.rename(evil / "small")

    assert code_of(evil / "small", root) == "outside_model_roots"


def test_a_symbolic_link_that_leads_out_of_the_root_is_refused(folder, root, tmp_path):
    outside = tmp_path / "outside"
    folder.rename(outside)
    (root / "link").symlink_to(outside)

    assert code_of(root / "link", root) == "outside_model_roots"


def test_a_symbolic_link_loop_is_refused(root):
    (root / "a").symlink_to(root / "b")
    (root / "b").symlink_to(root / "a")

    assert code_of(root / "a", root) == "outside_model_roots"


def test_a_file_that_links_out_of_the_root_is_refused(folder, root, tmp_path):
    (tmp_path / "secret.json").write_text("{}")
    (folder / "extra.json").symlink_to(tmp_path / "secret.json")

    assert code_of(folder, root) == "not_a_regular_file"


def test_a_file_that_links_to_one_below_the_root_is_accepted_like_a_hub_cache(folder, root):
    (root / "blob").write_text("{}")
    (folder / "extra.json").symlink_to(root / "blob")

    assert "extra.json" in check_folder(str(folder), (root,)).file_sha256


def test_a_hard_link_is_refused(folder, root, tmp_path):
    (tmp_path / "secret.json").write_text("{}")
    os.link(tmp_path / "secret.json", folder / "extra.json")

    assert code_of(folder, root) == "not_a_regular_file"


def test_a_fifo_is_refused_without_waiting_for_a_writer(folder, root):
    os.mkfifo(folder / "extra.json")

    assert code_of(folder, root) == "not_a_regular_file"


def test_a_directory_named_like_weights_is_refused(folder, root):
    (folder / "more.safetensors").mkdir()

    assert code_of(folder, root) == "not_a_regular_file"


def test_an_empty_file_is_refused(folder, root):
    (folder / "model.safetensors").write_bytes(b"")

    assert code_of(folder, root) == "empty_file"


def test_a_file_instead_of_a_folder_is_refused(folder, root):
    assert code_of(folder / "config.json", root) == "not_a_folder"


@pytest.mark.parametrize(
    "name",
    ["modeling.py", "pytorch_model.bin", "x.PT", "x.pth", "x.ckpt", "x.pkl", "x.gguf", "x.npy"],
)
def test_code_and_pickled_files_are_refused_by_name(name, folder, root):
    (folder / name).write_bytes(b"x")

    with pytest.raises(InvalidError, match=name) as refusal:
        check_folder(str(folder), (root,))

    assert refusal.value.code == "forbidden_file"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"model_type": "unheard_of"}, "unknown_architecture"),
        ({"model_type": ["llama"]}, "unknown_architecture"),
        ({"auto_map": {"AutoModel": "x.Y"}}, "remote_code"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "quantized"),
        ({"trust_remote_code": True}, "remote_code"),
        ({"a": {"b": {"_attn_implementation_internal": "evil/kernel"}}}, "unknown_implementation"),
        ({"a": [{"_attn_implementation": "evil/kernel"}]}, "unknown_implementation"),
        ({"attn_implementation": {"": "eager"}}, "unknown_implementation"),
        ({"_experts_implementation": "evil/kernel"}, "unknown_implementation"),
        ({"vocab_size": 10**12}, "bad_size"),
        ({"hidden_size": -8}, "bad_size"),
        ({"num_hidden_layers": 1.5}, "bad_size"),
        ({"padding": "x" * 2**20}, "file_too_large"),
    ],
)
def test_a_config_that_breaks_a_rule_is_refused(change, code, folder, root):
    (folder / "config.json").write_text(json.dumps(CONFIG | change))

    assert code_of(folder, root) == code


def test_an_allowed_attention_implementation_is_accepted(folder, root):
    (folder / "config.json").write_text(json.dumps(CONFIG | {"_attn_implementation": "sdpa"}))

    assert check_folder(str(folder), (root,)).has_weights


@pytest.mark.parametrize("content", ["{", "[1]", "[" * 100_000, "\ufeff"])
def test_a_config_that_is_not_a_json_object_is_refused(content, folder, root):
    (folder / "config.json").write_text(content)

    assert code_of(folder, root) == "bad_json"


def test_a_folder_without_a_config_is_refused(folder, root):
    (folder / "config.json").unlink()

    assert code_of(folder, root) == "no_config"


def test_a_tokenizer_config_that_names_code_is_refused(folder, root):
    (folder / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": ["x.Y", null]}}')

    assert code_of(folder, root) == "remote_code"


def test_an_index_that_names_weights_elsewhere_is_refused(folder, root):
    index = {"weight_map": {"w": "../other/model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    assert code_of(folder, root) == "missing_shard"


F32 = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x95pickle data",
        struct.pack("<Q", 200_000_000) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 2) + b"{x",
        safetensors({"w": {**F32, "dtype": "Q9"}}, b"\0" * 4),
        safetensors({"w": {**F32, "shape": [-1]}}, b"\0" * 4),
        safetensors({"w": {**F32, "shape": [2]}}, b"\0" * 4),
        safetensors({"w": {**F32, "data_offsets": [0, 4000]}}, b"\0" * 4),
        safetensors({"w": F32, "v": F32}, b"\0" * 4),
        safetensors({"w": F32}, b"\0" * 5),
        safetensors({"w": "F32"}, b""),
        struct.pack("<Q", 130)
        + b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
        + b'"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}'.ljust(76)
        + b"\0" * 8,
    ],
    ids=[
        "pickle",
        "header-200-mb",
        "header-is-a-list",
        "header-is-not-json",
        "unknown-dtype",
        "negative-shape",
        "shape-without-data",
        "past-the-end",
        "overlap",
        "trailing-bytes",
        "entry-is-text",
        "duplicate-names",
    ],
)
def test_what_is_not_a_sound_safetensors_file_is_refused(content, folder, root):
    (folder / "model.safetensors").write_bytes(content)

    assert code_of(folder, root) == "bad_safetensors"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(value, folder, root):
    (folder / "model.safetensors").write_bytes(weights([1.0, value]))

    assert code_of(folder, root) == "weights_not_finite"


@pytest.mark.parametrize("name", ["layers.0.weight", "layers.0.qweight", "layers.0.weight_packed"])
@pytest.mark.parametrize(("dtype", "width"), [("I8", 1), ("U8", 1), ("F8_E4M3", 1), ("I32", 4)])
def test_weights_of_a_quantized_model_are_refused_whatever_its_config_says(
    name, dtype, width, folder, root
):
    entry = {"dtype": dtype, "shape": [2], "data_offsets": [0, 2 * width]}
    (folder / "model.safetensors").write_bytes(safetensors({name: entry}, b"\1" * 2 * width))

    assert code_of(folder, root) == "quantized"


def test_a_mask_beside_the_weights_may_be_of_bytes(folder, root):
    """As in the files of Pythia."""
    mask = {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}
    entries = {"layers.0.attention.bias": mask, "w": {**F32, "data_offsets": [4, 8]}}
    (folder / "model.safetensors").write_bytes(safetensors(entries, b"\1" * 8))

    assert check_folder(str(folder), (root,)).has_weights


def test_bfloat16_weights_are_checked_too(folder, root):
    entry = {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}
    infinity = struct.pack("<HH", 0x3F80, 0x7F80)
    (folder / "model.safetensors").write_bytes(safetensors({"w": entry}, infinity))

    assert code_of(folder, root) == "weights_not_finite"


@pytest.mark.parametrize(
    "files",
    [{"tokenizer.json"}, {"tokenizer.model"}, {"vocab.json", "merges.txt"}],
    ids=["tokenizers", "sentencepiece", "byte-pairs"],
)
def test_each_kind_of_tokenizer_is_accepted_and_without_it_the_folder_is_not(files, folder, root):
    (folder / "tokenizer.json").unlink()
    assert code_of(folder, root) == "no_tokenizer"
    for name in files:
        (folder / name).write_text('{"model": {}}')

    assert files < set(check_folder(str(folder), (root,)).file_sha256)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"model": []}'])
def test_a_tokenizer_that_was_cut_off_is_refused(content, folder, root):
    (folder / "tokenizer.json").write_text(content)

    assert code_of(folder, root) == "bad_tokenizer"


EOS_BY_OLD_FILE = {"eos_token": {"content": "</s>"}}


@pytest.mark.parametrize(
    ("model_type", "settings", "names", "is_there"),
    [
        ("llama", {"eos_token": "</s>"}, {}, True),
        ("llama", {"eos_token": {"content": "</s>", "__type": "AddedToken"}}, {}, True),
        ("llama", {}, EOS_BY_OLD_FILE, True),
        ("llama", {"added_tokens_decoder": {}, "eos_token": None}, EOS_BY_OLD_FILE, False),
        ("llama", {}, {}, False),
        ("llama", {"eos_token": ""}, {}, False),
        ("llama", {"tokenizer_class": "LlamaTokenizer"}, {}, True),
        ("gpt2", {}, {}, True),
        ("gpt2", {"eos_token": None}, {}, False),
        ("gpt2", {"tokenizer_class": "PreTrainedTokenizerFast"}, {}, False),
    ],
)
def test_a_tokenizer_has_to_have_an_eos_token(model_type, settings, names, is_there, folder, root):
    """As transformers 5.23 finds it; `generation_config.json` ends no response here."""
    (folder / "config.json").write_text(json.dumps({**CONFIG, "model_type": model_type}))
    (folder / "generation_config.json").write_text('{"eos_token_id": 2}')
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "special_tokens_map.json").write_text(json.dumps(names))

    if is_there:
        assert check_folder(str(folder), (root,)).has_weights
    else:
        assert code_of(folder, root) == "no_eos_token"


TURNS = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}"


@pytest.mark.parametrize(
    "template",
    [
        TURNS + "{% if add_generation_prompt %}<|assistant|>{% endif %}",
        "{{ bos_token + 'x' }}" + TURNS,
        "{{ strftime_now('%Y') }}{{ messages | tojson(indent=1) }}",
        "{% for m in messages %}{% generation %}{{ m['content'] }}{% endgeneration %}"
        "{% if loop.index > 90 %}{% break %}{% endif %}{% endfor %}",
        "{% set ns = namespace(n=0) %}{% if tools is defined and tools %}x{% endif %}" + TURNS,
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        + TURNS,
    ],
    ids=["turns", "bos", "names", "tags", "namespace", "raises-for-system"],
)
def test_a_chat_template_that_writes_a_conversation_is_accepted(template, folder, root):
    settings = {"eos_token": "</s>", "bos_token": "<s>", "chat_template": template}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))

    assert check_folder(str(folder), (root,)).has_weights


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% for m in messages %}", "does not compile: Unexpected end of template"),
        ("{{ raise_exception('I write\n no chats') }}", "user: I write no chats"),
        ("{{ raise_exception('\\ud800\\x1b[2Jx\\x00') }}", "user: \ufffd\ufffd\\[2Jx\ufffd"),
        ("{{ 9 ** (9 ** 9) }}", "more time or memory"),
        ("{{ messages[1].content }}", "refuses a conversation of user"),
        ("{{ messages[0].content + 1 }}", "refuses a conversation of user"),
        (
            "{% if messages | length > 1 %}{{ 1 // 0 }}{% endif %}" + TURNS,
            "user, assistant, user: int",
        ),
        ("Hello.", "leaves out what the user says last"),
        ("{{ ''.__class__.__mro__ }}" + TURNS, "is unsafe"),
        ("{{ messages.append(1) }}" + TURNS, "is unsafe"),
        ("{% include 'x' %}", "no loader"),
        ("{{ 'a' * 10 ** 6 }}", "writes more than 100,000 characters"),
        ("{{ 'a' * 10 ** 10 }}", "MemoryError"),
        (
            "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
            "more time or memory",
        ),
    ],
)
def test_a_chat_template_that_writes_no_conversation_is_refused(template, said, folder, root):
    (folder / "chat_template.jinja").write_text(template)

    with pytest.raises(InvalidError, match=said) as refusal:
        check_folder(str(folder), (root,))

    assert refusal.value.code == "bad_chat_template"
    assert refusal.value.detail.startswith("The chat template in chat_template.jinja ")
    assert "\n" not in refusal.value.detail


@pytest.mark.parametrize(
    "template", [[], [{"name": "tool_use", "template": TURNS}], 7, "x" * (2**20 + 1)]
)
def test_what_is_no_chat_template_is_refused(template, folder, root):
    settings = {"eos_token": "</s>", "chat_template": template}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))

    assert code_of(folder, root) == "bad_chat_template"


def test_of_several_chat_templates_the_default_is_tried(folder, root):
    several = [{"name": "tools", "template": "{%"}, {"name": "default", "template": TURNS}]
    settings = {"eos_token": "</s>", "chat_template": several}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))

    assert check_folder(str(folder), (root,)).has_weights


def test_a_chat_template_sees_no_secret(folder, root, monkeypatch):
    monkeypatch.setenv("PODIUM_SECRET_KEY", "s" * 48)
    tried = []
    run = subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda *args, **options: tried.append(options) or run(*args, **options)
    )
    (folder / "chat_template.jinja").write_text(TURNS)

    check_folder(str(folder), (root,))

    assert [set(options["env"]) for options in tried] == [{"PYTHONPATH"}]
