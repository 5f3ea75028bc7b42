"""Installs the built wheel into an empty environment and runs the README's example there, as a user would; and looks into it.

Usage: ``python tests/wheel/check.py dist``. Exits non-zero when the wheel does not install, the example does not run,
it prints anything else than the README says, or the command `fdyno` does not start. On Linux also when auditwheel does not
accept the wheel as a manylinux one, or when anything in it is linked to FoundationDB's client library, which is loaded
only when a cluster is asked for. That needs auditwheel, which brings pyelftools (requirements-dev.txt).
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def readme_example() -> tuple[str, str]:
    """The README's first Python block, and the text block that follows it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    match = re.search(r"```python\n(.*?)```\s*```text\n(.*?)```", text, re.DOTALL)
    if match is None:
        raise SystemExit("README.md has no example followed by its output")
    return match.group(1), match.group(2)


def check_manylinux(wheel: Path) -> None:
    """Whether auditwheel finds that the wheel keeps what its name promises: to run on any Linux as old as that."""
    audit = subprocess.run([sys.executable, "-m", "auditwheel", "show", "--json", wheel], capture_output=True, text=True)
    if audit.returncode != 0:
        raise SystemExit(f"auditwheel refuses {wheel.name}:\n{audit.stdout}{audit.stderr}")
    found = json.loads(audit.stdout)
    tags = wheel.stem.split("-")[-1].split(".")
    if not found["overall_tag"].startswith("manylinux_") or found["overall_tag"] not in tags or found["external_libs"]:
        raise SystemExit(f"{wheel.name} is called {tags}, and auditwheel finds:\n{audit.stdout}")


def needed_libraries(wheel: Path) -> dict[str, list[str]]:
    """The libraries that each native file of a wheel has the system load with it."""
    from elftools.elf.dynamic import DynamicSection
    from elftools.elf.elffile import ELFFile

    needed = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            if content.startswith(b"\x7fELF"):
                sections = ELFFile(io.BytesIO(content)).iter_sections()
                dynamic = [section for section in sections if isinstance(section, DynamicSection)]
                tags = [tag for section in dynamic for tag in section.iter_tags("DT_NEEDED")]
                needed[name] = [tag.needed for tag in tags]
    return needed


def check_needed(needed: dict[str, list[str]]) -> None:
    """Whether a wheel with these libraries works where FoundationDB is not installed."""
    if not needed or not all(needed.values()):
        raise SystemExit(f"no native file was found in the wheel, or one that needs nothing: {needed}")
    for name, libraries in needed.items():
        linked = [library for library in libraries if "fdb_c" in library]
        if linked:
            raise SystemExit(f"{name} is linked to {linked}: the wheel would not work without FoundationDB")


def check_links(wheel: Path) -> str:
    """What the system must have for the wheel, checked; in words."""
    if not sys.platform.startswith("linux"):
        return "its links were not looked at: auditwheel is for Linux"
    check_manylinux(wheel)
    needed = needed_libraries(wheel)
    check_needed(needed)
    return f"is a manylinux wheel to auditwheel, and needs {sorted(set().union(*needed.values()))} only"


def main(folder: str) -> None:
    wheels = sorted(Path(folder).glob("*.whl"))
    if len(wheels) != 1:
        raise SystemExit(f"expected one wheel in {folder}, found {len(wheels)}")
    links = check_links(wheels[0])
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
    print(f"{wheels[0].name} installs into an empty environment and runs the README's example; {links}")


if __name__ == "__main__":
    main(sys.argv[1])
