"""The command `fdyno`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from fdyno_command import INTERRUPTED

from . import DatabaseError, __version__, _fdyno, _serve, copy


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; its exit code."""
    parser = argparse.ArgumentParser(prog="fdyno", description="DynamoDB with an honest change stream.")
    parser.add_argument("--version", action="version", version=f"fdyno {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    copying = commands.add_parser(
        "copy",
        help="copy a whole database",
        description="Copies a whole database, with its change streams, to an empty or absent place. "
        "An interrupted copy goes on where it was when the command is repeated, unless its source was written to meanwhile.",
    )
    copying.add_argument("source", metavar="SOURCE", help="file:./data or fdb:CLUSTER_FILE?prefix=NAME")
    copying.add_argument("destination", metavar="DESTINATION", help="the same")
    copying.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    commands.add_parser(
        "compatibility",
        help="list what becomes of each operation and parameter of DynamoDB",
        description="Prints, in Markdown, which operations and parameters of DynamoDB fdyno does, and how it differs.",
    )
    serving = commands.add_parser(
        "serve",
        help="answer DynamoDB's protocol on a port",
        description="Answers DynamoDB's protocol over HTTP until it is interrupted or terminated. It prints one line when "
        "it is ready. Clients need its address as their endpoint_url, and any credentials.",
    )
    _serve.add_arguments(serving)
    given = parser.parse_args(arguments)
    if given.command == "serve":
        return _serve_until_ended(given)
    try:
        if given.command == "compatibility":
            return _compatibility()
        return _copy(given.source, given.destination, given.quiet)
    except KeyboardInterrupt:
        print(
            "fdyno: interrupted; the same command goes on where it was, unless the source is written to meanwhile",
            file=sys.stderr,
        )
        return INTERRUPTED
    except (DatabaseError, NotImplementedError, ValueError) as error:
        print(f"fdyno: {error}", file=sys.stderr)
        return 1


def _serve_until_ended(given: argparse.Namespace) -> int:
    try:
        return _serve.serve(given)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (DatabaseError, NotImplementedError, OSError, ValueError) as error:
        print(f"fdyno: {error}", file=sys.stderr)
        return 1


def _copy(source: str, destination: str, quiet: bool) -> int:
    if destination == "memory:":
        raise ValueError(f"{destination!r} would be gone as soon as it is copied to: 'file:./copy'")
    bar = None if quiet else _progress_bar()
    try:
        result = copy(source, destination, progress=None if bar is None else _report_to(bar))
    finally:
        if bar is not None:
            bar.close()
    print(f"{result.tables} tables, {result.pairs} pairs, {result.bytes} bytes, checksum {result.checksum}")
    return 0


def _compatibility() -> int:
    try:
        sys.stdout.write(_fdyno.compatibility())
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has seen enough, as in `fdyno compatibility | head`. Nor is there a flush at exit to fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _progress_bar() -> Any:
    """A bar on a terminal, else nothing."""
    try:
        from tqdm import tqdm
    except ImportError:
        print("fdyno: no progress bar without tqdm (pip install tqdm)", file=sys.stderr)
        return None
    return tqdm(desc="copying", unit="B", unit_scale=True, unit_divisor=1000, disable=None)


def _report_to(bar: Any) -> Callable[[int, int], None]:
    def report(_pairs: int, size: int) -> None:
        if size == bar.n:
            bar.set_description_str("comparing")
        bar.update(size - bar.n)

    return report


if __name__ == "__main__":
    sys.exit(main())
