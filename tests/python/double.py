"""The double of FoundationDB's client library (`tests/fdb_double`), as the tests of the Python package use it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def library() -> Path:
    """Builds the double, unless it is up to date; the library's path."""
    cargo = os.environ.get("CARGO", "cargo")
    command = [cargo, "build", "--locked", "--package", "fdyno-fdb-double", "--message-format", "json"]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    messages = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
    (made,) = [made for made in messages if made.get("target", {}).get("name") == "fdb_double" and made.get("filenames")]
    return Path(made["filenames"][0])


def cluster_file(directory: Path, settings: str = "seed=1") -> Path:
    """Writes the file of a cluster that behaves as `settings` say (`tests/fdb_double/src/settings.rs`)."""
    path = directory / "fdb.cluster"
    path.write_text(f"# double: {settings}\ndouble:double@127.0.0.1:4500\n")
    return path
