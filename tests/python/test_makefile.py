"""What the Makefile takes for built: a wheel in `dist/`, and not only the mark that there was one."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")


@pytest.fixture
def tree(tmp_path):
    """The Makefile with as much around it as it looks at, everything built."""
    for name in ("Makefile", "README.md", "Cargo.toml", "Cargo.lock", "pyproject.toml", "requirements-dev.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    for folder in ("src", "foundationdb-sys/src", "python", ".venv", "dist"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / "foundationdb-sys" / "Cargo.toml", tmp_path / "foundationdb-sys")
    (tmp_path / "dist" / "fdyno-0-any.whl").touch()
    for order, name in enumerate((".venv/.tools", ".venv/.built")):
        (tmp_path / name).touch()
        # After everything that was just copied, and one after the other.
        later = (tmp_path / "Makefile").stat().st_mtime + 10 * (order + 1)
        os.utime(tmp_path / name, (later, later))
    return tmp_path


def commands(tree, target):
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    run = subprocess.run(
        ["make", "--dry-run", target], cwd=tree, env=environment, capture_output=True, text=True, check=True
    )
    return run.stdout


def test_what_is_built_is_not_built_again(tree):
    assert "maturin build" not in commands(tree, "build")
    assert "maturin build" not in commands(tree, "test-wheel")


@pytest.mark.parametrize("target", ["build", "test-wheel"])
def test_a_wheel_that_is_gone_is_built_again(tree, target):
    shutil.rmtree(tree / "dist")
    assert "maturin build" in commands(tree, target)


def test_a_wheel_is_built_again_when_a_source_is_newer(tree):
    later = (tree / ".venv" / ".built").stat().st_mtime + 10
    source = tree / "src" / "lib.rs"
    source.touch()
    os.utime(source, (later, later))
    assert "maturin build" in commands(tree, "build")
