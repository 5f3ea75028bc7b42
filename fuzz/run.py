"""Builds the fuzzing programs and runs them one after the other: `make fuzz`.

`--runs` inputs to each; names of programs on the command line choose some. A failure ends with the path of the input that shows it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGETS = ("expressions", "partiql", "bodies", "codec", "tuples")
#: LLVM's coverage passes as libFuzzer wants them; all of it is in the stable compiler.
FLAGS = (
    "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 "
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table "
    "-Cllvm-args=-sanitizer-coverage-trace-compares"
)
#: Inputs are at most so long: more is slower and finds little.
LENGTHS = {"bodies": 2048}


def host() -> str:
    lines = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout.splitlines()
    return next(line.split()[1] for line in lines if line.startswith("host:"))


def build(work: Path) -> Path:
    """Where the programs are. A target is named so that build scripts are not instrumented."""
    target = host()
    command = ["cargo", "build", "--release", "--locked", "--manifest-path", str(HERE / "Cargo.toml"), "--target", target]
    subprocess.run(command, check=True, env={**os.environ, "RUSTFLAGS": FLAGS, "CARGO_TARGET_DIR": str(work)})
    return work / target / "release"


def run(program: Path, name: str, work: Path, runs: int, seconds: int) -> int:
    found, failed = work / "corpus" / name, work / "failed" / name
    for folder in (found, failed):
        folder.mkdir(parents=True, exist_ok=True)
    dictionary = HERE / "dictionaries" / name
    arguments = [
        f"-runs={runs}",
        f"-max_total_time={seconds}",
        f"-max_len={LENGTHS.get(name, 512)}",
        f"-artifact_prefix={failed}/",
        # An input may take no longer, in seconds, and no more memory, in MB.
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        *([f"-dict={dictionary}"] if dictionary.exists() else []),
    ]
    print(f"{name}: {runs:,} inputs", flush=True)
    return subprocess.run([program, *arguments, found, HERE / "seeds" / name]).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000_000)
    parser.add_argument("--seconds", type=int, default=0, help="and at most so long to each; 0: without end")
    parser.add_argument("targets", nargs="*", help=f"some of {', '.join(TARGETS)}")
    arguments = parser.parse_args()
    unknown = set(arguments.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no such program: {', '.join(sorted(unknown))}")
    work = HERE.parent / "target" / "fuzz"
    programs = build(work)
    failed = []
    for name in arguments.targets or TARGETS:
        if run(programs / name, name, work, arguments.runs, arguments.seconds):
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    raise SystemExit(main())
