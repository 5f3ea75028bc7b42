"""Clients without credentials or region, and other services as if fdyno were not there."""

import os
import socket

import boto3
import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import NoCredentialsError, NoRegionError, ParamValidationError
from conftest import create_table
from tables import NEW_AND_OLD

import fdyno


class Raw:
    def stream(self, *_args, **_kwargs):
        yield b""


@pytest.mark.core
@pytest.mark.parametrize("service", ["dynamodb", "dynamodbstreams"])
def test_neither_credentials_nor_region_are_needed(service, db):
    client = boto3.client(service)
    assert client.meta.region_name == "us-east-1"
    list(client.list_tables() if service == "dynamodb" else client.list_streams())


def test_a_configured_region_is_kept(db, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    assert boto3.client("dynamodb").meta.region_name == "ap-south-1"
    assert boto3.client("dynamodb", "eu-west-1").meta.region_name == "eu-west-1"
    assert boto3.client("dynamodb", region_name="eu-west-1").meta.region_name == "eu-west-1"


def test_who_names_no_region_gets_the_configured_one_and_no_session_for_each_call(db, monkeypatch):
    def region():
        create_table(db.client(), StreamSpecification=NEW_AND_OLD)
        (stream,) = db.client("dynamodbstreams").list_streams()["Streams"]
        return stream["StreamArn"].split(":")[3]

    made = []
    usual = botocore.session.Session
    monkeypatch.setattr(botocore.session, "Session", lambda: made.append(1) or usual())
    assert region() == "us-east-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    assert region() == "ap-south-1"
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    config = os.environ["AWS_CONFIG_FILE"]
    for name in ("eu-west-3", "sa-east-1"):
        with open(config, "w") as file:
            file.write(f"[default]\nregion = {name}\n[profile other]\nregion = {name}-other\n# {name * len(made)}\n")
        assert region() == name
    monkeypatch.setenv("AWS_PROFILE", "other")
    assert region() == "sa-east-1-other"
    before = len(made)
    for _ in range(50):
        db.client().list_tables()
    assert (len(made), before <= 5) == (before, True)


def test_without_a_database_a_missing_region_is_an_error_as_ever():
    with pytest.raises(NoRegionError):
        boto3.client("dynamodb")


def test_other_services_still_miss_their_region(db):
    with pytest.raises(NoRegionError):
        boto3.client("sqs")


def test_nothing_is_put_into_the_environment():
    before = dict(os.environ)
    with fdyno.local():
        boto3.client("dynamodb").list_tables()
    assert dict(os.environ) == before


def test_credentials_are_not_looked_for(db, monkeypatch):
    session = botocore.session.Session()
    monkeypatch.setattr(
        session.get_component("credential_provider"), "load_credentials", lambda: pytest.fail("looked for credentials")
    )
    create_table(session.create_client("dynamodb"))


def test_other_services_look_for_credentials_as_ever(db, monkeypatch):
    session = botocore.session.Session()
    looked = []
    monkeypatch.setattr(session.get_component("credential_provider"), "load_credentials", lambda: looked.append(1))
    client = session.create_client("sqs", region_name="eu-west-1")
    assert looked
    with pytest.raises(NoCredentialsError):
        client.list_queues()


def test_a_session_with_credentials_keeps_them(session, db):
    client = session.create_client("dynamodb")
    assert client._request_signer._credentials.access_key == "AKIDEXAMPLE"


def test_credentials_found_later_are_the_real_ones(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDLATER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with fdyno.local():
        client = boto3.client("dynamodb", region_name="eu-west-1")
        client.list_tables()
    signed = []

    def before_send(request, **_):
        signed.append(request.headers["Authorization"])
        return AWSResponse(request.url, 200, {}, Raw())

    client.meta.events.register("before-send", before_send)
    client.list_tables()
    assert b"Credential=AKIDLATER/" in signed[0] if isinstance(signed[0], bytes) else "AKIDLATER" in signed[0]


@pytest.fixture
def bare_session(monkeypatch):
    """A session that finds no credentials."""
    session = botocore.session.Session()
    monkeypatch.setattr(session.get_component("credential_provider"), "load_credentials", lambda: None)
    return session


@pytest.mark.core
def test_a_client_made_without_credentials_reports_so_once_nothing_is_active(bare_session):
    with fdyno.local():
        client = bare_session.create_client("dynamodb", "eu-west-1")
        assert "X-Amz-Credential=fdyno" in client.generate_presigned_url("list_tables")
        client.list_tables()
    for call in (client.list_tables, lambda: client.generate_presigned_url("list_tables")):
        with pytest.raises(NoCredentialsError):
            call()


@pytest.mark.core
@pytest.mark.parametrize("service", ["dynamodb", "dynamodbstreams"])
def test_presigning_asks_nobody_for_credentials(db, monkeypatch, network, service):
    # With the metadata server allowed: asking it is a connection, which `network` refuses and reports.
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    for method in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, method, lambda self, address: pytest.fail(f"connected to {address}"))
    session = boto3.session.Session(region_name="eu-west-1")
    client = session.client(service)
    operation = "list_tables" if service == "dynamodb" else "list_streams"
    url = client.generate_presigned_url(operation)
    assert "X-Amz-Credential=fdyno" in url
    assert "eu-west-1.amazonaws.com" in url
    db.attach(client)
    assert "X-Amz-Credential=fdyno" in client.generate_presigned_url(operation)
    assert network == []


@pytest.mark.core
def test_dummies_sign_nothing_that_a_predicate_lets_out(monkeypatch):
    with fdyno.local(passthrough=lambda call: call.operation == "ListTables"):
        client = boto3.client("dynamodb", region_name="eu-west-1")
        assert "X-Amz-Credential=fdyno" in client.generate_presigned_url("describe_limits")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDLATER")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        assert "X-Amz-Credential=AKIDLATER" in client.generate_presigned_url("list_tables")


@pytest.mark.core
def test_an_exempt_client_made_without_credentials_reports_so(bare_session, db):
    client = bare_session.create_client("dynamodb", "eu-west-1")
    fdyno.exempt(client)
    for call in (client.list_tables, lambda: client.generate_presigned_url("list_tables")):
        with pytest.raises(NoCredentialsError):
            call()
    fdyno.unexempt(client)
    assert client.list_tables()["TableNames"] == []


@pytest.mark.core
def test_a_call_that_passes_through_without_credentials_reports_so(bare_session):
    with fdyno.local(passthrough=lambda call: True):
        with pytest.raises(NoCredentialsError):
            bare_session.create_client("dynamodb", "eu-west-1").list_tables()


@pytest.mark.core
@pytest.mark.parametrize("called_before", [False, True])
def test_a_call_that_goes_out_misses_the_region_its_client_was_made_without(session, called_before):
    session = botocore.session.Session()
    session.set_credentials("a", "b")
    with fdyno.local():
        client = session.create_client("dynamodb")
        if called_before:
            client.list_tables()
        fdyno.exempt(client)
        with pytest.raises(NoRegionError):
            client.list_tables()
        fdyno.unexempt(client)
    with pytest.raises(NoRegionError):
        client.list_tables()


def test_a_call_of_another_service_goes_out_unchanged(session, db):
    sent = []

    def before_send(request, **_):
        sent.append((request.method, request.url))
        return AWSResponse(request.url, 200, {"x-amz-request-id": "1"}, Raw())

    client = session.create_client("s3")
    client.meta.events.register("before-send.s3", before_send)
    client.head_bucket(Bucket="bucket")
    assert sent == [("HEAD", "https://bucket.s3.eu-west-1.amazonaws.com/")]
    assert not any(name.startswith("_fdyno") for name in client.__dict__)
    assert all("fdyno" not in base.__module__ for base in type(client).__mro__)


def test_an_exempt_session_is_as_without_fdyno(db):
    session = botocore.session.Session()
    fdyno.exempt(session)
    with pytest.raises(NoRegionError):
        session.create_client("dynamodb")


@pytest.mark.core
@pytest.mark.parametrize("service", ["dynamodb", "dynamodbstreams"])
def test_endpoints_of_accounts_are_never_missed(db, session, service):
    try:
        config = Config(account_id_endpoint_mode="required")
    except TypeError:
        pytest.skip("this botocore knows no endpoints of accounts")
    client = session.create_client(service, config=config)
    list_all = client.list_tables if service == "dynamodb" else client.list_streams
    list_all()
    with pytest.raises(ParamValidationError):
        list_all(Nonsense=1)
    client.meta.events.register("before-call", lambda **_: None)
    list_all()
