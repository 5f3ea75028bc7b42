"""What botocore and boto3 do around a call keeps working when fdyno answers it."""

import boto3
import pytest
from boto3.dynamodb.conditions import Attr
from botocore import UNSIGNED
from botocore.awsrequest import AWSResponse
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.stub import Stubber
from conftest import create_table

import fdyno
from fdyno import _fast, _plain


@pytest.fixture
def prepared(monkeypatch):
    """For each answered call, whether the fast route had prepared it."""
    seen = []
    answer = _plain.answer

    def spy(chosen, model, params, context):
        seen.append(chosen.request is not None and "body" not in params)
        return answer(chosen, model, params, context)

    monkeypatch.setattr(_plain, "answer", spy)
    return seen


@pytest.mark.core
def test_each_route_is_the_one_it_says(client, table, prepared, route):
    client.list_tables()
    assert prepared == [route == "fast"]


@pytest.mark.core
def test_an_item_comes_back_as_it_went(client, table):
    item = {
        "pk": {"S": "ä☃𝄞"},
        "n": {"N": "1.5"},
        "b": {"B": b"\x00\xff"},
        "ss": {"SS": ["a", "b"]},
        "ns": {"NS": ["1", "2"]},
        "bs": {"BS": [b"a", b"b"]},
        "m": {"M": {"x": {"L": [{"NULL": True}, {"BOOL": False}]}}},
        "empty": {"S": ""},
    }
    client.put_item(TableName=table, Item=item)
    answer = client.get_item(TableName=table, Key={"pk": item["pk"]})
    assert answer["Item"] == item
    assert client.get_item(TableName=table, Key={"pk": item["pk"]})["Item"] is not answer["Item"]


@pytest.mark.core
def test_the_metadata_of_an_answer_is_what_botocore_gives(client, table):
    metadata = client.list_tables()["ResponseMetadata"]
    assert metadata["HTTPStatusCode"] == 200
    assert metadata["RetryAttempts"] == 0
    assert metadata["HTTPHeaders"]["x-amzn-requestid"] == metadata["RequestId"]
    assert len(metadata["RequestId"]) == 52


@pytest.mark.core
def test_timestamps_are_aware_datetimes_in_local_time(client, table):
    moment = client.describe_table(TableName=table)["Table"]["CreationDateTime"]
    assert type(moment.tzinfo).__name__ == "tzlocal"


@pytest.mark.core
def test_an_error_is_the_modeled_exception(client, db):
    with pytest.raises(client.exceptions.ResourceNotFoundException) as caught:
        client.get_item(TableName="nowhere", Key={"pk": {"S": "a"}})
    response = caught.value.response
    message = "Requested resource not found"
    assert response["Error"] == {"Code": "ResourceNotFoundException", "Message": message}
    assert response["message"] == message
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert caught.value.operation_name == "GetItem"


@pytest.mark.core
def test_a_failed_condition_carries_the_item_when_asked(client, table):
    put = {"TableName": table, "Item": {"pk": {"S": "a"}}, "ConditionExpression": "attribute_not_exists(pk)"}
    client.put_item(**put)
    with pytest.raises(client.exceptions.ConditionalCheckFailedException) as caught:
        client.put_item(**put, ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert caught.value.response["message"] == "The conditional request failed"
    assert "Item" in caught.value.response
    with pytest.raises(ClientError) as caught:
        client.put_item(**put)
    assert "Item" not in caught.value.response


INVALID = [
    {},
    {"TableName": 3, "Item": {}},
    {"TableName": "nowhere", "Item": {"pk": "text"}},
    {"TableName": "nowhere", "Item": {"pk": {"S": 1}}},
    {"TableName": "nowhere", "Item": {"pk": {"N": 1}}},
    {"TableName": "nowhere", "Item": {"pk": {"X": "1"}}},
    {"TableName": "nowhere", "Item": {1: {"S": "a"}}},
    {"TableName": "nowhere", "Item": {"pk": {"B": 1}}},
    {"TableName": "nowhere", "Item": {"pk": {"L": "abc"}}},
    {"TableName": "nowhere", "Item": {"pk": {"BOOL": "yes"}}},
    {"TableName": "nowhere", "Item": {"pk": None}},
    {"TableName": "nowhere", "Item": [], "Unknown": 1},
    {"TableName": "", "Item": {}},
    {"TableName": "nowhere", "Item": {"pk": {"SS": [1]}}, "ReturnValues": None},
]


@pytest.mark.core
@pytest.mark.parametrize("parameters", INVALID, ids=str)
def test_invalid_parameters_are_botocores_own_error(client, session, db, parameters):
    bare = session.create_client("dynamodb")
    fdyno.exempt(bare)
    with pytest.raises(BotoCoreError) as expected:
        bare.put_item(**parameters)
    with pytest.raises(type(expected.value)) as caught:
        client.put_item(**parameters)
    assert str(caught.value) == str(expected.value)


VALID = [
    {"TableName": "nowhere", "Item": {}},
    {"TableName": "nowhere", "Item": {"pk": {"S": "a", "N": "1"}}},
    {"TableName": "nowhere", "Item": {"pk": {"L": ({"S": "a"},)}}},
    {"TableName": "nowhere", "Item": {"pk": {"B": "text"}}},
    {"TableName": "nowhere", "Item": {"pk": {"NULL": True}}, "Expected": {"a": {"Exists": False}}},
]


@pytest.mark.parametrize("parameters", VALID, ids=str)
def test_what_botocore_accepts_reaches_the_database(client, db, parameters):
    with pytest.raises(ClientError):
        client.put_item(**parameters)


def test_validation_can_be_switched_off_as_ever(session, db):
    client = session.create_client("dynamodb", config=Config(parameter_validation=False))
    create_table(client)
    with pytest.raises(ClientError):
        client.get_item(TableName="nowhere", Key={"pk": {"S": 1}})


@pytest.mark.core
def test_a_resource_works(db):
    resource = boto3.resource("dynamodb")
    table = resource.create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    table.wait_until_exists()
    with table.batch_writer() as batch:
        for number in range(60):
            batch.put_item(Item={"pk": str(number), "number": number})
    assert table.get_item(Key={"pk": "7"})["Item"] == {"pk": "7", "number": 7}
    assert len(table.scan()["Items"]) == 60
    with pytest.raises(resource.meta.client.exceptions.ConditionalCheckFailedException):
        table.put_item(Item={"pk": "7"}, ConditionExpression=Attr("pk").not_exists())


@pytest.mark.core
def test_paginators_work(client, db):
    for number in range(5):
        create_table(client, f"table-{number}")
    pages = list(client.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["TableNames"]) for page in pages] == [2, 2, 1]


@pytest.mark.core
def test_waiters_work(client, table):
    client.get_waiter("table_exists").wait(TableName=table)
    client.delete_table(TableName=table)
    client.get_waiter("table_not_exists").wait(TableName=table)


@pytest.mark.core
def test_a_stubber_wins(client, table):
    with Stubber(client) as stubber:
        stubber.add_response("list_tables", {"TableNames": ["stubbed"]}, {})
        stubber.add_client_error("get_item", "ThrottlingException")
        assert client.list_tables()["TableNames"] == ["stubbed"]
        with pytest.raises(ClientError, match="ThrottlingException"):
            client.get_item(TableName=table, Key={"pk": {"S": "a"}})
        stubber.assert_no_pending_responses()
    assert client.list_tables()["TableNames"] == [table]


@pytest.mark.core
@pytest.mark.parametrize("event", ["before-call", "before-call.dynamodb", "before-call.dynamodb.ListTables"])
@pytest.mark.parametrize("captured_first", [False, True])
def test_a_mock_at_before_call_wins(client, table, event, captured_first, session):
    client = client if captured_first else session.create_client("dynamodb")
    mocked = AWSResponse("", 200, {}, None), {"TableNames": ["mocked"]}
    client.meta.events.register(event, lambda **_: mocked)
    assert client.list_tables() == {"TableNames": ["mocked"]}


@pytest.mark.core
def test_handlers_see_and_change_what_they_always_could(client, table):
    seen = []

    def provide(params, **_):
        seen.append("provide-client-params")
        return {**params, "Limit": 1}

    def before_parameter_build(params, **_):
        seen.append(("before-parameter-build", dict(params)))

    def after_call(http_response, parsed, **_):
        seen.append(("after-call", http_response.status_code, http_response.headers["X-AMZN-RequestId"]))
        parsed["Added"] = True

    create_table(client, "second")
    events = client.meta.events
    events.register("provide-client-params.dynamodb.ListTables", provide)
    events.register("before-parameter-build.dynamodb.ListTables", before_parameter_build)
    events.register("after-call.dynamodb.ListTables", after_call)
    answer = client.list_tables()
    assert answer["Added"]
    assert len(answer["TableNames"]) == 1
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert seen == ["provide-client-params", ("before-parameter-build", {"Limit": 1}), ("after-call", 200, request_id)]


@pytest.mark.core
def test_a_before_call_handler_sees_the_serialised_request(client, table):
    seen = []
    client.meta.events.register("before-call.dynamodb", lambda params, **_: seen.append(dict(params.get("headers"))))
    client.meta.events.register("before-call.dynamodb", lambda params, **_: seen.append(params["body"]))
    client.list_tables(Limit=3)
    assert seen[0]["X-Amz-Target"] == "DynamoDB_20120810.ListTables"
    assert seen[1] == b'{"Limit": 3}'


@pytest.mark.core
def test_a_before_call_handler_may_change_the_request(client, table):
    def change(params, **_):
        params["body"] = b'{"ExclusiveStartTableName": "zzz"}'

    client.meta.events.register("before-call.dynamodb.ListTables", change)
    assert client.list_tables()["TableNames"] == []


LOOKS = {
    "pop": lambda params: params.__setitem__("body", params.pop("body")),
    "star": lambda params: {**params}["body"],
    "in": lambda params: {"body": 1}["body" if "body" in params else "missing"],
    "sorted": lambda params: sorted(params).index("body"),
    "copy": lambda params: params.copy()["body"],
    "dict": lambda params: dict(params)["body"],
    "items": lambda params: dict(params.items())["url"],
}


@pytest.mark.core
@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize("event", ["before-call", "before-call.dynamodb", "before-call.*.ListTables"])
@pytest.mark.parametrize("late", [False, True])
def test_a_before_call_handler_sees_a_whole_request(client, table, look, event, late):
    seen = []

    def register(**_):
        client.meta.events.register(event, lambda params, **_: seen.append(look(params)), unique_id="look")

    client.list_tables()
    if late:
        client.meta.events.register("before-parameter-build.dynamodb", register)
    else:
        register()
    assert client.list_tables()["TableNames"] == [table]
    assert len(seen) == 1


@pytest.mark.core
def test_an_operation_fdyno_does_not_know_never_leaves(client, db, monkeypatch):
    monkeypatch.setattr(_plain, "bare", lambda service, name: None)
    monkeypatch.setattr(_fast, "shaped", lambda model: None)
    with pytest.raises(ClientError, match="UnknownOperationException"):
        client.list_tables()


@pytest.mark.core
def test_a_client_whose_handlers_are_gone_does_not_reach_the_network_on_the_fast_route(client, table, route):
    client.list_tables()
    client.meta.events.unregister("before-call", unique_id="fdyno-before-call")
    if route == "fast":
        assert client.list_tables()["TableNames"] == [table]


@pytest.mark.core
def test_presigned_urls_are_botocores(client, table):
    url = client.generate_presigned_url("get_item", {"TableName": table, "Key": {"pk": {"S": "a"}}})
    assert "X-Amz-Signature=" in url
    assert "dynamodb.eu-west-1.amazonaws.com" in url or "ddb.eu-west-1.amazonaws.com" in url


@pytest.mark.core
def test_unsigned_clients_work(session, db):
    client = session.create_client("dynamodb", config=Config(signature_version=UNSIGNED))
    assert client.list_tables()["TableNames"] == []


def test_with_other_signatures_in_botocore_the_plain_route_serves(session, db, monkeypatch, prepared):
    from botocore.client import BaseClient

    def _convert_to_request_dict(self, params, model, *, url, **_):
        raise AssertionError("never called")

    early = session.create_client("dynamodb")
    original = BaseClient._convert_to_request_dict
    monkeypatch.setattr(BaseClient, "_convert_to_request_dict", _convert_to_request_dict)
    assert not _fast.usable()
    late = session.create_client("dynamodb")
    assert not isinstance(late, _fast.FastClient)
    monkeypatch.setattr(BaseClient, "_convert_to_request_dict", original)
    assert isinstance(early, object) and early.list_tables()["TableNames"] == []


def test_a_session_that_exists_already_gets_the_same_route(client, session, table, prepared, route):
    session.create_client("dynamodb").list_tables()
    client.list_tables()
    assert prepared == [route == "fast"] * 2


def test_a_mixin_of_an_older_class_sees_every_call(client, db):
    seen = []

    class Mixin:
        def _make_api_call(self, operation_name, api_params):
            seen.append(operation_name)
            return super()._make_api_call(operation_name, api_params)

    client.__class__ = type("Older", (Mixin, BaseClient), {"list_tables": type(client).list_tables})
    for _ in range(3):
        client.list_tables()
    assert seen == ["ListTables"] * 3


def test_deprecated_and_history_hooks_see_the_call(client, table):
    from botocore.history import BaseHistoryHandler, get_global_history_recorder

    seen = []

    class Recorder(BaseHistoryHandler):
        def emit(self, event_type, payload, source):
            if event_type == "API_CALL":
                seen.append(payload["operation"])

    recorder = get_global_history_recorder()
    recorder.add_handler(handler := Recorder())
    recorder.enable()
    try:
        client.list_tables()
    finally:
        recorder.disable()
        recorder._handlers.remove(handler)
    assert seen == ["ListTables"]


def test_fdyno_types_are_what_they_should_be(client, table):
    assert isinstance(fdyno.current(), fdyno.Database)
    assert type(client.list_tables()) is dict
