"""Vector indexes and SearchVectors: made, kept with the items, searched, described, deleted, and what is wrong with each."""

import math
import random
import re
import struct

import pytest
from tables import ALL, KEYS_ONLY, N, S, attributes, fill, include, key_schema

pytestmark = pytest.mark.needs_model("SearchVectors", "CreateTable.VectorIndexes", "UpdateTable.VectorIndexUpdates")

INVALID = "One or more parameter values were invalid: "
BAD_VALUE = "One or more parameter values were invalid. "
CONDITION = "Invalid SearchConditionExpression: "


def vector(*components):
    return {"L": [N(component) for component in components]}


def search_schema(partition=None, *filters):
    hash_element = [] if partition is None else [(partition, "HASH")]
    elements = hash_element + [(name, "INLINE_FILTER") for name in filters]
    return [{"AttributeName": name, "SearchSchemaElementType": kind} for name, kind in elements]


def vectors(name="near", dimensions=3, function="COSINE", projection=ALL, attribute="embedding", schema=None):
    found = {
        "IndexName": name,
        "VectorAttribute": {"AttributeName": attribute},
        "Dimensions": dimensions,
        "DistanceFunction": function,
        "Projection": projection,
    }
    return found if schema is None else {**found, "SearchSchema": schema}


def create(client, *indexes, name="docs", types=None, **more):
    client.create_table(
        TableName=name,
        KeySchema=key_schema("pk"),
        AttributeDefinitions=attributes(pk="S", **(types or {})),
        **{"BillingMode": "PAY_PER_REQUEST", **more},
        **({"VectorIndexes": list(indexes)} if indexes else {}),
    )
    return name


def by_tenant(**more):
    return vectors("by_tenant", schema=search_schema("tenant", "kind", "year"), **more)


TENANTS = {"tenant": "S", "kind": "S", "year": "N"}


def put(client, pk, *components, **more):
    embedding = {"embedding": vector(*components)} if components else {}
    return client.put_item(TableName="docs", Item={"pk": S(pk), **embedding, **more})


def search(client, *components, top=10, index="near", **more):
    answer = client.search_vectors(
        TableName="docs", IndexName=index, SearchVector=[N(component) for component in components], TopK=top, **more
    )
    return answer["SearchResults"]


def found(results):
    return [result["Item"]["pk"]["S"] for result in results]


def values(**given):
    return {f":{name}": value for name, value in given.items()}


def describe(client, index="near"):
    shown = client.describe_table(TableName="docs")["Table"].get("VectorIndexes", [])
    return next((each for each in shown if each["IndexName"] == index), None)


def single(number):
    """The nearest 32-bit float."""
    return struct.unpack("f", struct.pack("f", number))[0]


@pytest.mark.core
@pytest.mark.parametrize(
    ("function", "order", "scores"),
    [
        ("COSINE", "adbc", [0, 0.4, 1, 2]),
        ("EUCLIDEAN", "adbc", [0, math.sqrt(0.8), math.sqrt(2), 2]),
        ("DOT_PRODUCT", "adbc", [1, 0.6, 0, -1]),
    ],
)
def test_the_nearest_come_first_with_their_scores(db, client, function, order, scores):
    create(client, vectors(function=function))
    for pk, components in {"a": (1, 0, 0), "b": (0, 1, 0), "c": (-1, 0, 0), "d": ("0.6", "0.8", 0)}.items():
        put(client, pk, *components, label=S(f"item-{pk}"))
    results = search(client, 1, 0, 0)
    assert found(results) == list(order)
    assert [result["Score"] for result in results] == pytest.approx(scores, abs=1e-6)
    assert results[0] == {"Item": {"pk": S("a"), "label": S("item-a")}, "Score": scores[0]}
    assert found(search(client, 1, 0, 0, top=2)) == list(order[:2])
    assert search(client, 1, 0, 0, top=100) == results


@pytest.mark.core
def test_an_index_is_described(db, client):
    create(client, vectors(), by_tenant(function="EUCLIDEAN", projection=include("note")), types=TENANTS)
    put(client, "a", 1, 0, 0, tenant=S("t"), note=S("x"), other=S("not projected"))
    described = client.describe_table(TableName="docs")["Table"]
    assert "GlobalSecondaryIndexes" not in described
    arn = "arn:aws:dynamodb:eu-west-1:000000000000:table/docs/index/"
    own = len("pk" + "a" + "embedding") + 3 * 4 + len("tenant" + "t" + "note" + "x")
    assert described["VectorIndexes"] == [
        {
            **vectors(),
            "IndexStatus": "ACTIVE",
            "IndexSizeBytes": own + len("other" + "not projected"),
            "ItemCount": 1,
            "IndexArn": arn + "near",
        },
        {
            **by_tenant(function="EUCLIDEAN", projection=include("note")),
            "IndexStatus": "ACTIVE",
            "IndexSizeBytes": own,
            "ItemCount": 1,
            "IndexArn": arn + "by_tenant",
        },
    ]


def test_a_vector_is_shown_only_when_asked_for_and_as_the_index_has_it(db, client):
    create(client, vectors(), vectors("keys", projection=KEYS_ONLY), vectors("some", projection=include("label")))
    exact = ["0.1", "16777217", "1.000000059604644775390625"]
    put(client, "a", *exact, label=S("l"), leftover=S("o"))
    stored = client.get_item(TableName="docs", Key={"pk": S("a")})["Item"]["embedding"]
    assert stored == vector(*exact)
    for index, shown in (
        ("near", {"pk": S("a"), "label": S("l"), "leftover": S("o")}),
        ("keys", {"pk": S("a")}),
        ("some", {"pk": S("a"), "label": S("l")}),
    ):
        assert search(client, *exact, index=index)[0]["Item"] == shown
        asked = search(client, *exact, index=index, ProjectionExpression="leftover, embedding, nothing")[0]["Item"]
        embedding = asked.pop("embedding")["L"]
        assert asked == {name: value for name, value in shown.items() if name == "leftover"}
        assert [component["N"] for component in embedding][:2] == ["0.1", "16777216"]
        assert [single(float(component["N"])) for component in embedding] == [single(float(number)) for number in exact]
    assert search(client, *exact, ProjectionExpression="#l", ExpressionAttributeNames={"#l": "label"})[0]["Item"] == {
        "label": S("l")
    }


@pytest.mark.core
def test_what_is_written_is_found_at_once_and_what_is_gone_is_not(db, client):
    create(client, vectors())
    put(client, "a", 1, 0, 0)
    put(client, "none")
    assert found(search(client, 0, 1, 0)) == ["a"]
    client.update_item(
        TableName="docs",
        Key={"pk": S("a")},
        UpdateExpression="SET embedding = :v",
        ExpressionAttributeValues=values(v=vector(0, 1, 0)),
    )
    assert search(client, 0, 1, 0)[0]["Score"] == 0
    client.update_item(
        TableName="docs",
        Key={"pk": S("a")},
        UpdateExpression="SET embedding[1] = :n",
        ExpressionAttributeValues=values(n=N(-1)),
    )
    assert search(client, 0, 1, 0)[0]["Score"] == 2
    client.execute_statement(Statement="""UPDATE docs SET embedding=[0, 0, 1] WHERE pk = 'a'""")
    client.execute_statement(Statement="""INSERT INTO docs VALUE {'pk': 'b', 'embedding': [0, 0, 2]}""")
    client.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": "docs", "Item": {"pk": S("c"), "embedding": vector(0, 0, 3)}}},
            {"Put": {"TableName": "docs", "Item": {"pk": S("d"), "embedding": vector(0, 0, 4)}}},
        ]
    )
    fill(client, "docs", [{"pk": S("e"), "embedding": vector(0, 0, 5)}])
    results = search(client, 0, 0, 1)
    assert sorted(found(results)) == list("abcde") and {result["Score"] for result in results} == {0}
    client.update_item(TableName="docs", Key={"pk": S("a")}, UpdateExpression="REMOVE embedding")
    client.delete_item(TableName="docs", Key={"pk": S("b")})
    client.execute_statement(Statement="DELETE FROM docs WHERE pk = 'c'")
    client.transact_write_items(TransactItems=[{"Delete": {"TableName": "docs", "Key": {"pk": S("d")}}}])
    put(client, "e")
    assert search(client, 0, 0, 1) == []
    assert describe(client)["ItemCount"] == 0 and describe(client)["IndexSizeBytes"] == 0


def test_expired_items_are_not_found(db, client):
    create(client, vectors())
    client.update_time_to_live(
        TableName="docs", TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"}
    )
    now = int(db.clock.now().timestamp())
    put(client, "a", 1, 0, 0, until=N(now + 60))
    put(client, "b", 1, 0, 0)
    assert sorted(found(search(client, 1, 0, 0))) == ["a", "b"]
    db.clock.advance(seconds=61)
    assert found(search(client, 1, 0, 0)) == ["b"]


@pytest.mark.core
def test_a_partition_is_searched_alone_and_filtered(db, client):
    create(client, by_tenant(), types=TENANTS)
    for tenant in "xy":
        for number in range(6):
            kind = {} if number == 0 else {"kind": S("even" if number % 2 == 0 else "odd")}
            put(client, f"{tenant}{number}", 1, number, 0, tenant=S(tenant), year=N(2000 + number), **kind)
    put(client, "nobody's", 1, 0, 0, year=N(2000))

    def matching(expression, **given):
        results = search(
            client,
            1,
            0,
            0,
            index="by_tenant",
            SearchConditionExpression=expression,
            ExpressionAttributeValues=values(**given),
            ExpressionAttributeNames={"#t": "tenant", "#y": "year"} if "#y" in expression else {"#t": "tenant"},
        )
        return found(results)

    x, even = S("x"), S("even")
    assert matching("#t = :t", t=x) == ["x0", "x1", "x2", "x3", "x4", "x5"]
    assert matching("#t = :t", t=S("z")) == []
    assert matching("kind = :k AND #t = :t", t=x, k=even) == ["x2", "x4"]
    assert matching("#t = :t AND #y > :y", t=x, y=N(2003)) == ["x4", "x5"]
    assert matching("#t = :t AND #y BETWEEN :a AND :b", t=x, a=N(2001), b=N("2002.5")) == ["x1", "x2"]
    assert matching("#t = :t AND #y IN (:a, :b)", t=x, a=N(2005), b=N(1)) == ["x5"]
    assert matching("#t = :t AND (kind = :k OR #y = :y)", t=S("y"), k=even, y=N(2001)) == ["y1", "y2", "y4"]
    assert matching("#t = :t AND NOT kind = :k", t=x, k=even) == ["x0", "x1", "x3", "x5"]
    assert matching("#t = :t AND kind <> :k", t=x, k=even) == ["x0", "x1", "x3", "x5"]
    assert matching("#t = :t AND begins_with(kind, :k)", t=x, k=S("o")) == ["x1", "x3", "x5"]
    assert matching("#t = :t AND attribute_not_exists(kind)", t=x) == ["x0"]
    # An item moves with its partition key, and is filtered by what it is now.
    client.update_item(
        TableName="docs",
        Key={"pk": S("x5")},
        UpdateExpression="SET #t = :t, kind = :k",
        ExpressionAttributeNames={"#t": "tenant"},
        ExpressionAttributeValues=values(t=S("y"), k=even),
    )
    assert matching("#t = :t", t=x) == ["x0", "x1", "x2", "x3", "x4"]
    assert matching("#t = :t AND kind = :k", t=S("y"), k=even) == ["y2", "y4", "x5"]
    client.update_item(
        TableName="docs",
        Key={"pk": S("x5")},
        UpdateExpression="REMOVE #t",
        ExpressionAttributeNames={"#t": "tenant"},
    )
    assert matching("#t = :t AND kind = :k", t=S("y"), k=even) == ["y2", "y4"]


def test_long_attributes_are_filtered_by_too(db, client):
    create(client, vectors(schema=search_schema(None, "text")), types={"text": "S"})
    long = "x" * 200_000
    put(client, "long", 1, 0, 0, text=S(long))
    put(client, "longer", 1, 0, 0, text=S(long + "y"))
    put(client, "short", 1, 0, 0, text=S("x"))

    def matching(expression, text):
        return sorted(
            found(
                search(
                    client,
                    1,
                    0,
                    0,
                    SearchConditionExpression=expression,
                    ExpressionAttributeNames={"#t": "text"},
                    ExpressionAttributeValues=values(t=S(text)),
                )
            )
        )

    assert matching("#t = :t", long) == ["long"]
    assert matching("#t >= :t", "xx") == ["long", "longer"]
    assert matching("begins_with(#t, :t)", "x") == ["long", "longer", "short"]


@pytest.mark.core
def test_an_index_is_added_filled_and_deleted(db, client):
    create(client)
    rows = [{"pk": S(f"p{n:03}"), "embedding": vector(1, n, 0), "tenant": S("t")} for n in range(120)]
    odd = [
        {"pk": S("malformed"), "embedding": vector(1, 2)},
        {"pk": S("text"), "embedding": S("v")},
        {"pk": S("typed"), "embedding": vector(0, 0, 1), "tenant": N(5)},
        {"pk": S("without")},
    ]
    fill(client, "docs", rows + odd)
    answer = client.update_table(TableName="docs", VectorIndexUpdates=[{"Create": vectors()}])["TableDescription"]
    assert answer["TableStatus"] == "UPDATING"
    index = describe(client)
    assert (index["IndexStatus"], index["ItemCount"]) == ("ACTIVE", 121) and "Backfilling" not in index
    assert found(search(client, 1, 0, 0, top=3)) == ["p000", "p001", "p002"]
    client.update_table(
        TableName="docs",
        AttributeDefinitions=attributes(tenant="S"),
        VectorIndexUpdates=[{"Create": vectors("by_tenant", schema=search_schema("tenant"))}],
    )
    assert describe(client, "by_tenant")["ItemCount"] == 120
    named = {entry["AttributeName"] for entry in client.describe_table(TableName="docs")["Table"]["AttributeDefinitions"]}
    assert named == {"pk", "tenant"}
    client.update_table(TableName="docs", VectorIndexUpdates=[{"Delete": {"IndexName": "by_tenant"}}])
    described = client.describe_table(TableName="docs")["Table"]
    assert [index["IndexName"] for index in described["VectorIndexes"]] == ["near"]
    assert described["AttributeDefinitions"] == attributes(pk="S")
    # One of the same name begins empty, and is filled by what is there now.
    client.delete_item(TableName="docs", Key={"pk": S("p000")})
    client.update_table(TableName="docs", VectorIndexUpdates=[{"Delete": {"IndexName": "near"}}])
    assert "VectorIndexes" not in client.describe_table(TableName="docs")["Table"]
    client.update_table(TableName="docs", VectorIndexUpdates=[{"Create": vectors(function="DOT_PRODUCT")}])
    assert found(search(client, 0, 1, 0, top=2)) == ["p119", "p118"]
    # What was malformed is taken in once it is mended, and refused before that.
    put(client, "malformed", 0, 1000, 0)
    assert found(search(client, 0, 1, 0, top=1)) == ["malformed"]


def test_a_search_agrees_with_a_search_by_hand(db, client):
    chance = random.Random(7)
    dimensions = 33
    functions = {
        "COSINE": lambda a, b: 1 - dot(a, b) / math.sqrt(dot(a, a) * dot(b, b)),
        "DOT_PRODUCT": lambda a, b: dot(a, b),
        "EUCLIDEAN": lambda a, b: math.dist(a, b),
    }

    def dot(a, b):
        return sum(one * two for one, two in zip(a, b))

    def embedding():
        return [single(chance.uniform(-1, 1)) for _ in range(dimensions)]

    create(client, *(vectors(name, dimensions=dimensions, function=name) for name in functions))
    rows = {f"p{n}": embedding() for n in range(150)}
    fill(client, "docs", [{"pk": S(pk), "embedding": vector(*map(repr, row))} for pk, row in rows.items()])
    for pk in chance.sample(sorted(rows), 50):
        if chance.random() < 0.5:
            client.delete_item(TableName="docs", Key={"pk": S(pk)})
            del rows[pk]
        else:
            rows[pk] = embedding()
            put(client, pk, *map(repr, rows[pk]))
    for _ in range(5):
        target = embedding()
        for name, function in functions.items():
            results = search(client, *map(repr, target), top=20, index=name)
            scores = {pk: function(target, row) for pk, row in rows.items()}
            best = sorted(scores.values(), reverse=name == "DOT_PRODUCT")[:20]
            assert [result["Score"] for result in results] == pytest.approx(best, abs=1e-5)
            assert [scores[pk] for pk in found(results)] == pytest.approx(best, abs=1e-5)
            assert len(set(found(results))) == 20


def test_consumed_capacity_is_in_bytes(db, client):
    create(client, vectors())
    answer = put(client, "a", 1, 0, 0)
    assert "ConsumedCapacity" not in answer

    def consumed(pk, *components, detail="INDEXES", **more):
        embedding = {"embedding": vector(*components)} if components else {}
        item = {"pk": S(pk), **embedding, **more}
        return client.put_item(TableName="docs", Item=item, ReturnConsumedCapacity=detail)["ConsumedCapacity"]

    fresh = {"TableName": "docs", "CapacityUnits": 1.0, "Table": {"CapacityUnits": 1.0}}
    least = {"near": {"VectorWriteRequestBytes": 1024.0}}
    assert consumed("b", 1, 0, 0) == {**fresh, "VectorIndexes": least}
    assert consumed("b", 1, 0, 0) == fresh, "nothing has changed"
    assert consumed("b", 1, 0, 0, label=S("projected")) == {**fresh, "VectorIndexes": least}
    assert consumed("c") == fresh
    assert consumed("d", 1, 0, 0, detail="TOTAL") == {"TableName": "docs", "CapacityUnits": 1.0}
    deleted = client.delete_item(TableName="docs", Key={"pk": S("d")}, ReturnConsumedCapacity="INDEXES")
    assert deleted["ConsumedCapacity"]["VectorIndexes"] == least
    big = consumed("e", 1, 0, 0, note=S("n" * 5000))["VectorIndexes"]["near"]["VectorWriteRequestBytes"]
    assert big == len("pk" + "e" + "embedding" + "note") + 3 * 4 + 5000
    written = client.transact_write_items(
        TransactItems=[{"Put": {"TableName": "docs", "Item": {"pk": S("f"), "embedding": vector(1, 2, 3)}}}],
        ReturnConsumedCapacity="INDEXES",
    )
    (capacity,) = written["ConsumedCapacity"]
    assert (capacity["CapacityUnits"], capacity["VectorIndexes"]) == (2.0, least)

    def searched(detail):
        return client.search_vectors(
            TableName="docs",
            IndexName="near",
            SearchVector=[N(1), N(0), N(0)],
            TopK=1,
            ReturnConsumedCapacity=detail,
        ).get("ConsumedCapacity")

    assert searched("TOTAL") == searched("INDEXES") == {"VectorSearchRequestBytes": 1024.0}
    assert searched("NONE") is None


def test_streams_tell_of_vectors_as_they_were_written(db, client, streams):
    from records import read, stream_arn

    stream = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    create(client, vectors(), StreamSpecification=stream)
    put(client, "a", "0.1", 2, "3.000000001")
    (record,) = read(streams, stream_arn(client, "docs"))
    assert record["dynamodb"]["NewImage"]["embedding"] == vector("0.1", 2, "3.000000001")


@pytest.mark.core
def test_malformed_vectors_are_refused(db, client, refused):
    create(client, vectors("plain"), by_tenant(), types=TENANTS)
    put(client, "a", 1, 0, 0)
    size = BAD_VALUE + "Invalid size for parameter embedding, Expected: 3, Actual: 2 IndexName: plain"
    kind = (
        BAD_VALUE
        + "Invalid type for parameter embedding[1], Expected: 32-bit floating point number, Actual: S. IndexName: plain"
    )
    shape = (
        BAD_VALUE + "Invalid type for parameter embedding, Expected: 32-bit floating point number list IndexName: plain"
    )
    for embedding, message in (
        (vector(1, 0), size),
        ({"L": [N(1), S("oops"), N(0)]}, kind),
        (S("no vector"), shape),
        ({"NS": ["1", "2", "3"]}, shape),
        (vector(1, "1E39", 0), re.compile(r"Invalid value for parameter embedding\[1\]")),
    ):
        item = {"pk": S("b"), "embedding": embedding}
        refused.invalid(client.put_item, message, TableName="docs", Item=item)
        refused.invalid(client.batch_write_item, message, RequestItems={"docs": [{"PutRequest": {"Item": item}}]})
        refused.invalid(
            client.update_item,
            message,
            TableName="docs",
            Key={"pk": S("a")},
            UpdateExpression="SET embedding = :v",
            ExpressionAttributeValues=values(v=embedding),
        )
        response = refused(
            client.transact_write_items,
            "TransactionCanceledException",
            re.compile(r"\[ValidationError\]"),
            TransactItems=[{"Put": {"TableName": "docs", "Item": item}}],
        )
        (reason,) = response["CancellationReasons"]
        assert getattr(message, "search", lambda said: said == message)(reason["Message"])
    refused.invalid(
        client.update_item,
        size,
        TableName="docs",
        Key={"pk": S("a")},
        UpdateExpression="REMOVE embedding[0]",
    )
    refused.invalid(
        client.put_item,
        "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The "
        "AttributeValue for a key attribute cannot contain an empty string value. IndexName: by_tenant, IndexKey: tenant",
        TableName="docs",
        Item={"pk": S("b"), "tenant": S(""), "embedding": vector(1, 0, 0)},
    )
    for name, value, expected in (("tenant", N(1), "S"), ("kind", N(1), "S"), ("year", S("x"), "N")):
        refused.invalid(
            client.put_item,
            f"{INVALID}Type mismatch for Index Key {name} Expected: {expected} Actual: {next(iter(value))} IndexName: "
            "by_tenant",
            TableName="docs",
            Item={"pk": S("b"), name: value},
        )
    # An attribute to filter by is no key: it may be empty.
    put(client, "b", 1, 0, 0, tenant=S("t"), kind=S(""))


@pytest.mark.core
def test_what_is_wrong_with_a_search_is_told(db, client, refused):
    create(
        client,
        vectors("plain"),
        by_tenant(),
        types={**TENANTS, "grp": "S"},
        GlobalSecondaryIndexes=[{"IndexName": "by_group", "KeySchema": key_schema("grp"), "Projection": ALL}],
    )
    plain = dict(TableName="docs", IndexName="plain", SearchVector=[N(1), N(0), N(0)], TopK=1)
    tenant = {**plain, "IndexName": "by_tenant"}
    no_number = (
        "Search vector contains invalid values. All values in the search vector must be a 32-bit floating-point number "
        "attribute"
    )
    no_index = "The table does not have the specified index: "
    for message, changes in (
        ("Provided TopK value '101' is out of valid range. The value must be between 1 and 100 inclusive", {"TopK": 101}),
        (
            "Input search vector dimension 2 does not match vector index dimension 3",
            {"SearchVector": [N(1), N(0)]},
        ),
        (no_number, {"SearchVector": [vector(1, 0, 0)]}),
        (no_number, {"SearchVector": [N(1), N("1E39"), N(0)]}),
        (no_index + "nowhere", {"IndexName": "nowhere"}),
        (no_index + "by_group", {"IndexName": "by_group"}),
        (
            "SearchConditionExpression must not contain any attributes that is not in SearchSchema. Invalid attribute: "
            "tenant",
            {"SearchConditionExpression": "tenant = :t", "ExpressionAttributeValues": values(t=S("t"))},
        ),
        (
            "ExpressionAttributeValues can only be specified when using expressions: SearchConditionExpression and "
            "ProjectionExpression are null",
            {"ExpressionAttributeValues": values(t=S("t"))},
        ),
    ):
        refused.invalid(client.search_vectors, message, **{**plain, **changes})
    refused(
        client.search_vectors,
        "ResourceNotFoundException",
        "Requested resource not found",
        **{**plain, "TableName": "nowhere"},
    )
    must = "SearchConditionExpression must be provided when SearchSchema has a HASH key"
    refused.invalid(client.search_vectors, must, **tenant)
    comparator = CONDITION + "Invalid comparator used in SearchConditionExpression"
    operator = CONDITION + "Invalid operator used in SearchConditionExpression"
    for message, expression, given in (
        (must, "kind = :k", {"k": S("k")}),
        (comparator, "tenant < :t", {"t": S("t")}),
        (operator, "begins_with(tenant, :t)", {"t": S("t")}),
        (operator, "tenant = :t OR kind = :t", {"t": S("t")}),
        (operator, "tenant = :t AND contains(kind, :t)", {"t": S("t")}),
        (INVALID + "Condition parameter type does not match schema type", "tenant = :t", {"t": N(1)}),
        (
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:u}",
            "tenant = :t",
            {"t": S("t"), "u": S("u")},
        ),
    ):
        refused.invalid(
            client.search_vectors,
            message,
            **tenant,
            SearchConditionExpression=expression,
            ExpressionAttributeValues=values(**given),
        )
    query = "Query operation not supported on this index type."
    scan = "Scan operation not supported on this index type."
    refused.invalid(
        client.query,
        query,
        TableName="docs",
        IndexName="plain",
        KeyConditionExpression="pk = :p",
        ExpressionAttributeValues=values(p=S("p")),
    )
    refused.invalid(client.scan, scan, TableName="docs", IndexName="by_tenant")
    refused.invalid(client.execute_statement, scan, Statement='SELECT * FROM "docs"."plain"')
    refused.invalid(client.execute_statement, query, Statement="""SELECT * FROM "docs"."by_tenant" WHERE tenant = 't'""")


def test_what_is_wrong_with_a_definition_is_told(db, client, refused):
    def message_of(message, *indexes, types=None, **more):
        request = dict(
            TableName="docs",
            KeySchema=key_schema("pk"),
            AttributeDefinitions=attributes(pk="S", **(types or {})),
            **{"BillingMode": "PAY_PER_REQUEST", **more},
            VectorIndexes=list(indexes),
        )
        refused.invalid(client.create_table, message, **{k: v for k, v in request.items() if v is not None})

    undefined = INVALID + "One element in SearchSchema is not defined in attribute definitions"
    units = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
    message_of(
        INVALID + "Vector indexes are only supported for PAY_PER_REQUEST tables",
        vectors(),
        BillingMode=None,
        ProvisionedThroughput=units,
    )
    message_of(undefined, vectors(schema=search_schema("tenant")))
    message_of(INVALID + "Number of dimensions must be between 1 and 4096 inclusive.", vectors(dimensions=4097))
    message_of(
        INVALID + "VectorIndex count exceeds the per-table limit of 5", *(vectors(f"near-{n}") for n in range(6))
    )
    message_of(
        INVALID + "Conflicting attribute definition for 'embedding'. All VectorIndexes on the same vector attribute must "
        "use the same dimensions.",
        vectors(),
        vectors("other", dimensions=4),
    )
    message_of(INVALID + "Duplicate index name: near", vectors(), vectors())
    message_of(re.compile("vector attribute pk cannot be a key attribute"), vectors(attribute="pk"))
    message_of(
        re.compile("at most 1 HASH"),
        vectors(schema=search_schema("a") + search_schema("b")),
        types={"a": "S", "b": "S"},
    )
    filters = [f"f{n:02}" for n in range(19)]
    message_of(
        re.compile("at most 18 INLINE_FILTER"),
        vectors(schema=search_schema(None, *filters)),
        types={name: "S" for name in filters},
    )
    message_of(
        re.compile("exceeds the limit of 20"),
        vectors(schema=search_schema(None, *filters[:18]), projection=include("a", "b")),
        types={name: "S" for name in filters[:18]},
    )
    message_of(re.compile("Some AttributeDefinitions are not used"), vectors(), types={"unused": "S"})
    # As many as there may be.
    create(
        client,
        vectors("most", dimensions=4096, schema=search_schema("h", *filters[:18]), projection=include("a")),
        types={"h": "S", **{name: "S" for name in filters[:18]}},
    )


def test_what_is_wrong_with_a_change_is_told(db, client, refused):
    create(client, *(vectors(f"near-{n}") for n in range(4)))
    change = lambda *updates, **more: dict(TableName="docs", VectorIndexUpdates=list(updates), **more)  # noqa: E731
    made, gone = {"Create": vectors("new")}, {"Delete": {"IndexName": "near-0"}}
    one = "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table"
    for updates in ((made, gone), (made, {"Create": vectors("newer")})):
        refused(client.update_table, "LimitExceededException", one, **change(*updates))
    group = {"Create": {"IndexName": "by_group", "KeySchema": key_schema("grp"), "Projection": ALL}}
    refused(
        client.update_table,
        "LimitExceededException",
        one,
        **change(made, GlobalSecondaryIndexUpdates=[group], AttributeDefinitions=attributes(grp="S")),
    )
    refused.invalid(
        client.update_table, "Attempting to create an index which already exists", **change({"Create": vectors("near-1")})
    )
    refused(
        client.update_table,
        "ResourceNotFoundException",
        "Requested resource not found: Index nowhere for table docs",
        **change({"Delete": {"IndexName": "nowhere"}}),
    )
    refused.invalid(
        client.update_table, re.compile("Conflicting attribute definition"), **change({"Create": vectors("new", dimensions=4)})
    )
    refused.invalid(
        client.update_table,
        INVALID + "One element in SearchSchema is not defined in attribute definitions",
        **change({"Create": vectors("new", schema=search_schema("tenant"))}),
    )
    refused.invalid(
        client.update_table,
        INVALID + "Vector indexes are only supported for PAY_PER_REQUEST tables",
        TableName="docs",
        BillingMode="PROVISIONED",
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
    )
    client.update_table(**change(made))
    refused.invalid(
        client.update_table,
        INVALID + "VectorIndex count exceeds the per-table limit of 5",
        **change({"Create": vectors("one-too-many")}),
    )
    refused.invalid(client.update_table, re.compile("must not be null"), **change({}))


def test_a_table_and_its_index_go_together(db, client):
    create(client, vectors())
    fill(client, "docs", [{"pk": S(f"p{n}"), "embedding": vector(1, n, 0)} for n in range(50)])
    client.delete_table(TableName="docs")
    create(client, vectors(function="EUCLIDEAN"))
    assert search(client, 1, 0, 0) == []
    put(client, "a", 1, 0, 0)
    assert search(client, 1, 0, 0) == [{"Item": {"pk": S("a")}, "Score": 0}]
    # By ARN, and by the resource's own numbers.
    arn = client.describe_table(TableName="docs")["Table"]["TableArn"]
    answer = client.search_vectors(TableName=arn, IndexName="near", SearchVector=[N(1), N(0), N(0)], TopK=1)
    assert found(answer["SearchResults"]) == ["a"]


def test_more_than_an_answer_holds_is_refused(db, client, refused):
    create(client, vectors(), vectors("keys", projection=KEYS_ONLY))
    for number in range(45):
        put(client, f"p{number}", 1, 0, 0, text=S("x" * 399_000))
    request = dict(TableName="docs", SearchVector=[N(1), N(0), N(0)], TopK=100)
    with pytest.raises(client.exceptions.ClientError, match="exceed the maximum response size of 16 MB"):
        client.search_vectors(**request, IndexName="near")
    assert len(client.search_vectors(**request, IndexName="keys")["SearchResults"]) == 45
    assert len(client.search_vectors(**{**request, "TopK": 40}, IndexName="near")["SearchResults"]) == 40


@pytest.mark.needs_model("RestoreTableFromBackup.VectorIndexOverride")
def test_a_backup_keeps_them_and_a_restore_fills_them(db, client):
    create(client, by_tenant(), vectors("near", projection=KEYS_ONLY), types=TENANTS)
    for number in range(3):
        put(client, str(number), number, 1, 0, tenant=S("a"), kind=S("x"), year=N(number))
    made = client.create_backup(TableName="docs", BackupName="vectors")["BackupDetails"]["BackupArn"]
    client.delete_item(TableName="docs", Key={"pk": S("1")})
    features = client.describe_backup(BackupArn=made)["BackupDescription"]["SourceTableFeatureDetails"]
    assert features["VectorIndexes"] == [by_tenant(), vectors("near", projection=KEYS_ONLY)]
    request = {"BackupArn": made, "TargetTableName": "restored"}
    client.restore_table_from_backup(**request)
    table = client.describe_table(TableName="restored")["Table"]
    assert [(index["IndexName"], index["ItemCount"]) for index in table["VectorIndexes"]] == [("by_tenant", 3), ("near", 3)]
    assert {each["AttributeName"] for each in table["AttributeDefinitions"]} == {"pk", "tenant", "kind", "year"}
    searched = client.search_vectors(
        TableName="restored", IndexName="near", SearchVector=[N(1), N(1), N(0)], TopK=1
    )
    assert found(searched["SearchResults"]) == ["1"]
    other = {**request, "TargetTableName": "fewer", "VectorIndexOverride": [vectors("renamed", projection=KEYS_ONLY)]}
    client.restore_table_from_backup(**other)
    table = client.describe_table(TableName="fewer")["Table"]
    assert [index["IndexName"] for index in table["VectorIndexes"]] == ["renamed"]
    assert {each["AttributeName"] for each in table["AttributeDefinitions"]} == {"pk"}
    refusals = [
        ({"VectorIndexOverride": [vectors("near", dimensions=4)]}, "Index near does not match a secondary index"),
        (
            {
                "BillingModeOverride": "PROVISIONED",
                "ProvisionedThroughputOverride": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
            },
            "Vector indexes are only supported for PAY_PER_REQUEST tables",
        ),
    ]
    for more, words in refusals:
        with pytest.raises(client.exceptions.ClientError, match=words):
            client.restore_table_from_backup(**{**request, "TargetTableName": "refused", **more})
    without = {**request, "TargetTableName": "without", "VectorIndexOverride": []}
    client.restore_table_from_backup(**without)
    assert "VectorIndexes" not in client.describe_table(TableName="without")["Table"]
