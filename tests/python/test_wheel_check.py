"""What `tests/wheel/check.py` refuses of the libraries that a wheel is linked to; the check itself runs on the built wheel."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).parents[1] / "wheel" / "check.py"
NATIVE = "fdyno/_fdyno.abi3.so"


@pytest.fixture(scope="module")
def check():
    specification = importlib.util.spec_from_file_location("wheel_check", PATH)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_a_wheel_that_needs_the_systems_libraries_only_is_accepted(check):
    check.check_needed({NATIVE: ["libgcc_s.so.1", "libc.so.6"]})


@pytest.mark.parametrize("library", ["libfdb_c.so", "libfdb_c-1a2b3c4d.so", "libfdb_c.dylib", "fdb_c.dll"])
def test_a_wheel_that_is_linked_to_foundationdb_is_refused(check, library):
    with pytest.raises(SystemExit, match="would not work without FoundationDB"):
        check.check_needed({NATIVE: ["libc.so.6", library]})


@pytest.mark.parametrize("needed", [{}, {NATIVE: []}])
def test_a_wheel_in_which_nothing_was_found_is_refused(check, needed):
    with pytest.raises(SystemExit, match="no native file was found"):
        check.check_needed(needed)
