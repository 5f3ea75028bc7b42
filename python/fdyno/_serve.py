"""The command `fdyno serve`: one database on a port until a signal ends it."""

from __future__ import annotations

import argparse
import configparser
import contextlib
import os
import signal
import socket
from datetime import timedelta
from typing import Any

from ._database import BUCKETS_VARIABLE, DEFAULT_ACCOUNT, STREAM_RETENTION, TTL_INTERVAL, connect

#: The pair of credentials that `fdyno serve` takes from the environment. Not AWS's own names: those are in every developer's
#: environment, and would lock out clients that were given others.
ACCESS_KEY, SECRET_KEY = "FDYNO_ACCESS_KEY_ID", "FDYNO_SECRET_ACCESS_KEY"

#: More descriptors than this are of no use.
_MOST_DESCRIPTORS = 65_536


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="what to listen on (default: %(default)s, this machine only)")
    parser.add_argument("--port", type=_port, default=8000, help="0 for any that is free (default: %(default)s)")
    parser.add_argument(
        "--database",
        default="memory:",
        metavar="URL",
        help="memory: (default), file:DIRECTORY or fdb:CLUSTER_FILE",
    )
    parser.add_argument(
        "--buckets",
        metavar="DIR",
        help=f"the folder whose folders stand for S3's buckets (default: {BUCKETS_VARIABLE} names it)",
    )
    parser.add_argument("--region", help="the region of unsigned requests (default: the configured one, or us-east-1)")
    parser.add_argument(
        "--credentials",
        metavar="FILE",
        help=f"verify signatures with the access keys of this file, of the form of ~/.aws/credentials; "
        f"{ACCESS_KEY} and {SECRET_KEY} name one more pair",
    )
    parser.add_argument(
        "--durability", choices=("buffered", "fsync"), help="what a write to file: survives (default: buffered)"
    )
    parser.add_argument("--account", default=DEFAULT_ACCOUNT, help="the account in ARNs (default: %(default)s)")
    parser.add_argument(
        "--ttl-interval",
        type=_seconds_or_off,
        default=TTL_INTERVAL,
        metavar="SECONDS",
        help="how often expired items are looked for, or 'off' (default: 1)",
    )
    parser.add_argument(
        "--stream-retention",
        type=_hours,
        default=STREAM_RETENTION,
        metavar="HOURS",
        help="how long change records can be read (default: 24)",
    )
    parser.add_argument("--allow-unsigned", action="store_true", help="answer requests without a signature as well")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def _number(text: str, unit: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of {unit}") from None


def _seconds_or_off(text: str) -> float | None:
    return None if text == "off" else _number(text, "seconds")


def _hours(text: str) -> timedelta:
    try:
        return timedelta(hours=_number(text, "hours"))
    except (OverflowError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of hours") from None


def serve(given: argparse.Namespace) -> int:
    credentials = _credentials(given.credentials)
    _raise_descriptor_limit()
    opened = connect(
        given.database,
        account=given.account,
        durability=given.durability,
        ttl_interval=given.ttl_interval,
        stream_retention=given.stream_retention,
        buckets=given.buckets,
    )
    with _signals() as ended, opened as database:
        server = database.serve(
            given.host,
            given.port,
            region_name=given.region,
            credentials=credentials,
            allow_unsigned=given.allow_unsigned,
        )
        print(f"fdyno is ready at {server.endpoint_url} ({database._core.label})", flush=True)
        ended.wait()
        server.close()
    return 0


def _credentials(path: str | None) -> dict[str, str] | None:
    """Access keys and secrets of the file and the environment; `None` if neither names any."""
    found: dict[str, str] = {}
    if path is not None:
        parser = configparser.RawConfigParser(default_section="")
        try:
            with open(path, encoding="utf-8") as file:
                parser.read_file(file)
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError(f"{path} is no text") from None
        except configparser.Error:
            # Its text would show a line of the file.
            raise ValueError(f"{path} does not have the form of an AWS credentials file") from None
        for name in parser.sections():
            section = parser[name]
            if "aws_access_key_id" in section and "aws_secret_access_key" in section:
                found[section["aws_access_key_id"]] = section["aws_secret_access_key"]
        if not found:
            raise ValueError(f"{path} has no aws_access_key_id with an aws_secret_access_key")
    pair = os.environ.get(ACCESS_KEY), os.environ.get(SECRET_KEY)
    if all(pair):
        found[str(pair[0])] = str(pair[1])
    elif any(pair):
        raise ValueError(f"{ACCESS_KEY} and {SECRET_KEY} belong together")
    return found or None


def _raise_descriptor_limit() -> None:
    """Connections are descriptors, and a shell's limit is low."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        # It is a wish: with fewer there are fewer connections.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class _signals:
    """SIGINT and SIGTERM within its block: `wait` returns at the first. The second, SIGINT, interrupts as ever."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._handlers: dict[signal.Signals, Any] = {}
        self._came = False

    def __enter__(self) -> _signals:
        # A signal may be delivered to any thread; what it writes here wakes the one that waits.
        self._wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._come)
        return self

    def _come(self, *_: Any) -> None:
        if self._came:
            raise KeyboardInterrupt
        self._came = True

    def wait(self) -> None:
        while not self._came:
            self._reader.recv(64)

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._reader.close()
        self._writer.close()
