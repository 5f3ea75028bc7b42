"""Every Python block of README.md and of some pages of docs runs as it is pasted, in an empty directory, with warnings as errors.

Blocks with tests go to pytest, in a project that has nothing but them; those that only define fixtures become its
`conftest.py`. Of the others, one that imports fdyno is a program; one that does not goes on with the one before.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import is_modelled

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["README.md", "docs/streams.md", "docs/http.md", "docs/buckets.md"]
# An old botocore does not know of vectors.
NAMES += ["docs/vectors.md"] if is_modelled("SearchVectors") else []
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in NAMES}
#: Each page and block, and the text block behind it that says what it prints, if there is one.
BLOCKS = [
    (name, *block)
    for name, page in PAGES.items()
    for block in re.findall(r"```python\n(.*?)```(?:\s*```text\n(.*?)```)?", page, re.DOTALL)
]
TESTS = [(name, block) for name, block, _ in BLOCKS if re.search(r"^def test_", block, re.MULTILINE)]
FIXTURES = [block for name, block, _ in BLOCKS if (name, block) not in TESTS and "@pytest.fixture" in block]


def _programs():
    programs = []
    for name, block, printed in BLOCKS:
        if (name, block) in TESTS or block in FIXTURES:
            continue
        if re.search(r"^import .*fdyno", block, re.MULTILINE):
            programs.append((name, block, printed))
        else:
            before = programs.pop()
            assert before[0] == name and not before[2], "only the last block of a program says what it prints"
            programs.append((name, before[1] + block, printed))
    return programs


PROGRAMS = _programs()


@pytest.mark.parametrize(
    "code, printed", [each[1:] for each in PROGRAMS], ids=[f"{each[0]} {number}" for number, each in enumerate(PROGRAMS)]
)
def test_a_program_runs_as_pasted_and_prints_what_is_said(code, printed, tmp_path):
    # A call that goes out would meet this proxy, which is not there; one to a server on this machine does not go out.
    proxy = "http://127.0.0.1:9"
    environment = {**os.environ, "HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "NO_PROXY": "127.0.0.1"}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    if printed:
        assert run.stdout == printed


def test_the_tests_run_as_pasted(pytester):
    for number, (_, block) in enumerate(TESTS):
        pytester.makepyfile(**{f"test_pasted_{number}": block})
    count = sum(len(re.findall(r"^def test_", block, re.MULTILINE)) for _, block in TESTS)
    pytester.runpytest_subprocess("-W", "error", "-p", "no:asyncio").assert_outcomes(passed=count)


@pytest.mark.parametrize("fixtures", FIXTURES, ids=[f"fixtures {number}" for number in range(len(FIXTURES))])
def test_the_seed_is_what_every_test_starts_from(pytester, fixtures):
    pytester.makeconftest(fixtures)
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("turn", [1, 2])
        def test_it(dynamodb_client, fdyno_db, turn):
            [name] = dynamodb_client.list_tables()["TableNames"]
            assert [table.name for table in fdyno_db.tables()] == [name]
            assert dynamodb_client.scan(TableName=name)["Count"] > 0
            dynamodb_client.delete_table(TableName=name)
        """
    )
    pytester.runpytest_subprocess("-W", "error", "-p", "no:asyncio").assert_outcomes(passed=2)


def test_no_block_is_overlooked():
    least = {"README.md": (3, 1), "docs/streams.md": (3, 1)}
    for name in PAGES:
        programs, tests = (sum(each[0] == name for each in kind) for kind in (PROGRAMS, TESTS))
        few, fewest_tests = least.get(name, (1, 0))
        assert programs >= few and tests >= fewest_tests, name
    assert len(FIXTURES) == 1
    assert sum(page.count("```python") for page in PAGES.values()) == len(BLOCKS)
    assert not re.search(r"\(\.\.\.\)|^ *\.\.\.", "".join(block for _, block, _ in BLOCKS), re.MULTILINE), "a placeholder"
