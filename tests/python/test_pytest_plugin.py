"""The pytest plugin, seen from a project that uses it."""


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
