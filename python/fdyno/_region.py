"""The region a program means when it names none: the one its boto3 clients have."""

from __future__ import annotations

import sys
from typing import Any

import botocore.session

from ._activation import DEFAULT_REGION


def configured_region(otherwise: Any = None) -> str:
    """boto3's default session's region, else what the environment and the AWS configuration say, else us-east-1.

    `otherwise` is a boto3 session to ask where there is no default one: making a session takes milliseconds.
    """
    boto3 = sys.modules.get("boto3")
    session = getattr(boto3, "DEFAULT_SESSION", None) or otherwise
    if session is not None:
        region: str | None = session.region_name
    else:
        region = botocore.session.Session().get_config_variable("region")
    return region or DEFAULT_REGION
