"""The pytest plugin, seen from a project that uses it."""

import pytest


def test_each_test_gets_a_fork_of_the_seed(pytester):
    pytester.makeconftest(
        """
        import fdyno, pytest

        @pytest.fixture(scope="session")
        def fdyno_seed():
            db = fdyno.connect()
            db.client().create_table(
                TableName="seeded",
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
            return db
        """
    )
    pytester.makepyfile(
        """
        import boto3, fdyno, pytest

        @pytest.mark.parametrize("turn", [1, 2])
        def test_fresh(dynamodb, dynamodb_client, dynamodbstreams_client, fdyno_db, turn):
            assert dynamodb_client.list_tables()["TableNames"] == ["seeded"]
            assert [table.name for table in dynamodb.tables.all()] == ["seeded"]
            assert dynamodbstreams_client.list_streams()["Streams"] == []
            assert boto3.client("dynamodb").list_tables()["TableNames"] == ["seeded"]
            dynamodb_client.delete_table(TableName="seeded")
            assert fdyno.current() is fdyno_db

        def test_nothing_active_without_a_fixture():
            assert fdyno.current() is None
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=3)


def test_the_plugin_does_not_import_boto3_by_itself(pytester):
    pytester.makepyfile(
        """
        import sys

        def test_it():
            assert "boto3" not in sys.modules
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "configure, region",
    [
        ("", "us-east-1"),
        ("boto3.setup_default_session(region_name='ap-south-1')", "ap-south-1"),
        ("os.environ['AWS_DEFAULT_REGION'] = 'eu-west-3'", "eu-west-3"),
    ],
    ids=["none", "default session", "environment"],
)
def test_the_fixtures_take_the_region_that_db_client_takes(pytester, configure, region):
    # The seed is loaded through boto3, as its documentation shows: its tables must be where the fixtures look.
    pytester.makeconftest(
        f"""
        import os
        import boto3, fdyno, pytest

        {configure}

        @pytest.fixture(scope="session")
        def fdyno_seed():
            db = fdyno.connect()
            with db.activate():
                boto3.client("dynamodb").create_table(
                    TableName="seeded",
                    KeySchema=[{{"AttributeName": "pk", "KeyType": "HASH"}}],
                    AttributeDefinitions=[{{"AttributeName": "pk", "AttributeType": "S"}}],
                    BillingMode="PAY_PER_REQUEST",
                )
            return db
        """
    )
    pytester.makepyfile(
        f"""
        import boto3

        def test_it(fdyno_db, dynamodb, dynamodb_client, dynamodbstreams_client):
            clients = dynamodb.meta.client, dynamodb_client, dynamodbstreams_client
            assert [client.meta.region_name for client in clients] == [{region!r}] * 3
            assert fdyno_db.client().region == {region!r}
            assert dynamodb_client.list_tables()["TableNames"] == ["seeded"]

        def test_a_default_session_of_later(monkeypatch, request):
            monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3.session.Session(region_name="sa-east-1"))
            # After a test that has made the session of all tests.
            assert request.getfixturevalue("dynamodbstreams_client").meta.region_name == "sa-east-1"
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=2)


@pytest.mark.parametrize(
    "seed, told",
    [
        ("fdyno.connect('file:./data')", "*fdyno_seed gave <fdyno.Database disk *data>, which cannot fork*'memory:'*"),
        ("None", "*fdyno_seed gave None*'memory:'*"),
    ],
)
def test_a_seed_that_cannot_fork_is_an_error_that_says_so(pytester, seed, told):
    pytester.makeconftest(
        f"""
        import fdyno, pytest

        @pytest.fixture(scope="session")
        def fdyno_seed():
            return {seed}
        """
    )
    pytester.makepyfile("def test_it(dynamodb_client): pass")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([told])
    # The plugin's own lines would tell a user nothing.
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")
