"""Which Podium a run was made with: the version, and the commit when it runs from a checkout."""

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def code_version() -> str:
    """Say the version, like `0.1.0+1a2b3c4` or `0.1.0+1a2b3c4-dirty`."""
    try:
        released = version("podium")
    except PackageNotFoundError:
        released = "unreleased"
    if not (ROOT / ".git").exists():
        return released
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        described = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)  # noqa: S603
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return released
    return f"{released}+{described.stdout.strip()}" if described.returncode == 0 else released
