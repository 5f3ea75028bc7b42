"""A missing package is skipped on a developer's machine, and fails where every test is to run."""

import re
from pathlib import Path

import pytest

from packages import are_required, needed

HERE = Path(__file__).resolve().parent


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("FDYNO_REQUIRE_PACKAGES", raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    "ci, required, fails",
    [
        (None, None, False),
        ("true", None, True),
        ("1", "0", False),
        (None, "1", True),
        (None, "0", False),
        ("false", None, False),
        ("", "", False),
    ],
)
def test_where_all_packages_are_required_a_missing_one_is_an_error(environment, ci, required, fails):
    for name, value in (("CI", ci), ("FDYNO_REQUIRE_PACKAGES", required)):
        if value is not None:
            environment.setenv(name, value)
    assert are_required() is fails
    with pytest.raises(ModuleNotFoundError if fails else pytest.skip.Exception, match="no_such_package"):
        needed("no_such_package")
    assert needed("json").loads("1") == 1


def test_no_test_skips_a_package_by_itself():
    asking = [path.name for path in HERE.glob("*.py") if re.search(r"pytest\.importorskip\(", path.read_text("utf-8"))]
    assert asking == ["packages.py"]


def test_the_makefile_requires_them_and_the_runs_on_other_botocores_do_not():
    makefile = (HERE.parents[1] / "Makefile").read_text("utf-8")
    assert re.search(r"^export FDYNO_REQUIRE_PACKAGES \?= 1$", makefile, re.MULTILINE)
    assert '"FDYNO_REQUIRE_PACKAGES": "0"' in (HERE / "run_botocore_versions.py").read_text("utf-8")
