"""Packages of others that some tests need: skipped without them on a developer's machine, failed where all tests are to run.

`FDYNO_REQUIRE_PACKAGES` says which: the Makefile sets it to 1, the runs with other releases of botocore to 0, since their
environments hold nothing but what they are about. Where it is not set, `CI` counts in its place.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType

import pytest


def are_required() -> bool:
    """Whether a missing package is a failure."""
    said = os.environ.get("FDYNO_REQUIRE_PACKAGES") or os.environ.get("CI") or "0"
    return said.lower() not in ("0", "false", "no")


def needed(name: str) -> ModuleType:
    """A module, or the end of the test or file that asks for it: skipped, or failed."""
    if are_required():
        return importlib.import_module(name)
    module: ModuleType = pytest.importorskip(name)
    return module
