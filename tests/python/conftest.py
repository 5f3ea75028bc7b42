"""Shared fixtures: both routes of the hook, HTTP, a clean AWS environment, and a guard that no test passes to the network.

Tests marked `core` run through both routes, all others through the fast one; `--routes=all` runs everything through both.
`--routes=http` has the clients of tests that ask for `db` speak to an HTTP server of that database: nothing is hooked.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import re
import signal
import socket
import tempfile
import urllib.parse

import boto3
import botocore.httpsession
import botocore.session
import pytest

import fdyno
from fdyno import _fast
from fdyno._activation import state
from fdyno._database import BUCKETS_VARIABLE

pytest.register_assert_rewrite("records", "refusals", "tables")
import cluster as clusters  # noqa: E402
import double  # noqa: E402
from refusals import Refusals  # noqa: E402

pytest_plugins = ["pytester"]


def pytest_addoption(parser):
    parser.addoption(
        "--routes",
        choices=("core", "all", "fast", "plain", "http"),
        default="core",
        help="core: marked tests through both routes, others fast (default); all: everything through both; http: through a "
        "server",
    )
    parser.addoption(
        "--database",
        default="memory:",
        help="what the tests' databases lie on: memory: (default), file: (a directory for each), file:PATH (below PATH), "
        "fdb:PATH (a cluster, each under a prefix of its own), double: (as on a cluster, whose client is our double) or "
        "'double:SETTINGS' (a cluster that behaves so: 'double:seed=7 1021did=0.05', tests/fdb_double/src/settings.rs)",
    )
    parser.addoption(
        "--keep-databases",
        action="store_true",
        help="leave the tests' databases in the cluster; otherwise each is cleared when its test ends",
    )


#: Files about the hook, the command, Python's own classes or the engines below: a socket changes nothing of what they say.
NOT_OVER_HTTP = {
    *("activation", "aiobotocore", "botocore_features", "boundary", "client_creation", "fork", "light_client"),
    *("cluster", "command", "copy", "disk", "processes", "serve", "suite_on_cluster"),
    *("batches", "changes", "checkpoints", "event_source", "filter_criteria", "follow", "powertools", "pytest_plugin"),
    *("makefile", "mutations", "notebook", "readme", "wheel_check"),
}


def pytest_ignore_collect(collection_path, config):
    over_http = config.getoption("--routes") == "http"
    return over_http and collection_path.stem.removeprefix("test_") in NOT_OVER_HTTP or None


def on_real_cluster(config):
    return config.getoption("--database").startswith("fdb:")


def double_settings(config):
    """How the double's cluster behaves in this run."""
    asked = config.getoption("--database")
    return (asked.removeprefix("double:") if asked.startswith("double:") else "") or "seed=1"


@functools.lru_cache
def dynamodb_model():
    return botocore.session.Session().get_service_model("dynamodb")


def is_modelled(path):
    """Whether this botocore knows an operation of DynamoDB, or a member of its request: 'PutItem', 'PutItem.Item'."""
    operation, *members = path.split(".")
    if operation not in dynamodb_model().operation_names:
        return False
    shape = dynamodb_model().operation_model(operation).input_shape
    for member in members:
        if member not in shape.members:
            return False
        shape = shape.members[member]
    return True


def pytest_configure(config):
    # Who is started in the background by a shell ignores Ctrl-C, and so do its children: some tests send it to both.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line(
        "markers", "without_faults(reason): cannot hold on a cluster that fails now and then, and is skipped on one"
    )
    config.addinivalue_line("markers", "in_process(reason): about the hook itself, and skipped over HTTP")
    config.addinivalue_line(
        "markers", "needs_model(paths…): uses operations and members that an old botocore does not know: 'PutItem.Item'"
    )
    config.name_of_run = clusters.name_of_run()
    asked = config.getoption("--database")
    if not re.match(r"(file:|fdb:|double:|memory:$)", asked):
        raise pytest.UsageError(f"--database={asked}: memory:, file:, fdb: or double:")
    try:
        double.check_settings(double_settings(config))
        library = clusters.library_named(asked)[0] if on_real_cluster(config) else None
    except ValueError as error:
        raise pytest.UsageError(f"--database={asked}: {error}") from None
    if library is not None and "prefix=" in asked:
        raise pytest.UsageError(f"--database={asked}: the tests choose the prefixes of their databases")
    if library is not None and clusters.is_double(library):
        raise pytest.UsageError(f"--database={asked} is for a cluster, but {library} is the double: --database=double:")


def pytest_report_header(config):
    asked = config.getoption("--database")
    if on_real_cluster(config):
        kept = "kept" if config.getoption("--keep-databases") else "cleared at the end"
        library, named = clusters.library_named(asked)
        return [
            f"databases: on a cluster, {asked}, under prefixes that begin with {config.name_of_run}, {kept}",
            f"FoundationDB's client library: {library}, {named}",
        ]
    if asked.startswith("double:"):
        return f"databases: on the double of a cluster, {double_settings(config)}"
    return f"databases: {asked}"


def pytest_runtest_setup(item):
    asked = item.config.getoption("--database")
    for marker in item.iter_markers("needs_model"):
        for path in marker.args:
            if not is_modelled(path):
                pytest.skip(f"botocore {botocore.__version__} does not know {path}")
    marker = item.get_closest_marker("without_faults")
    if marker is not None and asked.startswith("double:") and double.has_faults(double_settings(item.config)):
        pytest.skip(f"not on a cluster that fails now and then: {marker.args[0]}")
    marker = item.get_closest_marker("in_process")
    if marker is not None and item.config.getoption("--routes") == "http":
        pytest.skip(f"not over HTTP: {marker.args[0]}")


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
    """Which route this test's calls take: one of the hook's, or a socket."""
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
        if name.startswith("AWS_") or name == BUCKETS_VARIABLE:
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
    if asked.startswith(("fdb:", "double:")):
        return request.getfixturevalue("cluster_url")
    if not asked.startswith("file:"):
        return asked
    below = asked.removeprefix("file:")
    return "file:" + (tempfile.mkdtemp(dir=below) if below else str(tmp_path / "database"))


@pytest.fixture(scope="session")
def double_library(request):
    """FoundationDB's client library as our double is one, built if need be; this process finds it."""
    # A process has one client library: the double would take the place of the real one, or the other way round.
    if on_real_cluster(request.config):
        pytest.skip("needs the double of FoundationDB's client library, and this run is on a cluster")
    library = double.library()
    os.environ[clusters.LIBRARY_VARIABLE] = str(library)
    return library


@pytest.fixture(scope="session")
def cluster(request, tmp_path_factory):
    """The cluster of this run: the one asked for, or one of the double."""
    url = request.config.getoption("--database")
    if not on_real_cluster(request.config):
        request.getfixturevalue("double_library")
        url = f"fdb:{double.cluster_file(tmp_path_factory.mktemp('cluster'), double_settings(request.config))}"
    cluster = clusters.Cluster(url, run=request.config.name_of_run, keep=request.config.getoption("--keep-databases"))
    if on_real_cluster(request.config) and clusters.double_is_loaded():
        pytest.exit(f"--database={url} is for a cluster, but this process has loaded the double", returncode=4)
    yield cluster
    cluster.close()


@pytest.fixture
def cluster_file(cluster):
    """The path of the cluster's file."""
    if cluster.cluster_file is None:
        pytest.skip("the cluster file is the usual one, and has no path here")
    return cluster.cluster_file


@pytest.fixture
def cluster_name(cluster):
    """The name of a database of the cluster; it is cleared in the end, with all whose names begin so."""
    name = cluster.name()
    yield name
    cluster.clear(name)


@pytest.fixture
def cluster_url(cluster, cluster_name):
    """The url of an empty database on the cluster."""
    return cluster.url(cluster_name)


@pytest.fixture
def over_http(monkeypatch):
    """Sends what botocore's clients send to the server of a database instead of AWS."""

    def begin(server):
        send = botocore.httpsession.URLLib3Session.send
        place = urllib.parse.urlsplit(server.endpoint_url)

        def redirected(session, request):
            request.url = urllib.parse.urlsplit(request.url)._replace(scheme=place.scheme, netloc=place.netloc).geturl()
            return send(session, request)

        monkeypatch.setattr(botocore.httpsession.URLLib3Session, "send", redirected)
        # For clients that the hook would have let go without any.
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    return begin


@pytest.fixture
def buckets(tmp_path, monkeypatch):
    """The folder of buckets that databases of this test have, with the bucket `data` in it. To be asked for before `db`."""
    folder = tmp_path / "buckets"
    (folder / "data").mkdir(parents=True)
    monkeypatch.setenv(BUCKETS_VARIABLE, str(folder))
    return folder


@pytest.fixture
def bucket(buckets):
    return buckets / "data"


@pytest.fixture
def db(request, fresh_url, route):
    if route == "http":
        begin = request.getfixturevalue("over_http")
        with fdyno.connect(fresh_url) as database, database.serve() as server:
            begin(server)
            yield database
    elif fresh_url == "memory:":
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
