"""What a model was made of: hashes by hand, ids that stay apart."""

import hashlib

from tests.trainer.conftest import make_run, user
from trainer.running import lineage
from trainer.spec import RewardSettings, RewardSpec


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def test_rows_of_one_id_are_told_apart():
    assert lineage.unique_ids(["a", "b", "a", "a"]) == ["a", "b", "a#2", "a#3"]


def test_a_model_is_known_by_its_weights_and_tokenizer_and_nothing_else(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"w")
    (tmp_path / "tokenizer.json").write_bytes(b"t")
    known = lineage.model_sha256(tmp_path)

    lines = f"model.safetensors\0{sha256(b'w')}\ntokenizer.json\0{sha256(b't')}\n"
    assert known == sha256(lines.encode())

    (tmp_path / "README.md").write_bytes(b"anything")
    assert lineage.model_sha256(tmp_path) == known

    (tmp_path / "tokenizer.json").write_bytes(b"u")
    assert lineage.model_sha256(tmp_path) != known


def test_the_lineage_names_files_parents_settings_and_rows(tmp_path):
    rankings = [{"prompt_id": "1", "messages": user("Hi")}]
    spec = RewardSpec(base_model="b", settings=RewardSettings(seed=3), demonstrations="none.jsonl")
    run_dir = make_run(tmp_path / "run", spec, rankings=rankings, prompts=rankings)
    parent = tmp_path / "parent"
    parent.mkdir()
    rows = lineage.RowUse(used=["1"], dropped={"2": "all tied"}, cut={"3": "its prompt"})

    described = lineage.describe_lineage(spec, run_dir, parents={"base_model": parent}, rows=rows)

    # What the spec does not name was not read, and what is not there could not be.
    content = (run_dir / "rankings.jsonl").read_bytes()
    assert described.files == {"rankings.jsonl": sha256(content)}
    assert described.parents == {"base_model": sha256(b"")}
    assert described.settings == spec.settings.model_dump()
    assert described.settings["labeler_folds"] == 0
    assert described.seed == 3
    assert described.rows_used == ["1"]
    assert described.rows_dropped == {"2": "all tied"}
    assert described.rows_cut == {"3": "its prompt"}
