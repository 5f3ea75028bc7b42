"""The command `fdyno`, but for copying (`test_copy.py`): how it starts, ends, and what it prints."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import fdyno
import fdyno_command

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"


def command(*arguments):
    return subprocess.run([sys.executable, "-m", "fdyno", *arguments], capture_output=True, text=True, timeout=120)


def test_it_is_installed_with_the_package():
    (entry,) = entry_points(group="console_scripts", name="fdyno")
    assert entry.load() is fdyno_command.main


def test_without_arguments_it_says_how_to_use_it():
    run = command()
    assert run.returncode == 2 and run.stderr.startswith("usage: fdyno")
    assert command("--version").stdout == f"fdyno {fdyno.__version__}\n"


def test_it_prints_the_compatibility_page():
    run = command("compatibility")
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == PAGE.read_text(encoding="utf-8")


def test_a_reader_that_has_seen_enough_is_no_error():
    process = subprocess.Popen(
        [sys.executable, "-m", "fdyno", "compatibility"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    with process.stderr as stderr:
        assert stderr.read() == b""
    assert process.wait(timeout=120) == 0


INTERRUPTED_EARLY = """
import signal, sys

class Impatient:
    "Ctrl-C at the moment at which a module is looked for."
    def find_spec(self, name, *_):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Impatient())
sys.argv = ["fdyno", "copy", "file:absent", "file:copy"]
from fdyno_command import main
sys.exit(main())
"""


@pytest.mark.parametrize("module", ["fdyno", "botocore.client", "fdyno._fdyno", "fdyno._cli"])
def test_ctrl_c_while_it_is_imported_ends_it_quietly(module):
    code = INTERRUPTED_EARLY.format(module=module)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stdout, run.stderr) == (130, "", "")
