"""Runs the hook's tests with the oldest botocore that fdyno supports and with the newest there is.

Each version gets a virtual environment of its own beside the main one, with the built wheel. Usage:
``python tests/python/run_botocore_versions.py [--full]``; without ``--full`` only the core subset runs.

Nothing else is installed there: what needs Powertools, bloop, pandas, pyarrow or a notebook is skipped, since those ask for newer
releases of botocore or have nothing to do with it. In the main environment all of it runs (tests/python/packages.py).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def floor() -> str:
    """The oldest botocore that pyproject.toml allows."""
    match = re.search(r'"botocore>=([0-9.]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    if match is None:
        raise SystemExit("pyproject.toml names no floor for botocore")
    return match.group(1)


def run(name: str, packages: list[str], selection: list[str]) -> None:
    (wheel,) = (ROOT / "dist").glob("*.whl")
    home = ROOT / ".venv-botocore" / name
    if not home.exists():
        venv.create(home, with_pip=True)
    python = str(home / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--upgrade"]
    subprocess.run([*pip, *packages, "pytest>=8", "pytest-asyncio>=0.24,<2"], check=True)
    subprocess.run([*pip, "--no-deps", "--force-reinstall", str(wheel)], check=True)
    version = subprocess.run(
        [python, "-c", "import botocore; print(botocore.__version__)"], check=True, capture_output=True, text=True
    ).stdout.strip()
    print(f"botocore {version} ({name})", flush=True)
    environment = {**os.environ, "FDYNO_REQUIRE_PACKAGES": "0"}
    subprocess.run([python, "-m", "pytest", "-q", "tests/python", *selection], cwd=ROOT, env=environment, check=True)


def main() -> None:
    selection = [] if "--full" in sys.argv[1:] else ["-m", "core"]
    oldest = floor() if floor().count(".") > 1 else f"{floor()}.0"
    run("oldest", [f"boto3=={oldest}", f"botocore=={oldest}"], selection)
    run("newest", ["boto3"], selection)
    if not selection:
        # The first aiobotocore whose botocore is not older than the floor.
        run("oldest-aiobotocore", ["aiobotocore==2.11.0", "boto3"], selection)


if __name__ == "__main__":
    main()
