"""Resource policies through boto3's own client: kept with a table or a stream, shown in one form, by their revisions."""

import json

import pytest
from conftest import create_table
from records import stream_arn
from tables import NEW_AND_OLD

import fdyno

pytestmark = pytest.mark.needs_model("PutResourcePolicy", "CreateTable.ResourcePolicy")

ACCOUNT = "000000000000"
INVALID = "One or more parameter values were invalid: "


def arn(client, table="orders"):
    return client.describe_table(TableName=table)["Table"]["TableArn"]


def policy(action="dynamodb:GetItem", **more):
    statement = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": action, "Resource": "*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def shown(action="dynamodb:GetItem"):
    return (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:root"},'
        f'"Action":"{action}","Resource":"*"}}]}}'
    )


def missing(what):
    return f"Resource-based policy not found for the provided ResourceArn: {what}"


def of(client, arn):
    answer = client.get_resource_policy(ResourceArn=arn)
    return answer["Policy"], answer["RevisionId"]


@pytest.mark.core
def test_a_policy_is_put_replaced_and_deleted(db, client, table, refused):
    orders = arn(client)
    refused(client.get_resource_policy, "PolicyNotFoundException", missing(orders), ResourceArn=orders)
    first = client.put_resource_policy(ResourceArn=orders, Policy=policy())["RevisionId"]
    assert of(client, orders) == (shown(), first)
    second = client.put_resource_policy(ResourceArn=orders, Policy=policy("dynamodb:Query"))["RevisionId"]
    assert int(second) > int(first)
    assert of(client, orders) == (shown("dynamodb:Query"), second)
    assert client.delete_resource_policy(ResourceArn=orders)["RevisionId"] == second
    refused(client.get_resource_policy, "PolicyNotFoundException", missing(orders), ResourceArn=orders)
    again = client.delete_resource_policy(ResourceArn=orders)["RevisionId"]
    assert int(again) > int(second)
    assert client.delete_resource_policy(ResourceArn=orders)["RevisionId"] == again
    assert int(client.put_resource_policy(ResourceArn=orders, Policy=policy())["RevisionId"]) > int(again)


def test_what_says_the_same_changes_nothing(client, table):
    orders = arn(client)
    revision = client.put_resource_policy(ResourceArn=orders, Policy=policy())["RevisionId"]
    for same in (
        policy(["dynamodb:GetItem"]),
        policy(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}),
        json.dumps(json.loads(policy()), indent=4),
        shown(),
    ):
        assert client.put_resource_policy(ResourceArn=orders, Policy=same)["RevisionId"] == revision


def test_a_policy_nobody_put_is_deleted_in_vain(client, table):
    assert "RevisionId" not in client.delete_resource_policy(ResourceArn=arn(client))


@pytest.mark.core
def test_a_revision_is_expected(client, table, refused):
    orders, code = arn(client), "PolicyNotFoundException"
    none = "Requested update for policy with revision id {}, but table orders has no associated policy"
    other = "Requested update for policy with revision id {}, but the policy associated to target table orders did not match"
    for call, more in ((client.put_resource_policy, {"Policy": policy()}), (client.delete_resource_policy, {})):
        refused(call, code, missing(none.format("123")), ResourceArn=orders, ExpectedRevisionId="123", **more)
    put = client.put_resource_policy
    first = put(ResourceArn=orders, Policy=policy(), ExpectedRevisionId="NO_POLICY")["RevisionId"]
    refused(put, code, missing(other.format("NO_POLICY")), ResourceArn=orders, Policy=policy("x:y"), ExpectedRevisionId="NO_POLICY")  # fmt: skip
    second = put(ResourceArn=orders, Policy=policy("dynamodb:Query"), ExpectedRevisionId=first)["RevisionId"]
    for call, more in ((put, {"Policy": policy()}), (client.delete_resource_policy, {})):
        refused(call, code, missing(other.format(first)), ResourceArn=orders, ExpectedRevisionId=first, **more)
    assert of(client, orders)[1] == second
    client.delete_resource_policy(ResourceArn=orders, ExpectedRevisionId=second)
    refused(client.get_resource_policy, code, missing(orders), ResourceArn=orders)


@pytest.mark.core
def test_a_policy_comes_with_a_table_and_goes_with_it(db, client, refused):
    create_table(client, ResourcePolicy=policy())
    orders = arn(client)
    assert of(client, orders)[0] == shown()
    client.delete_table(TableName="orders")
    refused(
        client.get_resource_policy,
        "ResourceNotFoundException",
        "Requested resource not found: Table: orders not found",
        ResourceArn=orders,
    )
    create_table(client)
    refused(client.get_resource_policy, "PolicyNotFoundException", missing(orders), ResourceArn=orders)
    refused.invalid(
        client.create_table,
        INVALID + "Invalid policy document: This policy contains invalid Json",
        TableName="another",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        ResourcePolicy="{",
    )


def test_a_stream_has_a_policy_of_its_own(db, client, refused):
    create_table(client, StreamSpecification=NEW_AND_OLD, ResourcePolicy=policy())
    stream = stream_arn(client, "orders")
    refused(client.get_resource_policy, "PolicyNotFoundException", missing(stream), ResourceArn=stream)
    revision = client.put_resource_policy(ResourceArn=stream, Policy=policy("dynamodb:GetRecords"))["RevisionId"]
    assert of(client, stream) == (shown("dynamodb:GetRecords"), revision)
    assert of(client, arn(client))[0] == shown()
    bogus = arn(client) + "/stream/2000-01-01T00:00:00.000"
    refused(
        client.get_resource_policy,
        "ResourceNotFoundException",
        "Requested resource not found: Stream: 2000-01-01T00:00:00.000 not found for Table: orders",
        ResourceArn=bogus,
    )
    client.delete_table(TableName="orders")
    create_table(client, StreamSpecification=NEW_AND_OLD)
    refused(
        client.get_resource_policy,
        "ResourceNotFoundException",
        "Requested resource not found: Stream: " + stream.rsplit("/", 1)[1] + " not found for Table: orders",
        ResourceArn=stream,
    )


def test_who_could_not_change_it_again_has_to_say_so(client, table, refused):
    orders = arn(client)
    locking = policy("dynamodb:PutResourcePolicy", Effect="Deny", Principal="*")
    for confirmed in ({}, {"ConfirmRemoveSelfResourceAccess": False}):
        refused(
            client.put_resource_policy,
            "AccessDeniedException",
            "The new resource policy will not allow you to update the resource policy in the future.",
            ResourceArn=orders,
            Policy=locking,
            **confirmed,
        )
    client.put_resource_policy(ResourceArn=orders, Policy=locking, ConfirmRemoveSelfResourceAccess=True)
    # Nobody is kept from anything.
    client.put_resource_policy(ResourceArn=orders, Policy=policy())


def test_a_policy_has_twenty_thousand_bytes(client, table, refused):
    orders = arn(client)
    client.put_resource_policy(ResourceArn=orders, Policy=policy() + " " * (20_480 - len(policy())))
    refused.invalid(
        client.put_resource_policy,
        INVALID + "Maximum policy size of 20480 bytes exceeded",
        ResourceArn=orders,
        Policy=policy() + " " * (20_481 - len(policy())),
    )
    assert of(client, orders)[0] == shown()


def test_other_resources_have_no_policies_here(client, table, refused):
    own = "arn:aws:dynamodb:eu-west-1:000000000000:table/orders"
    for given, message in [
        ("orders", "ARNs must start with 'arn:': orders"),
        (own.replace("eu-west-1", "us-east-1"), "Invalid resource Arn: {}"),
        (own.replace("arn:aws:", "arn:aws-cn:"), "Invalid resource Arn: {}"),
        (
            own + "/index/x",
            "Invalid resource arn provided, only table or stream is accepted. Provided resource arn: {}",
        ),
        (own + "/backup/0170", "Provided Arn is not a DynamoDB resource arn: {}"),
    ]:
        for call, more in (
            (client.get_resource_policy, {}),
            (client.put_resource_policy, {"Policy": policy()}),
            (client.delete_resource_policy, {}),
        ):
            refused.invalid(call, INVALID + message.format(given), ResourceArn=given, **more)
    refused.invalid(
        client.get_resource_policy,
        "This action is only supported by accounts that match the resource owner’s account.",
        ResourceArn=own.replace(ACCOUNT, "123456789012"),
    )


def test_a_copy_carries_policies_tags_and_settings(forking_db, db, client, table, tmp_path):
    client.put_resource_policy(ResourceArn=arn(client), Policy=policy())
    client.tag_resource(ResourceArn=arn(client), Tags=[{"Key": "a", "Value": "b"}])
    client.update_table(TableName=table, TableClass="STANDARD_INFREQUENT_ACCESS")
    fdyno.copy(db, tmp_path / "copy")
    with fdyno.connect(tmp_path / "copy") as copy:
        there = copy.client("dynamodb", region_name="eu-west-1")
        assert of(there, arn(client)) == of(client, arn(client))
        assert there.list_tags_of_resource(ResourceArn=arn(client))["Tags"] == [{"Key": "a", "Value": "b"}]
        assert there.describe_table(TableName=table)["Table"] == client.describe_table(TableName=table)["Table"]
