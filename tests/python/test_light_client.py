"""`db.client()`: boto3's names without botocore."""

import botocore.exceptions
import pytest
from conftest import create_table

import fdyno


@pytest.mark.parametrize("service", ["dynamodb", "dynamodbstreams"])
def test_it_has_the_method_names_of_boto3(session, service):
    light = fdyno.connect().client(service)
    boto = session.create_client(service, region_name="eu-west-1").meta.method_to_api_mapping
    assert set(boto) <= set(light._operations) <= set(dir(light))


def test_it_answers_like_boto3(db, client, table):
    light = db.client("dynamodb", region_name="eu-west-1")
    light.put_item(TableName=table, Item={"pk": {"S": "a"}})
    key = {"TableName": table, "Key": {"pk": {"S": "a"}}}
    assert light.get_item(**key)["Item"] == client.get_item(**key)["Item"]
    assert light.get_item(**key).keys() == client.get_item(**key).keys()


def test_its_errors_are_client_errors_of_their_code(db):
    light = db.client()
    with pytest.raises(light.exceptions.ResourceNotFoundException) as caught:
        light.describe_table(TableName="nowhere")
    assert isinstance(caught.value, botocore.exceptions.ClientError)
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert caught.value.operation_name == "DescribeTable"


def test_it_needs_no_activation():
    database = fdyno.connect()
    create_table(database.client())
    assert database.client().list_tables()["TableNames"] == ["orders"]


def test_a_fork_goes_its_own_way():
    database = fdyno.connect()
    create_table(database.client(), "before")
    twin = database.fork()
    create_table(database.client(), "original")
    create_table(twin.client(), "twin")
    assert database.client().list_tables()["TableNames"] == ["before", "original"]
    assert twin.client().list_tables()["TableNames"] == ["before", "twin"]


def test_unknown_methods_and_services_are_errors():
    database = fdyno.connect()
    with pytest.raises(AttributeError, match="fly"):
        database.client().fly()
    with pytest.raises(ValueError, match="no service 's3'"):
        database.client("s3")


def test_nonsense_is_a_serialization_exception(db):
    with pytest.raises(botocore.exceptions.ClientError, match="SerializationException"):
        db.client().list_tables(Limit=object())


@pytest.mark.parametrize("account", ["", "a:b/c\0", "12345678901", "123456789012\n"])
def test_an_account_is_twelve_digits(account):
    with pytest.raises(ValueError, match="twelve digits"):
        fdyno.connect(account=account)


@pytest.mark.parametrize("region", ["", "a\0b", "EU", "eu-west-1\n"])
def test_a_region_is_a_name(region):
    with pytest.raises(ValueError, match="no region"):
        fdyno.connect().client(region_name=region)


def test_botocores_paginators_page_through_its_methods(db):
    light = db.client(region_name="eu-west-1")
    create_table(light)
    for number in range(5):
        light.put_item(TableName="orders", Item={"pk": {"S": str(number)}})
    paginator = light.get_paginator("scan")
    pages = paginator.paginate(TableName="orders", PaginationConfig={"PageSize": 2})
    assert [page["Count"] for page in pages] == [2, 2, 1]
    assert len(paginator.paginate(TableName="orders", Limit=2).build_full_result()["Items"]) == 5
    assert light.can_paginate("query")
    assert not light.can_paginate("get_item")
    with pytest.raises(botocore.exceptions.OperationNotPageableError):
        light.get_paginator("get_item")
    assert not db.client("dynamodbstreams").can_paginate("list_streams")


def test_botocores_waiters_wait_for_its_methods(db, session):
    light = db.client(region_name="eu-west-1")
    boto = session.create_client("dynamodb", region_name="eu-west-1")
    assert light.waiter_names == boto.waiter_names
    assert db.client("dynamodbstreams").waiter_names == []
    light.get_waiter("table_not_exists").wait(TableName="orders")
    create_table(light)
    light.get_waiter("table_exists").wait(TableName="orders")
    with pytest.raises(botocore.exceptions.WaiterError):
        light.get_waiter("table_not_exists").wait(TableName="orders", WaiterConfig={"Delay": 0, "MaxAttempts": 1})
    with pytest.raises(ValueError, match="Waiter does not exist: rain"):
        light.get_waiter("rain")
