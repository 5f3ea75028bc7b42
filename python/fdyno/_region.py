"""The region a program means when it names none: the one its boto3 clients have."""

from __future__ import annotations

import functools
import os
import sys
from typing import Any

import botocore.session

from ._activation import DEFAULT_REGION

#: What a new session's region depends on, and the files that it reads where no variable names others.
_VARIABLES = ("AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")
_FILES = (("AWS_CONFIG_FILE", "~/.aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"))


def configured_region(otherwise: Any = None) -> str:
    """boto3's default session's region, else what the environment and the AWS configuration say, else us-east-1.

    `otherwise` is a boto3 session to ask where there is no default one. Takes microseconds, unless the environment or the
    configuration has changed: it is asked for every call of asyncio's.
    """
    boto3 = sys.modules.get("boto3")
    session = getattr(boto3, "DEFAULT_SESSION", None) or otherwise
    region: str | None = _new_sessions_region(_situation()) if session is None else session.region_name
    return region or DEFAULT_REGION


def _situation() -> tuple[Any, ...]:
    """Equal as long as a new session would have the same region."""
    files = (os.path.expanduser(os.environ.get(variable, usual)) for variable, usual in _FILES)
    return (*map(os.environ.get, _VARIABLES), *((file, _written(file)) for file in files))


def _written(file: str) -> tuple[int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


# Making a session takes milliseconds.
@functools.lru_cache(maxsize=8)
def _new_sessions_region(situation: tuple[Any, ...]) -> str | None:
    region: str | None = botocore.session.Session().get_config_variable("region")
    return region
