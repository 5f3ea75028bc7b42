"""The list of defects that `make mutations` puts into the tree: each still applies, and its runner tells a survivor."""

import importlib
import os
import re
import shlex
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def module(name):
    sys.path.insert(0, str(ROOT / "tests" / "mutations"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


mutations, run = module("mutations"), module("run")


@pytest.fixture(scope="module")
def tests_of_the_tree():
    text = "".join(path.read_text() for folder in ("src", "tests") for path in (ROOT / folder).rglob("*.rs"))
    return set(re.findall(r"\bfn (\w+)", text)) | {f"{name}::" for name in re.findall(r"^mod (\w+);", text, re.MULTILINE)}


@pytest.mark.parametrize("mutation", mutations.MUTATIONS, ids=lambda mutation: mutation.name)
def test_each_defect_still_applies_and_names_tests_that_are_there(mutation, tests_of_the_tree):
    text = (ROOT / mutation.file).read_text()
    assert run.mutated(mutation, text) != text
    assert mutation.tests
    for command in mutation.tests:
        *target, wanted = shlex.split(command)
        assert target[0] in ("--lib", "--test")
        last = wanted.rstrip(":").rsplit("::", 1)[-1]
        assert any(name.startswith(last) for name in tests_of_the_tree), command


def test_no_two_defects_have_one_name():
    names = [mutation.name for mutation in mutations.MUTATIONS]
    assert len(set(names)) == len(names)


def test_a_text_that_is_gone_or_not_alone_cannot_be_replaced():
    mutation = mutations.Mutation("m", "", "file", "old", "new", ())
    for text in ("", "old old"):
        with pytest.raises(run.CannotApply):
            run.mutated(mutation, text)


@pytest.mark.skipif(os.name == "nt", reason="cargo is stood in for by a shell script")
@pytest.mark.parametrize(
    ("builds", "passes", "wrong"),
    [
        ("no", "", "does not compile"),
        ("yes", "", "red"),
        ("yes", "first", "survives cargo test --lib first"),
        ("yes", "first second", "survives cargo test --lib first; survives cargo test --lib second"),
    ],
)
def test_a_defect_that_survives_or_does_not_compile_is_told_and_taken_back(
    tmp_path, monkeypatch, builds, passes, wrong
):
    cargo = tmp_path / "cargo"
    # Fails its tests as they name what is in the file: it is called in the tree, and with the defect in it.
    cargo.write_text(
        "#!/bin/sh\n"
        "grep -q new file || exit 3\n"
        f"case \"$*\" in *--no-run*) [ {builds} = yes ];; *) case ' {passes} ' in *\" $4 \"*) ;; *) exit 101;; esac;; esac\n"
    )
    cargo.chmod(0o755)
    monkeypatch.setenv("CARGO", str(cargo))
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("old")
    mutation = mutations.Mutation("m", "", "file", "old", "new", ("--lib first", "--lib second"))
    assert "; ".join(run.judge(run.Tree(tmp_path), mutation)) == (wrong if wrong != "red" else "")
    assert (tmp_path / "tree" / "file").read_text() == "old"


def test_tests_that_are_not_there_are_not_green(tmp_path, monkeypatch):
    cargo = tmp_path / "cargo"
    cargo.write_text("#!/bin/sh\necho 'test result: ok. 0 passed; 0 failed; 0 ignored'\n")
    cargo.chmod(0o755)
    monkeypatch.setenv("CARGO", str(cargo))
    (tmp_path / "tree").mkdir()
    assert not run.Tree(tmp_path).is_green("--lib nothing")
