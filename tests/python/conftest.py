"""Shared fixtures: both routes of the hook, a clean AWS environment, and a guard that no test passes to the network.

Tests marked `core` run through both routes, all others through the fast one; `--routes=all` runs everything through both.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import tempfile
import uuid

import boto3
import botocore.session
import pytest

import fdyno
from fdyno import _fast
from fdyno._activation import state

pytest.register_assert_rewrite("records", "refusals", "tables")
import double  # noqa: E402
from refusals import Refusals  # noqa: E402

pytest_plugins = ["pytester"]


def pytest_addoption(parser):
    parser.addoption(
        "--routes",
        choices=("core", "all", "fast", "plain"),
        default="core",
        help="core: marked tests through both routes, others fast (default); all: everything through both",
    )
    parser.addoption(
        "--database",
        default="memory:",
        help="what the tests' databases lie on: memory: (default), file: (a directory for each), file:PATH (below PATH), "
        "fdb:PATH (a cluster, each under a prefix of its own) or double: (as on a cluster, whose client is our double)",
    )


def pytest_generate_tests(metafunc):
    if "route" in metafunc.fixturenames:
        asked = metafunc.config.getoption("--routes")
        if asked == "core":
            is_core = any(marker.name == "core" for marker in metafunc.definition.iter_markers())
            routes = ["fast", "plain"] if is_core else ["fast"]
        else:
            routes = ["fast", "plain"] if asked == "all" else [asked]
        metafunc.parametrize("route", routes, indirect=True)


@pytest.fixture(autouse=True)
def route(request, monkeypatch):
    """Which of the two routes of the hook this test's calls take."""
    monkeypatch.setattr(_fast, "enabled", request.param == "fast")
    return request.param


class NetworkForbidden(OSError):
    pass


@pytest.fixture(autouse=True)
def network(monkeypatch):
    """Refuses every connection beyond this machine, and fails the test that tried. Gives the list of attempts."""
    attempts = []

    def check(address):
        host = address[0] if isinstance(address, tuple) else None
        if host is None:
            return
        try:
            allowed = ipaddress.ip_address(host).is_loopback
        except ValueError:
            allowed = host == "localhost"
        if not allowed:
            attempts.append(address)
            raise NetworkForbidden(f"a test tried to reach {address}")

    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: (check(address), connect(self, address))[1])
    monkeypatch.setattr(
        socket.socket, "connect_ex", lambda self, address: (check(address), connect_ex(self, address))[1]
    )
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **more: (check((host,)), getaddrinfo(host, *rest, **more))[1]
    )
    yield attempts
    assert attempts == [], "the test reached for the network"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    """No credentials, region or configuration from the machine that runs the tests."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    # Otherwise botocore asks the network for credentials whenever a client without any is made.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture(autouse=True)
def nothing_left_active():
    yield
    left = state.stack
    for activation in left:
        activation.end()
    assert left == (), "the test left a database active"


@pytest.fixture(scope="session")
def service_models():
    """botocore's loader, kept for all tests: parsing its models is nine tenths of the making of a client."""
    return botocore.session.Session().get_component("data_loader")


@pytest.fixture
def session(service_models):
    """A botocore session with a region and credentials, as a program would have."""
    session = botocore.session.Session()
    session.register_component("data_loader", service_models)
    session.set_credentials("AKIDEXAMPLE", "secret")
    session.set_config_variable("region", "eu-west-1")
    return session


@pytest.fixture
def client(session):
    """A DynamoDB client that exists before any database is active."""
    return session.create_client("dynamodb")


@pytest.fixture
def streams(session):
    """A DynamoDB Streams client that exists before any database is active."""
    return session.create_client("dynamodbstreams")


@pytest.fixture
def fresh_url(request, tmp_path):
    """The url of an empty database on the engine under test."""
    asked = request.config.getoption("--database")
    if asked == "double:":
        asked = "fdb:" + str(request.getfixturevalue("cluster_file"))
    if asked.startswith("fdb:"):
        return f"{asked}?prefix={uuid.uuid4()}"
    if not asked.startswith("file:"):
        return asked
    below = asked.removeprefix("file:")
    return "file:" + (tempfile.mkdtemp(dir=below) if below else str(tmp_path / "database"))


@pytest.fixture(scope="session")
def double_library():
    """FoundationDB's client library as our double is one, built if need be; this process finds it."""
    library = double.library()
    os.environ["FDB_LOCAL_CLIENT_LIBRARY_PATH"] = str(library)
    return library


@pytest.fixture(scope="session")
def cluster_file(double_library, tmp_path_factory):
    """The cluster file of a cluster of the double."""
    return double.cluster_file(tmp_path_factory.mktemp("cluster"))


@pytest.fixture
def db(fresh_url):
    if fresh_url == "memory:":
        with fdyno.local() as database:
            yield database
    else:
        with fdyno.connect(fresh_url) as database, database.activate():
            yield database


@pytest.fixture
def forking_db(fresh_url):
    """For tests of what only databases in memory do."""
    if fresh_url != "memory:":
        pytest.skip("only databases in memory fork")


def create_table(client, name="orders", **more):
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        **more,
    )
    return name


@pytest.fixture
def table(db, client):
    """A table `orders` with partition key `pk`, in the region of `client`."""
    return create_table(client)


@pytest.fixture
def refused(db):
    """Calls that must be refused; `refused.invalid` those with a ValidationException."""
    refusals = Refusals(db)
    yield refusals
    refusals.check_tables_usable()
