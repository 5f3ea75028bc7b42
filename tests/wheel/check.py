"""Installs the built wheel into an empty environment and runs the README's example there, as a user would.

Usage: ``python tests/wheel/check.py dist``. Exits non-zero when the wheel does not install, the example does not run,
it prints anything else than the README says, or the command `fdyno` does not start.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def readme_example() -> tuple[str, str]:
    """The README's first Python block, and the text block that follows it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    match = re.search(r"```python\n(.*?)```\s*```text\n(.*?)```", text, re.DOTALL)
    if match is None:
        raise SystemExit("README.md has no example followed by its output")
    return match.group(1), match.group(2)


def main(folder: str) -> None:
    wheels = sorted(Path(folder).glob("*.whl"))
    if len(wheels) != 1:
        raise SystemExit(f"expected one wheel in {folder}, found {len(wheels)}")
    code, expected = readme_example()
    with tempfile.TemporaryDirectory() as home:
        environment = Path(home) / "empty"
        venv.create(environment, with_pip=True)
        python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheels[0].resolve())], check=True)
        command = python.with_name("fdyno.exe" if sys.platform == "win32" else "fdyno")
        subprocess.run([command, "--version"], stdout=subprocess.DEVNULL, check=True)
        run = subprocess.run([python, "-c", code], cwd=home, capture_output=True, text=True)
    if run.returncode != 0 or run.stdout != expected:
        sys.stderr.write(run.stderr)
        raise SystemExit(f"the README's example printed\n{run.stdout}\ninstead of\n{expected}")
    print(f"{wheels[0].name} installs into an empty environment and runs the README's example")


if __name__ == "__main__":
    main(sys.argv[1])
