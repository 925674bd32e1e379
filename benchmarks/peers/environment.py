"""Environments of the peers: each in a folder of its own, with pinned versions, made once.

`PODIUM_BENCHMARK_PEERS` names another folder that holds such environments already.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ".benchmarks"
CACHE_VARIABLE = "PODIUM_BENCHMARK_PEERS"
TORCH = "torch==2.13.0"
COMPANIONS = ("transformers==5.23.0", "accelerate==1.15.0", "datasets==5.2.0")
# trl 1.12.0 is the last release with PPO.
PEERS = {
    "trl": ("trl==1.16.0", *COMPANIONS),
    "trl_ppo": ("trl==1.12.0", *COMPANIONS),
}


def python_of(peer: str) -> Path:
    """Return the interpreter of a peer's environment, which is made when it is not there."""
    folder = Path(os.environ.get(CACHE_VARIABLE, ROOT / CACHE)) / peer
    python, complete = folder / "bin" / "python", folder / ".complete"
    if CACHE_VARIABLE in os.environ and python.exists():
        return python
    if complete.exists() and complete.read_text() == _contents(peer):
        return python
    print(f"making {folder} with {_contents(peer)} ...", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    _install_torch(python)
    _install(python, [TORCH, *PEERS[peer]])
    complete.write_text(_contents(peer))
    return python


def _contents(peer: str) -> str:
    return " ".join((TORCH, *PEERS[peer]))


def _install_torch(python: Path) -> None:
    # PyTorch's index has a build without CUDA, a tenth of the size; it can be out of reach.
    index = "https://download.pytorch.org/whl/cpu"
    alone = ["--index-url", index, "--retries", "1", "--timeout", "20", TORCH]
    if _pip(python, alone).returncode != 0:
        _install(python, [TORCH])


def _install(python: Path, arguments: list[str]) -> None:
    ended = _pip(python, arguments)
    if ended.returncode != 0:
        sys.exit(f"{python} -m pip install {' '.join(arguments)} failed:\n{ended.stderr[-3000:]}")


def _pip(python: Path, arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    return subprocess.run([*command, *arguments], check=False, capture_output=True, text=True)
