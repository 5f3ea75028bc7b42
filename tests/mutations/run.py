"""Shows that the tests can fail: puts each defect of `mutations.py` into a copy of the tree, and expects them to say so.

`make mutations` runs it; `make mutations ONLY="publish-early skip-a-record"` for some of them. The copy lies in
`target/mutations` and is kept, so that only what a defect changes is built anew. First all the tests that are named must
pass without a defect; then, with each in turn, every command that it names must fail. A defect that survives, that can no
longer be applied or that no longer compiles makes this fail. Not part of `make test`: it takes the better part of an hour.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterable, Sequence

from mutations import MUTATIONS, Mutation

ROOT = Path(__file__).resolve().parents[2]
SCRATCH = ROOT / "target" / "mutations"

#: A defect may make a test wait for what never comes.
MOST_SECONDS = 900
#: Enough for a random test to meet what happens often; `FDYNO_SEEDS` of the caller is not asked.
SEEDS = "10"


class CannotApply(Exception):
    """The text that a mutation replaces is not there, or is there more than once."""


def mutated(mutation: Mutation, text: str) -> str:
    """The file's text with the defect in it."""
    count = text.count(mutation.before)
    if count != 1:
        raise CannotApply(f"{mutation.file} has the text it replaces {count} times")
    return text.replace(mutation.before, mutation.after)


def files(root: Path) -> list[Path]:
    """What belongs to the tree, as it is now: files in git and new ones that it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=root, capture_output=True, check=True, text=True,
    )  # fmt: skip
    return [Path(name) for name in listed.stdout.split("\0") if name and (root / name).is_file()]


def write_if_changed(path: Path, content: bytes) -> None:
    """Leaves a file alone that is as it should be: its time tells cargo what to build anew."""
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def copy_tree(root: Path, copy: Path) -> None:
    wanted = files(root)
    for name in wanted:
        write_if_changed(copy / name, (root / name).read_bytes())
    known = set(wanted)
    for path in copy.rglob("*"):
        if path.is_file() and path.relative_to(copy) not in known:
            path.unlink()


class Tree:
    """The copy, and cargo in it."""

    def __init__(self, scratch: Path) -> None:
        self.root = scratch / "tree"
        self.cargo = os.environ.get("CARGO", "cargo")
        self.environment = {**os.environ, "CARGO_TARGET_DIR": str(scratch / "target"), "FDYNO_SEEDS": SEEDS}
        # A defect is expected to make the noise of a panic; its trace takes long and tells nobody anything.
        self.environment["RUST_BACKTRACE"] = "0"
        self.environment.pop("FDYNO_SEED", None)

    def run(self, command: str, *more: str) -> tuple[int | None, str]:
        """The exit code and what was printed; no code if it took too long."""
        arguments = [self.cargo, "test", "--locked", *shlex.split(command), *more]
        # In a session of its own: tests start processes, and all of them end with one that takes too long.
        running = subprocess.Popen(
            arguments, cwd=self.root, env=self.environment, text=True, errors="replace", start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            output, _ = running.communicate(timeout=MOST_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            output, _ = running.communicate()
            return None, output
        return running.returncode, output

    def builds(self, command: str) -> bool:
        code, output = self.run(command, "--no-run")
        if code != 0:
            print(output)
        return code == 0

    def is_red(self, command: str) -> bool:
        code, _ = self.run(command)
        return code != 0

    def is_green(self, command: str) -> bool:
        """Whether the tests pass, and there are any."""
        code, output = self.run(command)
        ran = sum(int(count) for count in re.findall(r"^test result: ok\. (\d+) passed", output, re.MULTILINE))
        if code != 0 or ran == 0:
            print(output)
        return code == 0 and ran > 0


def judge(tree: Tree, mutation: Mutation) -> list[str]:
    """Applies a mutation, and takes it back; what is wrong, which should be nothing."""
    path = tree.root / mutation.file
    whole = path.read_text()
    try:
        defective = mutated(mutation, whole)
    except CannotApply as reason:
        return [f"cannot be applied: {reason}"]
    path.write_text(defective)
    try:
        wrong = []
        for command in mutation.tests:
            if not tree.builds(command):
                return ["does not compile"]
            if not tree.is_red(command):
                wrong.append(f"survives cargo test {command}")
        return wrong
    finally:
        path.write_text(whole)


def chosen(names: Sequence[str]) -> list[Mutation]:
    unknown = set(names) - {mutation.name for mutation in MUTATIONS}
    if unknown:
        sys.exit(f"no mutation is called {', '.join(sorted(unknown))}")
    return [mutation for mutation in MUTATIONS if not names or mutation.name in names]


def commands(mutations: Iterable[Mutation]) -> list[str]:
    return list(dict.fromkeys(command for mutation in mutations for command in mutation.tests))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="mutations to try; all if none is named")
    mutations = chosen(parser.parse_args().names)
    copy_tree(ROOT, SCRATCH / "tree")
    tree = Tree(SCRATCH)
    for command in commands(mutations):
        print(f"without a defect: cargo test {command}", flush=True)
        if not tree.is_green(command):
            print("the tests must pass, and there must be some, before a defect can turn them red")
            return 1
    failed = 0
    for mutation in mutations:
        began = time.monotonic()
        wrong = judge(tree, mutation)
        failed += bool(wrong)
        told = "; ".join(wrong) if wrong else f"red, {len(mutation.tests)} of {len(mutation.tests)}"
        print(f"{mutation.name:<44} {told} ({time.monotonic() - began:.0f} s)", flush=True)
    print(f"{len(mutations) - failed} of {len(mutations)} defects turn the tests red that they name")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
