"""The pytest plugin: a fresh database for each test, forked from a seed that is loaded once.

Override `fdyno_seed` with a session fixture of your own to start every test with data in place::

    @pytest.fixture(scope="session")
    def fdyno_seed():
        db = fdyno.connect()
        with db.activate():
            load_everything()
        return db
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

# boto3 and fdyno are imported when a fixture is asked for: every pytest run of an environment loads this file.
if TYPE_CHECKING:
    from fdyno import Database


@pytest.fixture(scope="session")
def fdyno_seed() -> Database:
    """What every test's database starts as: empty, unless you override this."""
    import fdyno

    return fdyno.connect()


@pytest.fixture
def fdyno_db(fdyno_seed: Database) -> Iterator[Database]:
    """A database of this test's own, active while it runs."""
    database = fdyno_seed.fork()
    with database.activate():
        yield database


@pytest.fixture(scope="session")
def _fdyno_session() -> Any:
    # One session for all tests: making one costs more than most tests, and the default session is the user's.
    import boto3

    return boto3.session.Session()


@pytest.fixture
def dynamodb(fdyno_db: Database, _fdyno_session: Any) -> Any:
    """A ``boto3.resource("dynamodb")`` of this test's database."""
    return _fdyno_session.resource("dynamodb")


@pytest.fixture
def dynamodb_client(fdyno_db: Database, _fdyno_session: Any) -> Any:
    """A ``boto3.client("dynamodb")`` of this test's database."""
    return _fdyno_session.client("dynamodb")


@pytest.fixture
def dynamodbstreams_client(fdyno_db: Database, _fdyno_session: Any) -> Any:
    """A ``boto3.client("dynamodbstreams")`` of this test's database."""
    return _fdyno_session.client("dynamodbstreams")
