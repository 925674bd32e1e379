"""The stable split, against figures that were computed elsewhere."""

import json
from pathlib import Path

import pytest

from app.prompts.split import fraction_of, stable_split

VECTORS = json.loads((Path(__file__).parent.parent / "vectors.json").read_text())["vectors"]
V32 = next(vector for vector in VECTORS if vector["id"] == "V32")


@pytest.mark.parametrize(("group", "expected"), V32["expected"].items())
def test_v32_a_group_falls_where_the_vector_says(group, expected):
    assert fraction_of(group, seed=V32["input"]["seed"]) == pytest.approx(expected["u"], abs=1e-6)
    assert stable_split(group) == expected["split"]


def test_ten_thousand_groups_split_80_10_10():
    splits = [stable_split(f"group-{index}") for index in range(10_000)]

    assert splits.count("train") == pytest.approx(8_000, abs=150)
    assert splits.count("validation") == pytest.approx(1_000, abs=120)
