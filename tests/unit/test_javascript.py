"""Runs the unit tests of the scripts, with the node on PATH or the one that Playwright brings."""

import shutil
import subprocess
from pathlib import Path

import playwright
import pytest

DRIVER = Path(playwright.__file__).parent / "driver"
SCRIPTS = sorted((Path(__file__).parents[1] / "js").glob("*.test.js"))


def test_the_unit_tests_of_the_scripts_pass():
    """They also check the syntax of every script below static/js."""
    node = shutil.which("node") or DRIVER / "node"
    assert SCRIPTS

    done = subprocess.run(
        [node, "--test", *map(str, SCRIPTS)], capture_output=True, text=True, check=False
    )

    if done.returncode != 0:
        pytest.fail(done.stdout[-5000:] + done.stderr)
