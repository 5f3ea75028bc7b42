"""The suite's own option `--database`: what runs on a real cluster leaves nothing there, and never on the double by mistake.

The real client library is stood in for by the double under another name; the data lies in a process that outlives the run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cluster as clusters
import double
import fdyno

HERE = Path(__file__).parent


def suite(*arguments, library=None):
    environment = {name: value for name, value in os.environ.items() if name != clusters.LIBRARY_VARIABLE}
    if library is not None:
        environment[clusters.LIBRARY_VARIABLE] = str(library)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture
def real_library(double_library, tmp_path):
    return shutil.copy(double_library, tmp_path / "libfdb_c.so")


@pytest.fixture
def served(double_library, tmp_path):
    """The file of a cluster whose data is held by a process of its own, which this process can look at."""
    with double.served() as port:
        yield double.served_cluster_file(tmp_path / "fdb.cluster", "suite", port, "seed=1")


def test_a_run_on_a_cluster_uses_the_library_named_skips_what_needs_the_double_and_clears_its_databases(
    real_library, served
):
    tests = [
        # The first asks for the double, and must not get it.
        "test_cluster.py::test_a_bad_cluster_file_is_named",
        "test_cluster.py::test_a_closed_database_refuses",
        "test_put_item.py::test_values_of_every_type_come_back_as_they_went",
    ]
    kept = suite(*tests, f"--database=fdb:{served}", "--keep-databases", library=real_library)
    outside = clusters.Client(str(os.environ[clusters.LIBRARY_VARIABLE]), str(connected(served)))
    try:
        assert kept.returncode == 0, kept.stdout + kept.stderr
        assert outside.holds(*clusters.keys_of_names("test-")), "the range is the one that they lie in"
        outside.clear(*clusters.keys_of_names("test-"))
        cleared = suite(*tests, f"--database=fdb:{served}", library=real_library)
        assert cleared.returncode == 0, cleared.stdout + cleared.stderr
        assert not outside.holds(*clusters.keys_of_names("test-"))
    finally:
        outside.close()
    for run in (kept, cleared):
        assert f"client library: {real_library}, named by {clusters.LIBRARY_VARIABLE}" in run.stdout
        assert "1 skipped" in run.stdout and "this run is on a cluster" in run.stdout


def connected(cluster_file):
    """The file, once fdyno has started this process's client library."""
    fdyno.connect(f"fdb:{cluster_file}?prefix=outside").close()
    return cluster_file


def test_the_double_is_refused_where_a_cluster_is_asked_for(double_library, tmp_path):
    path = double.cluster_file(tmp_path)
    link = tmp_path / "libfdb_c.so"
    link.symlink_to(double_library)
    for library, url in ((double_library, f"fdb:{path}"), (link, f"fdb:{path}"), (None, f"fdb:{path}?library={link}")):
        run = suite("test_put_item.py", f"--database={url}", library=library)
        assert run.returncode == pytest.ExitCode.USAGE_ERROR and "is the double" in run.stderr


@pytest.mark.parametrize("settings", ["sed=7", "1021done=0.05", "1021", "1020=x", "read1007did=0.1", "seed=1 1020"])
def test_a_slip_in_the_double_s_settings_is_an_error(settings):
    with pytest.raises(ValueError, match="is no setting of the double"):
        double.check_settings(settings)


def test_a_slip_in_the_double_s_settings_stops_the_run():
    run = suite("test_put_item.py", "--database=double:seed=7 sed=7")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR and "'sed=7' is no setting of the double" in run.stderr


def test_the_settings_stand_in_the_report():
    run = suite("test_put_item.py", "--database=double:seed=7 1020=0.05", "--collect-only")
    assert "on the double of a cluster, seed=7 1020=0.05" in run.stdout
