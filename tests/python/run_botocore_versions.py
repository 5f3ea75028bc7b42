"""Runs the suite against the oldest supported and the newest botocore, each in an environment of its own.

Not a test module: `make test-all` calls it. The wheel under test is the newest one in `dist/`.
"""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile
import venv

ROOT = pathlib.Path(__file__).resolve().parents[2]

#: The floor must be the one in pyproject.toml: checked below.
FLOOR = "1.34.0"
#: The extra lets aiobotocore say which boto3 goes with it: an open choice would have pip search for hours.
VERSIONS = {
    "oldest": [f"boto3=={FLOOR}", f"botocore=={FLOOR}"],
    "oldest aiobotocore": ["aiobotocore[boto3]==2.11.0"],
    "newest": ["boto3", "botocore"],
}
TOOLS = ["pytest>=8", "pytest-asyncio>=0.24"]


def newest_wheel() -> pathlib.Path:
    wheels = sorted((ROOT / "dist").glob("*.whl"), key=lambda path: path.stat().st_mtime)
    if not wheels:
        sys.exit("no wheel in dist/: run `make build` first")
    return wheels[-1]


def run(name: str, requirements: list[str], wheel: pathlib.Path) -> bool:
    with tempfile.TemporaryDirectory() as directory:
        venv.create(directory, with_pip=True)
        binaries = pathlib.Path(directory) / ("Scripts" if sys.platform == "win32" else "bin")
        python = str(binaries / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", *TOOLS, *requirements, str(wheel)], check=True)
        shown = subprocess.run(
            [python, "-c", "import botocore, boto3; print('botocore', botocore.__version__, 'boto3', boto3.__version__)"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        print(f"== {name}: {shown}", flush=True)
        return subprocess.run([python, "-m", "pytest", "-q", "tests/python", "--routes=core"], cwd=ROOT).returncode == 0


def main() -> None:
    assert f'"botocore>={FLOOR.rpartition(".")[0]}"' in (ROOT / "pyproject.toml").read_text(), "another floor"
    wheel = newest_wheel()
    failed = [name for name, requirements in VERSIONS.items() if not run(name, requirements, wheel)]
    if failed:
        sys.exit(f"failed with: {', '.join(failed)}")


if __name__ == "__main__":
    main()
