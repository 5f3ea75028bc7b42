"""The pytest plugin: a fresh database for each test, forked from a seed that is loaded once.

Override `fdyno_seed` with a session fixture of your own to start every test with data in place::

    @pytest.fixture(scope="session")
    def fdyno_seed():
        db = fdyno.connect()
        with db.activate():
            load_everything()
        return db

It must be a database in memory, for only those fork. Tables belong to a region: the fixtures look where boto3's own clients
would (its default session's region, else the environment's or the AWS configuration's, else us-east-1), so the seed has to
be loaded in that region too, as clients made without ``region_name`` do.
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
    """What every test's database starts as: empty, unless you override this with another database in memory."""
    import fdyno

    return fdyno.connect()


@pytest.fixture
def fdyno_db(fdyno_seed: Database) -> Iterator[Database]:
    """A database of this test's own, active while it runs."""
    import fdyno

    if not isinstance(fdyno_seed, fdyno.Database):
        pytest.fail(f"fdyno_seed gave {fdyno_seed!r}: it must give a database, fdyno.connect('memory:')", pytrace=False)
    try:
        database = fdyno_seed.fork()
    except NotImplementedError:
        reason = f"fdyno_seed gave {fdyno_seed!r}, which cannot fork: it must give a database in memory, 'memory:'"
        pytest.fail(reason, pytrace=False)
    with database, database.activate():
        yield database


@pytest.fixture(scope="session")
def _fdyno_session() -> Any:
    # One session for all tests: making one costs more than most tests, and the default session is the user's.
    import boto3

    return boto3.session.Session()


@pytest.fixture
def _fdyno_region(_fdyno_session: Any) -> str:
    from fdyno._region import configured_region

    return configured_region(_fdyno_session)


@pytest.fixture
def dynamodb(fdyno_db: Database, _fdyno_session: Any, _fdyno_region: str) -> Any:
    """A ``boto3.resource("dynamodb")`` of this test's database."""
    return _fdyno_session.resource("dynamodb", region_name=_fdyno_region)


@pytest.fixture
def dynamodb_client(fdyno_db: Database, _fdyno_session: Any, _fdyno_region: str) -> Any:
    """A ``boto3.client("dynamodb")`` of this test's database."""
    return _fdyno_session.client("dynamodb", region_name=_fdyno_region)


@pytest.fixture
def dynamodbstreams_client(fdyno_db: Database, _fdyno_session: Any, _fdyno_region: str) -> Any:
    """A ``boto3.client("dynamodbstreams")`` of this test's database."""
    return _fdyno_session.client("dynamodbstreams", region_name=_fdyno_region)
