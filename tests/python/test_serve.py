"""The HTTP server: started beside the hook and as a command, and how it ends."""

import argparse
import base64
import hashlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from datetime import timedelta

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import botocore.session
import pytest
from conftest import create_table
from tables import NEW_AND_OLD, S

import fdyno
from fdyno import _serve

PATIENCE = 60


@pytest.fixture
def served():
    """A database that is not active, and its server."""
    with fdyno.connect() as database, database.serve() as server:
        yield database, server


def client_of(server, service="dynamodb", *, region="eu-west-1", key="AKIDEXAMPLE", secret="secret", **more):
    """A client that has nothing of fdyno but an address."""
    session = botocore.session.Session()
    session.set_credentials(key, secret)
    url = server if isinstance(server, str) else server.endpoint_url
    config = botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=PATIENCE)
    return session.create_client(service, region_name=region, endpoint_url=url, config=config, **more)


def code_of(call, **parameters):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"]


def listing(url):
    """A call over a connection of its own; its status."""
    place = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=PATIENCE)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status
    finally:
        connection.close()


def refuses(url):
    place = urllib.parse.urlsplit(url)
    with socket.socket() as attempt:
        return attempt.connect_ex((place.hostname, place.port)) != 0


def test_clients_over_http_and_in_the_process_share_the_data(served):
    database, server = served
    over_http = client_of(server)
    create_table(over_http)
    over_http.put_item(TableName="orders", Item={"pk": S("a"), "data": {"B": b"\0\xff"}, "n": {"N": "1"}})
    here = database.client("dynamodb", region_name="eu-west-1")
    assert here.get_item(TableName="orders", Key={"pk": S("a")})["Item"]["data"] == {"B": b"\0\xff"}
    here.put_item(TableName="orders", Item={"pk": S("b")})
    assert over_http.get_item(TableName="orders", Key={"pk": S("b")})["Item"] == {"pk": S("b")}
    with database.activate():
        hooked = boto3.client("dynamodb", region_name="eu-west-1")
        assert hooked.scan(TableName="orders")["Count"] == 2
    assert client_of(server, region="us-west-2").list_tables()["TableNames"] == []


@pytest.mark.needs_model("CreateTable.WarmThroughput")
def test_an_answer_over_http_is_the_one_in_the_process(served):
    database, server = served
    over_http, here = client_of(server), database.client("dynamodb", region_name="eu-west-1")
    create_table(over_http)
    item = {"pk": S("a"), "list": {"L": [{"M": {"x": {"NULL": True}}}, {"BS": [b"1", b"2"]}]}, "n": {"N": "1.50"}}
    over_http.put_item(TableName="orders", Item=item)
    calls = [
        ("describe_table", {"TableName": "orders"}),
        ("scan", {"TableName": "orders", "ReturnConsumedCapacity": "TOTAL"}),
        ("transact_get_items", {"TransactItems": [{"Get": {"TableName": "orders", "Key": {"pk": S("a")}}}]}),
    ]
    for name, parameters in calls:
        answers = [getattr(client, name)(**parameters) for client in (over_http, here)]
        for answer in answers:
            assert answer.pop("ResponseMetadata")["HTTPStatusCode"] == 200
        assert answers[0] == answers[1]


def test_errors_carry_what_they_carry_in_the_process(served):
    database, server = served
    over_http, here = client_of(server), database.client("dynamodb", region_name="eu-west-1")
    create_table(over_http)
    over_http.put_item(TableName="orders", Item={"pk": S("a"), "n": {"N": "1"}})
    condition = {
        "TableName": "orders",
        "Item": {"pk": S("a")},
        "ConditionExpression": "attribute_not_exists(pk)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    calls = [("put_item", condition), ("transact_write_items", {"TransactItems": [{"Put": condition}]})]
    for name, parameters in calls:
        responses = []
        for client in (over_http, here):
            with pytest.raises(botocore.exceptions.ClientError) as caught:
                getattr(client, name)(**parameters)
            responses.append({key: value for key, value in caught.value.response.items() if key != "ResponseMetadata"})
        # botocore takes the message of a modeled error from either spelling.
        assert {key.lower(): value for key, value in responses[0].items()} == {
            key.lower(): value for key, value in responses[1].items()
        }


def test_streams_are_read_over_http(served):
    _, server = served
    client, streams = client_of(server), client_of(server, "dynamodbstreams")
    create_table(client, StreamSpecification=NEW_AND_OLD)
    client.put_item(TableName="orders", Item={"pk": S("a")})
    client.delete_item(TableName="orders", Key={"pk": S("a")})
    (stream,) = streams.list_streams()["Streams"]
    arn = stream["StreamArn"]
    (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    iterator = streams.get_shard_iterator(
        StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = streams.get_records(ShardIterator=iterator)["Records"]
    assert [record["eventName"] for record in records] == ["INSERT", "REMOVE"]
    place = urllib.parse.urlsplit(server.endpoint_url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=PATIENCE)
    connection.request("GET", "/metrics")
    page = connection.getresponse().read().decode()
    connection.close()
    assert "fdyno_change_records_read_total 2\n" in page


def test_with_credentials_only_who_has_them_is_answered():
    with fdyno.connect() as database, database.serve(credentials={"AKIDEXAMPLE": "secret"}) as server:
        assert client_of(server).list_tables()["TableNames"] == []
        assert code_of(client_of(server, secret="wrong").list_tables) == "InvalidSignatureException"
        assert code_of(client_of(server, key="AKIDOTHER").list_tables) == "UnrecognizedClientException"
        # The time that signatures are judged by is not the database's.
        database.clock.advance(days=400)
        assert client_of(server).list_tables()["TableNames"] == []


def test_a_presigned_call_is_verified_as_well():
    with fdyno.connect() as database, database.serve(credentials={"AKIDEXAMPLE": "secret"}) as server:
        body = b"{}"
        headers = {"X-Amz-Target": "DynamoDB_20120810.ListTables", "Content-Type": "application/x-amz-json-1.0"}
        statuses = []
        for secret in ("secret", "wrong"):
            credentials = botocore.credentials.Credentials("AKIDEXAMPLE", secret)
            request = botocore.awsrequest.AWSRequest("POST", server.endpoint_url + "/", dict(headers))
            PresignedCall(credentials, "dynamodb", "eu-west-1", expires=60).add_auth(request)
            place = urllib.parse.urlsplit(request.url)
            connection = http.client.HTTPConnection(place.hostname, place.port, timeout=PATIENCE)
            connection.request("POST", f"/?{place.query}", body, headers)
            statuses.append(connection.getresponse().status)
            connection.close()
        assert statuses == [200, 400]


class PresignedCall(botocore.auth.SigV4QueryAuth):
    """botocore presigns calls whose body is empty, or moves it into the query; here it is signed as it is."""

    def payload(self, request):
        return hashlib.sha256(b"{}").hexdigest()


def test_unsigned_calls_are_answered_where_that_is_allowed():
    unsigned = botocore.config.Config(signature_version=botocore.UNSIGNED)
    with fdyno.connect() as database, database.serve() as server, database.serve(allow_unsigned=True) as open_server:
        session = botocore.session.Session()
        ask = [
            session.create_client("dynamodb", region_name="eu-west-1", endpoint_url=one.endpoint_url, config=unsigned)
            for one in (server, open_server)
        ]
        assert code_of(ask[0].list_tables) == "MissingAuthenticationTokenException"
        assert ask[1].list_tables()["TableNames"] == []


def test_a_server_ends_with_its_block_its_database_or_by_itself():
    database = fdyno.connect()
    with database.serve() as server:
        assert listing(server.endpoint_url) == 200
        assert not server.closed
    assert server.closed and refuses(server.endpoint_url)
    server.close()
    second = database.serve()
    database.close()
    assert second.closed and refuses(second.endpoint_url)
    with fdyno.local() as local:
        third = local.serve()
    assert third.closed and refuses(third.endpoint_url)


def test_a_running_server_keeps_its_database_open(tmp_path):
    server = fdyno.connect(tmp_path / "data").serve()
    create_table(client_of(server))
    with pytest.raises(fdyno.DatabaseLockedError):
        fdyno.connect(tmp_path / "data")
    server.close()
    del server
    with fdyno.connect(tmp_path / "data") as again:
        assert again.client("dynamodb", region_name="eu-west-1").list_tables()["TableNames"] == ["orders"]


def test_a_closed_database_is_not_served(tmp_path):
    database = fdyno.connect(tmp_path / "data")
    database.close()
    with pytest.raises(fdyno.DatabaseError, match="is closed"):
        database.serve()


@pytest.mark.parametrize(
    "wrong", [{"port": -1}, {"port": 65536}, {"port": "8000"}, {"credentials": {}}, {"max_connections": 0}]
)
def test_what_makes_no_sense_is_refused(wrong):
    with fdyno.connect() as database, pytest.raises(ValueError, match=next(iter(wrong))):
        database.serve(**wrong)


def test_a_port_that_is_taken_is_an_os_error():
    with fdyno.connect() as database, database.serve() as server:
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1 port {server.port}"):
            database.serve(port=server.port)
        with pytest.raises(OSError, match="cannot listen"):
            database.serve("nowhere.invalid")


def test_many_clients_at_once_lose_nothing(served):
    _, server = served
    create_table(client_of(server), StreamSpecification=NEW_AND_OLD)

    def count(times):
        client = client_of(server)
        for _ in range(times):
            client.update_item(
                TableName="orders",
                Key={"pk": S("counter")},
                UpdateExpression="ADD n :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
            )

    threads = [threading.Thread(target=count, args=(25,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = client_of(server).get_item(TableName="orders", Key={"pk": S("counter")})
    assert got["Item"]["n"] == {"N": "200"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
def test_a_forked_child_has_no_part_in_the_server(served):
    _, server = served
    place = urllib.parse.urlsplit(server.endpoint_url)
    held = http.client.HTTPConnection(place.hostname, place.port, timeout=PATIENCE)
    held.request("GET", "/ping")
    held.getresponse().read()
    told, tell = os.pipe()
    go_on, say_so = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(say_so)
            closed = server.closed
            server.close()
            with fdyno.connect() as database, database.serve() as own:
                answered = listing(own.endpoint_url) == 200
            os.write(tell, b"1" if closed and answered else b"0")
            os.read(go_on, 1)
            status = 0
        finally:
            os._exit(status)
    os.close(go_on)
    try:
        assert os.read(told, 1) == b"1"
        assert listing(server.endpoint_url) == 200
        server.close()
        # Neither socket is left open by the child that still lives.
        assert refuses(server.endpoint_url)
        assert held.sock.recv(1) == b""
    finally:
        held.close()
        os.close(say_so)
        assert os.waitpid(child, 0)[1] == 0
        os.close(told)
        os.close(tell)


READY = "fdyno is ready at "


class Command:
    """`fdyno serve`, once it is ready."""

    def __init__(self, *arguments, environment=None):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fdyno", "serve", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        self.line = self.process.stdout.readline()
        self.url = self.line.removeprefix(READY).split(" ")[0]

    def __enter__(self):
        assert self.line.startswith(READY), self.line + self.process.stderr.read()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=PATIENCE)

    def end(self, number):
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_a_signal(number):
    with Command() as command:
        assert command.line == f"{READY}{command.url} (memory)\n"
        client = client_of(command.url)
        create_table(client)
        assert client.list_tables()["TableNames"] == ["orders"]
        assert command.end(number) == (0, "")
        assert refuses(command.url)


def test_the_command_keeps_what_it_was_told_in_a_directory(tmp_path):
    for expected in ([], ["orders"]):
        with Command("--database", f"file:{tmp_path / 'data'}") as command:
            client = client_of(command.url)
            assert client.list_tables()["TableNames"] == expected
            if not expected:
                create_table(client)
            assert command.end(signal.SIGTERM) == (0, "")


def test_the_command_answers_what_is_under_way_when_it_is_ended():
    with Command() as command:
        place = urllib.parse.urlsplit(command.url)
        with socket.create_connection((place.hostname, place.port), timeout=PATIENCE) as busy:
            scope = "AKID/20260101/eu-west-1/dynamodb/aws4_request"
            busy.sendall(
                b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n"
                b"X-Amz-Target: DynamoDB_20120810.ListTables\r\nX-Amz-Date: 20260101T000000Z\r\n"
                b"Authorization: AWS4-HMAC-SHA256 Credential=" + scope.encode() + b", SignedHeaders=host, Signature=00\r\n"
                b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
            )
            assert busy.recv(1024).startswith(b"HTTP/1.1 100 ")
            command.process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + PATIENCE
            while not refuses(command.url):
                assert time.monotonic() < deadline
            busy.sendall(b"{}")
            assert busy.recv(1024).startswith(b"HTTP/1.1 200 ")
        assert command.process.wait(timeout=PATIENCE) == 0


def test_the_command_verifies_with_a_file_or_the_environment(tmp_path):
    path = tmp_path / "keys"
    path.write_text("[default]\naws_access_key_id = ONE\naws_secret_access_key = s%1\n[other]\nregion = x\n")
    environment = {"FDYNO_ACCESS_KEY_ID": "TWO", "FDYNO_SECRET_ACCESS_KEY": "s2"}
    with Command("--credentials", str(path), environment=environment) as command:
        for key, secret in (("ONE", "s%1"), ("TWO", "s2")):
            assert client_of(command.url, key=key, secret=secret).list_tables()["TableNames"] == []
        assert code_of(client_of(command.url, key="ONE", secret="s2").list_tables) == "InvalidSignatureException"


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "fdyno", "serve", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, **environment},
    )


WRONG = [
    ("--port", "65536"),
    ("--port", "abc"),
    ("--port", "-1"),
    ("--durability", "none"),
    ("--ttl-interval", "soon"),
    ("--stream-retention", "1e99"),
]


def test_the_command_takes_what_a_database_is_opened_with(tmp_path):
    url, account = f"file:{tmp_path / 'data'}", "123456789012"
    options = ("--durability", "fsync", "--account", account, "--ttl-interval", "off", "--stream-retention", "0.5")
    with Command("--database", url, *options) as command:
        assert command.line == f"{READY}{command.url} (disk {tmp_path / 'data'})\n"
        client = client_of(command.url)
        create_table(client)
        arn = client.describe_table(TableName="orders")["Table"]["TableArn"]
        assert arn == f"arn:aws:dynamodb:eu-west-1:{account}:table/orders"
        client.update_time_to_live(
            TableName="orders", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
        )
        client.put_item(TableName="orders", Item={"pk": S("a"), "expires": {"N": str(int(time.time()) - 60)}})
        assert client.scan(TableName="orders")["Count"] == 1
        assert command.end(signal.SIGTERM) == (0, "")


@pytest.mark.parametrize(("text", "expected"), [("off", None), ("2.5", 2.5)])
def test_the_interval_of_the_command_is_in_seconds_or_off(text, expected):
    parser = argparse.ArgumentParser()
    _serve.add_arguments(parser)
    given = parser.parse_args(["--ttl-interval", text, "--stream-retention", "48"])
    assert (given.ttl_interval, given.stream_retention) == (expected, timedelta(days=2))
    assert parser.parse_args([]).stream_retention == timedelta(hours=24)


def test_the_command_says_why_it_does_not_start(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("aws_secret_access_key = hidden\n")
    empty = tmp_path / "empty"
    empty.write_text("[default]\n")
    with fdyno.connect() as database, database.serve() as server:
        cases = [
            (run("--port", str(server.port)), 1, f"fdyno: cannot listen on 127.0.0.1 port {server.port}: "),
            (run("--database", "what"), 1, "fdyno: 'what' is no database url"),
            (run("--credentials", str(keys)), 1, f"fdyno: {keys} does not have the form"),
            (run("--credentials", str(empty)), 1, f"fdyno: {empty} has no aws_access_key_id"),
            (run(FDYNO_ACCESS_KEY_ID="ONE"), 1, "fdyno: FDYNO_ACCESS_KEY_ID and FDYNO_SECRET_ACCESS_KEY belong"),
            (run("--database", "./data"), 1, "fdyno: './data' is no database url: 'file:./data'"),
            (run("--credentials", str(tmp_path / "absent")), 1, f"fdyno: {tmp_path / 'absent'}: No such file"),
            (run("--durability", "fsync"), 1, "fdyno: 'memory:' has no durability"),
            (run("--account", "1"), 1, "fdyno: '1' is no account id"),
            (run("--ttl-interval", "0"), 1, "fdyno: ttl_interval of 0.0 seconds"),
            *((run(*wrong), 2, "usage: ") for wrong in WRONG),
        ]
    for ended, status, words in cases:
        assert (ended.returncode, ended.stdout) == (status, ""), ended
        assert ended.stderr.startswith(words), ended.stderr
        assert "hidden" not in ended.stderr


SERVED_AT_EXIT = """
import fdyno
server = fdyno.connect({url!r}).serve()
print(server.endpoint_url)
"""


@pytest.mark.parametrize("kind", ["memory:", "file:"])
def test_the_interpreter_ends_with_a_server_still_running(kind, tmp_path):
    url = kind if kind == "memory:" else f"file:{tmp_path / 'data'}"
    ended = subprocess.run(
        [sys.executable, "-c", SERVED_AT_EXIT.format(url=url)], capture_output=True, text=True, timeout=PATIENCE
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert refuses(ended.stdout.strip())


def test_a_number_of_threads_that_does_not_grow_with_connections(served):
    _, server = served
    before = threading_count()
    place = urllib.parse.urlsplit(server.endpoint_url)
    sockets = [socket.create_connection((place.hostname, place.port), timeout=PATIENCE) for _ in range(200)]
    try:
        for one in sockets:
            one.sendall(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for one in sockets:
            assert one.recv(1024).startswith(b"HTTP/1.1 200 ")
        assert threading_count() == before
    finally:
        for one in sockets:
            one.close()


def threading_count():
    if not os.path.isdir("/proc/self/task"):
        pytest.skip("the system does not list a process's threads")
    return len(os.listdir("/proc/self/task"))


def test_blobs_travel_as_base64(served):
    _, server = served
    client = client_of(server)
    create_table(client)
    seen = []
    client.meta.events.register("before-send.dynamodb.PutItem", lambda request, **_: seen.append(request.body))
    client.put_item(TableName="orders", Item={"pk": S("a"), "data": {"B": b"\x00\x01"}})
    assert base64.b64encode(b"\x00\x01") in seen[0]
