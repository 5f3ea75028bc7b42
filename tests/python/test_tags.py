"""Tags of tables through boto3's own client: kept with the table, its rules and their messages, gone with the table."""

import pytest
from conftest import create_table
from tables import stream

import fdyno

OWN = "arn:aws:dynamodb:eu-west-1:000000000000:table/"


def arn(client, table="orders"):
    return client.describe_table(TableName=table)["Table"]["TableArn"]


def tags(**values):
    return [{"Key": key, "Value": value} for key, value in values.items()]


def listed(client, arn):
    answer = client.list_tags_of_resource(ResourceArn=arn)
    assert "NextToken" not in answer
    return {tag["Key"]: tag["Value"] for tag in answer["Tags"]}


@pytest.fixture
def unbound(session):
    """A client that sends what botocore would not."""
    from botocore.config import Config

    return session.create_client("dynamodb", config=Config(parameter_validation=False))


@pytest.mark.core
def test_tags_are_added_changed_and_removed(client, table):
    orders = arn(client)
    assert listed(client, orders) == {}
    client.tag_resource(ResourceArn=orders, Tags=tags(env="test", project="x"))
    client.tag_resource(ResourceArn=orders, Tags=tags(env="production", empty=""))
    assert listed(client, orders) == {"env": "production", "project": "x", "empty": ""}
    client.untag_resource(ResourceArn=orders, TagKeys=["project", "never there"])
    assert listed(client, orders) == {"env": "production", "empty": ""}
    # Keys differ by case.
    client.tag_resource(ResourceArn=orders, Tags=tags(Env="other"))
    assert listed(client, orders) == {"env": "production", "empty": "", "Env": "other"}


@pytest.mark.core
def test_tags_come_with_a_table_and_go_with_it(db, client):
    create_table(client, "orders", Tags=tags(env="test"))
    create_table(client, "others")
    assert (listed(client, arn(client)), listed(client, arn(client, "others"))) == ({"env": "test"}, {})
    assert "Tags" not in client.describe_table(TableName="orders")["Table"]
    client.delete_table(TableName="orders")
    create_table(client, "orders")
    assert listed(client, arn(client)) == {}


def test_a_table_with_a_stream_loses_its_tags_too(db, client):
    create_table(client, "orders", Tags=tags(env="test"), StreamSpecification=stream("KEYS_ONLY"))
    client.delete_table(TableName="orders")
    create_table(client, "orders")
    assert listed(client, arn(client)) == {}


def test_tags_do_not_disturb_the_table(client, table):
    before = client.describe_table(TableName=table)["Table"]
    client.tag_resource(ResourceArn=arn(client), Tags=tags(env="test"))
    client.put_item(TableName=table, Item={"pk": {"S": "a"}})
    client.delete_item(TableName=table, Key={"pk": {"S": "a"}})
    assert client.describe_table(TableName=table)["Table"] == before


def test_fifty_tags_are_the_most(client, table, refused):
    orders, most = arn(client), "Number of Tags exceed the current limit for the provided ResourceArn"
    fifty = [{"Key": f"k{number:02}", "Value": "v"} for number in range(50)]
    client.tag_resource(ResourceArn=orders, Tags=fifty)
    assert len(listed(client, orders)) == 50
    client.tag_resource(ResourceArn=orders, Tags=tags(k01="new"))
    for more in (tags(k50="v"), tags(k02="new", k50="v"), [{"Key": f"x{number}", "Value": ""} for number in range(51)]):
        refused.invalid(client.tag_resource, most, ResourceArn=orders, Tags=more)
    refused.invalid(client.untag_resource, most, ResourceArn=orders, TagKeys=[str(number) for number in range(51)])
    assert listed(client, orders) == {**{tag["Key"]: "v" for tag in fifty}, "k01": "new"}
    client.untag_resource(ResourceArn=orders, TagKeys=["k00"])
    client.tag_resource(ResourceArn=orders, Tags=tags(k50="v"))
    assert len(listed(client, orders)) == 50


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "Atleast one Tag needs to be provided as Input."),
        ([{"Key": "aws:foo", "Value": "x"}], "Tag Key cannot be prefixed with aws:, Key: aws:foo"),
        ([{"Key": "good", "Value": ""}, {"Key": "bad#char", "Value": ""}], "The Tag Key provided is invalid, Key: bad#char"),
        ([{"Key": "k", "Value": "100%"}], "The Tag Value provided is invalid, Value: 100%"),
        ([{"Key": "k"}], "The Tag Value provided is invalid, Value: null"),
        ([{"Value": "v"}], "The Tag Key provided is invalid, Key: null"),
        (
            [{"Key": "dup", "Value": "1"}, {"Key": "dup", "Value": "2"}],
            "Duplicate Tag Keys provided as input: Duplicate Tag Key found dup",
        ),
    ],
)
def test_one_bad_tag_refuses_all(unbound, client, table, refused, given, message):
    orders = arn(client)
    refused.invalid(unbound.tag_resource, message, ResourceArn=orders, Tags=given)
    assert listed(client, orders) == {}
    if given:
        refused.invalid(
            unbound.create_table,
            message,
            TableName="another",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            Tags=given,
        )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([], "Atleast one Tag Key needs to be provided as Input."),
        ([""], "The Tag Key provided is invalid, Key: "),
        (["aws:foo"], "Tag Key cannot be prefixed with aws:, Key: aws:foo"),
    ],
)
def test_bad_keys_untag_nothing(unbound, client, table, refused, keys, message):
    orders = arn(client)
    client.tag_resource(ResourceArn=orders, Tags=tags(env="test"))
    refused.invalid(unbound.untag_resource, message, ResourceArn=orders, TagKeys=keys)
    assert listed(client, orders) == {"env": "test"}


@pytest.mark.parametrize(
    ("arn", "code", "message"),
    [
        ("not-a-valid-arn", "ValidationException", "One or more parameter values were invalid: ARNs must start with 'arn:': {}"),
        ("arn:aws:s3:::bucket", "ValidationException", "One or more parameter values were invalid: Provided Arn is not a DynamoDB resource arn: {}"),
        (OWN + "orders/backup/1", "ValidationException", "One or more parameter values were invalid: Provided Arn is not a DynamoDB resource arn: {}"),
        (
            OWN + "orders/index/x",
            "ValidationException",
            "One or more parameter values were invalid: Invalid resource arn provided, only table or stream is accepted. "
            "Provided resource arn: {}",
        ),
        (
            OWN.replace("eu-west-1", "us-east-1") + "orders",
            "ValidationException",
            "Invalid TableArn: Invalid ResourceArn provided as input {}",
        ),
    ],
)  # fmt: skip
def test_what_is_no_table_of_this_region_is_told(client, table, refused, arn, code, message):
    for call, more in [
        (client.list_tags_of_resource, {}),
        (client.tag_resource, {"Tags": tags(a="b")}),
        (client.untag_resource, {"TagKeys": ["a"]}),
    ]:
        refused(call, code, message.format(arn), ResourceArn=arn, **more)


def test_a_table_that_is_not_there_is_somebody_elses_or_missing(db, client, refused):
    """An account with a number of its own is told what it has not got; what others have it is not told."""
    own = fdyno.connect("memory:", account="123456789012").client("dynamodb", region_name="eu-west-1")
    missing = "arn:aws:dynamodb:eu-west-1:123456789012:table/nowhere"
    for call, operation, more in [
        ("list_tags_of_resource", "ListTagsOfResource", {}),
        ("tag_resource", "TagResource", {"Tags": tags(a="b")}),
        ("untag_resource", "UntagResource", {"TagKeys": ["a"]}),
    ]:
        refused(
            getattr(own, call),
            "ResourceNotFoundException",
            f"Requested resource not found: ResourceArn: {missing} not found",
            ResourceArn=missing,
            **more,
        )
        for foreign in (missing, OWN + "nowhere"):
            refused(
                getattr(client, call),
                "AccessDeniedException",
                f"User: arn:aws:iam::000000000000:root is not authorized to perform: dynamodb:{operation} on resource: "
                f"{foreign} because no resource-based policy allows the dynamodb:{operation} action",
                ResourceArn=foreign,
                **more,
            )


def test_missing_members_and_tokens_are_refused(unbound, client, table, refused):
    null = "1 validation error detected: Value null at '{}' failed to satisfy constraint: Member must not be null"
    refused.invalid(unbound.tag_resource, null.format("tags"), ResourceArn=arn(client))
    refused.invalid(unbound.untag_resource, null.format("resourceArn"), TagKeys=["a"])
    refused.invalid(client.list_tags_of_resource, "NextToken is invalid", ResourceArn=arn(client), NextToken="x")


def test_a_fork_carries_tags_and_changes_its_own(forking_db, db, client, table):
    client.tag_resource(ResourceArn=arn(client), Tags=tags(env="test"))
    twin = db.fork().client("dynamodb", region_name="eu-west-1")
    twin.tag_resource(ResourceArn=arn(client), Tags=tags(env="fork"))
    assert (listed(client, arn(client)), listed(twin, arn(client))) == ({"env": "test"}, {"env": "fork"})
