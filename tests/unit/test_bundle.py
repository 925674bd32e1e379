"""Scripts joined into one file."""

import shutil
import subprocess
from pathlib import Path

import playwright
import pytest

from app.web.bundle import bundle
from app.web.static import SCRIPTS, files

NODE = shutil.which("node") or str(Path(playwright.__file__).parent / "driver/node")
PAGE = """
import "./first.js";
import { one, two } from "./sub/numbers.js";
log(one + two());
"""
FIRST = """
import * as numbers from "./sub/numbers.js";
log(`first ${numbers.one}`);
const hidden = 5;
log(hidden);
"""
NUMBERS = """
const hidden = 2;
export const one = 1;
export function two() {
  return hidden;
}
"""
SOURCES = {"js/page.js": PAGE, "js/first.js": FIRST, "js/sub/numbers.js": NUMBERS}


def said(script: str) -> list[str]:
    """What the script logs when it runs as a module."""
    program = f"const log = console.log;\n{script}"
    done = subprocess.run(
        [NODE, "--input-type=module", "-e", program], capture_output=True, text=True, check=True
    )
    return done.stdout.split("\n")[:-1]


def test_each_module_runs_once_in_the_order_of_imports_with_its_own_names():
    assert said(bundle(SOURCES, "js/page.js", folder="js")) == ["first 1", "5", "3"]


def test_what_is_loaded_later_stays_out_of_it():
    sources = {"js/page.js": 'const later = () => import("./other.js");\nlog(typeof later);\n'}

    assert said(bundle(sources, "js/page.js", folder="js")) == ["function"]


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        ("js/first.js", 'import { a as b } from "./x.js";\n', "js/first.js has a line"),
        ("js/first.js", "export default 1;\n", "js/first.js has a line"),
        ("js/first.js", 'export { a } from "./x.js";\n', "js/first.js has a line"),
        ("js/sub/numbers.js", 'import("./x.js");\n', "js/sub/numbers.js loads by its own place"),
        ("js/sub/numbers.js", 'import "../first.js";\n', "circle"),
    ],
)
def test_what_cannot_be_joined_is_named(path, source, complaint):
    with pytest.raises(ValueError, match=complaint):
        bundle(SOURCES | {path: source}, "js/page.js", folder="js")


@pytest.mark.parametrize("path", SCRIPTS)
def test_the_bundles_of_pages_parse(path, tmp_path):
    script = tmp_path / "bundle.mjs"
    script.write_bytes(files()[path].content)

    done = subprocess.run([NODE, "--check", script], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
