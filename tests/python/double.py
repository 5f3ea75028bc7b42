"""The double of FoundationDB's client library (`tests/fdb_double`), as the tests of the Python package use it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _built(name: str) -> list[Path]:
    """Builds the double, unless it is up to date; the files of the target `name`."""
    cargo = os.environ.get("CARGO", "cargo")
    command = [cargo, "build", "--locked", "--package", "fdyno-fdb-double", "--message-format", "json"]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    messages = [json.loads(line) for line in built.stdout.splitlines() if line.startswith("{")]
    (made,) = [made for made in messages if made.get("target", {}).get("name") == name and made.get("filenames")]
    return [Path(file) for file in made["filenames"]]


def library() -> Path:
    """The library's path; the library is made for C and for Rust."""
    return next(file for file in _built("fdb_double") if file.suffix != ".rlib")


#: A fault's setting: of a commit by its code and what becomes of it, of a read by its code.
_FAULT = r"\d+(did|not|later)?|read\d+"


def _pairs(settings: str) -> list[tuple[str, float]]:
    pairs = []
    for setting in settings.split():
        match = re.fullmatch(rf"(seed|latency_ms|unreachable|served|gather|{_FAULT})=(\d+(?:\.\d+)?)", setting)
        if match is None:
            raise ValueError(f"{setting!r} is no setting of the double: see tests/fdb_double/src/settings.rs")
        pairs.append((match[1], float(match[3])))
    return pairs


def check_settings(settings: str) -> None:
    """Raises `ValueError` for what the double would leave unread, so that a slip does not pass as a run under faults."""
    _pairs(settings)


def has_faults(settings: str) -> bool:
    return any(number > 0 and re.fullmatch(_FAULT, name) for name, number in _pairs(settings))


def cluster_file(directory: Path, settings: str = "seed=1") -> Path:
    """Writes the file of a cluster that behaves as `settings` say (`tests/fdb_double/src/settings.rs`)."""
    path = directory / "fdb.cluster"
    path.write_text(f"# double: {settings}\ndouble:double@127.0.0.1:4500\n")
    return path


@contextlib.contextmanager
def served() -> Iterator[int]:
    """A process that holds the data of clusters for several others; its port. It ends when its standard input does."""
    (server,) = _built("fdb_double_server")
    with subprocess.Popen([server], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())


def served_cluster_file(path: Path, cluster: str, port: int, settings: str) -> Path:
    """Writes a file of the cluster that is called so and served there; to whoever uses it, it behaves as `settings` say."""
    path.write_text(f"# double: served=1 {settings}\ndouble:{cluster}@127.0.0.1:{port}\n")
    return path
