"""aiobotocore's clients are answered too, over the plain route."""

import asyncio

import pytest
from botocore.exceptions import NoCredentialsError, NoRegionError
from conftest import create_table
from packages import needed

import fdyno

session_module = needed("aiobotocore.session")


@pytest.fixture
def aio():
    session = session_module.get_session()
    session.set_credentials("AKIDEXAMPLE", "secret")
    return session


async def create(client, name="orders"):
    await client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def test_a_new_client_is_captured(aio, db):
    async def main():
        async with aio.create_client("dynamodb", region_name="eu-west-1") as client:
            await create(client)
            await client.put_item(TableName="orders", Item={"pk": {"S": "a"}, "b": {"B": b"\x00"}})
            return (await client.get_item(TableName="orders", Key={"pk": {"S": "a"}}))["Item"]

    assert asyncio.run(main()) == {"pk": {"S": "a"}, "b": {"B": b"\x00"}}


def test_a_client_that_exists_already_is_captured(aio):
    async def main():
        async with aio.create_client("dynamodb", region_name="eu-west-1") as client:
            async with fdyno.local():
                await create(client)
                return (await client.list_tables())["TableNames"]

    assert asyncio.run(main()) == ["orders"]


def test_a_call_past_a_lost_wrapper_does_not_leave(aio, db, monkeypatch):
    from aiobotocore.client import AioBaseClient

    async def main():
        async with aio.create_client("dynamodb", region_name="eu-west-1") as client:
            monkeypatch.setattr(AioBaseClient, "_make_api_call", AioBaseClient._make_api_call.__wrapped__)
            return [(await client.list_tables())["TableNames"] for _ in range(2)]

    assert asyncio.run(main()) == [[], []]


def test_it_shares_the_database_with_boto3(aio, client, table):
    async def main():
        async with aio.create_client("dynamodb", region_name="eu-west-1") as asynchronous:
            return (await asynchronous.list_tables())["TableNames"]

    assert asyncio.run(main()) == [table]


def test_neither_credentials_nor_region_are_needed(db):
    async def main():
        async with session_module.get_session().create_client("dynamodb") as client:
            assert client.meta.region_name == "us-east-1"
            return (await client.list_tables())["TableNames"]

    assert asyncio.run(main()) == []


def test_a_call_that_goes_out_misses_its_region_and_credentials(monkeypatch):
    session = session_module.get_session()

    async def nothing():
        return None

    monkeypatch.setattr(session.get_component("credential_provider"), "load_credentials", nothing)

    async def main():
        with fdyno.local():
            async with session.create_client("dynamodb") as one, session.create_client(
                "dynamodb", region_name="eu-west-1"
            ) as two:
                assert "X-Amz-Credential=fdyno" in await two.generate_presigned_url("list_tables")
                fdyno.exempt(one)
                fdyno.exempt(two)
                with pytest.raises(NoRegionError):
                    await one.list_tables()
                with pytest.raises(NoCredentialsError):
                    await two.list_tables()

    asyncio.run(main())


def test_presigning_asks_nobody_for_credentials(db, monkeypatch):
    # With the metadata server allowed: asking it is a connection, which the tests refuse and report.
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")

    async def main():
        async with session_module.get_session().create_client("dynamodb", region_name="eu-west-1") as client:
            return await client.generate_presigned_url("list_tables")

    assert "X-Amz-Credential=fdyno" in asyncio.run(main())


def test_errors_are_the_modeled_exceptions(aio, db):
    async def main():
        async with aio.create_client("dynamodb", region_name="eu-west-1") as client:
            with pytest.raises(client.exceptions.ResourceNotFoundException):
                await client.get_item(TableName="nowhere", Key={"pk": {"S": "a"}})

    asyncio.run(main())


def test_paginators_and_waiters_work(aio, db):
    async def main():
        async with aio.create_client("dynamodb", region_name="eu-west-1") as client:
            for number in range(3):
                await create(client, f"table-{number}")
            await client.get_waiter("table_exists").wait(TableName="table-0")
            paginator = client.get_paginator("list_tables")
            return [page["TableNames"] async for page in paginator.paginate(PaginationConfig={"PageSize": 2})]

    assert asyncio.run(main()) == [["table-0", "table-1"], ["table-2"]]


def test_overlapping_tasks_each_see_their_own_database(aio):
    async def body(client, name):
        async with fdyno.local():
            await create(client, name)
            await asyncio.sleep(0)
            return (await client.list_tables())["TableNames"]

    async def main():
        async with aio.create_client("dynamodb", region_name="eu-west-1") as client:
            return await asyncio.gather(*(body(client, name) for name in ("one", "two", "three")))

    assert asyncio.run(main()) == [["one"], ["two"], ["three"]]


def test_clients_and_sessions_can_be_attached_and_exempted(aio):
    database = fdyno.connect()
    light = database.client("dynamodb", region_name="eu-west-1")
    create_table(light)

    async def main():
        async with aio.create_client("dynamodb", region_name="eu-west-1") as client:
            database.attach(client)
            attached = (await client.list_tables())["TableNames"]
            database.detach(client)
            database.attach(aio)
            return attached, (await client.list_tables())["TableNames"]

    assert asyncio.run(main()) == (["orders"], ["orders"])


def test_the_fast_route_stands_aside(aio, db):
    from fdyno import _fast

    async def main():
        async with aio.create_client("dynamodb", region_name="eu-west-1") as client:
            await client.list_tables()
            return isinstance(client, _fast.FastClient)

    assert asyncio.run(main()) is False
