"""Event filtering: which records reach a handler, and which patterns are refused."""

import json
import warnings

import pytest

from fdyno._filter_criteria import FilterCriteria

RECORD = {
    "eventID": "1",
    "eventName": "MODIFY",
    "eventVersion": "1.1",
    "eventSource": "aws:dynamodb",
    "awsRegion": "eu-west-1",
    "dynamodb": {
        "ApproximateCreationDateTime": 1_700_000_000,
        "Keys": {"pk": {"S": "order#7"}},
        "OldImage": {"pk": {"S": "order#7"}, "state": {"S": "new"}},
        "NewImage": {
            "pk": {"S": "order#7"},
            "state": {"S": "Paid"},
            "price": {"N": "12.5"},
            "note": {"S": ""},
            "gone": {"NULL": True},
            "flag": {"BOOL": False},
            "tags": {"SS": ["blue", "red"]},
            "none": {"L": []},
            "lines": {
                "L": [
                    {"M": {"article": {"S": "apple"}, "count": {"N": "1"}}},
                    {"M": {"article": {"S": "pear"}, "count": {"N": "2"}}},
                ]
            },
        },
        "SequenceNumber": "111",
        "SizeBytes": 300,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    },
    "eventSourceARN": "arn:aws:dynamodb:eu-west-1:000000000000:table/orders/stream/2024-01-01T00:00:00.000",
}


def admits(pattern, record=RECORD):
    return FilterCriteria.parse(pattern).admits(record)


def new(**attributes):
    return {"dynamodb": {"NewImage": attributes}}


def state(*rules):
    return new(state={"S": list(rules)})


@pytest.mark.parametrize(
    "pattern, passes",
    [
        ({"eventName": ["MODIFY"]}, True),
        ({"eventName": ["INSERT", "MODIFY"]}, True),
        ({"eventName": ["INSERT"]}, False),
        ({"eventName": ["modify"]}, False),
        # All fields have to match.
        ({"eventName": ["MODIFY"], **state("Paid")}, True),
        ({"eventName": ["MODIFY"], **state("new")}, False),
        (state({"prefix": "Pa"}), True),
        (state({"prefix": "pa"}), False),
        (state({"prefix": {"equals-ignore-case": "pA"}}), True),
        (state({"suffix": "id"}), True),
        (state({"suffix": "ID"}), False),
        (state({"suffix": {"equals-ignore-case": "ID"}}), True),
        (state({"equals-ignore-case": "PAID"}), True),
        (state({"equals-ignore-case": "PAI"}), False),
        (state({"anything-but": "new"}), True),
        (state({"anything-but": ["new", "Paid"]}), False),
        (state({"anything-but": {"prefix": "Pa"}}), False),
        (state({"anything-but": {"prefix": "ne"}}), True),
        (state({"anything-but": {"prefix": ["ne", "Pa"]}}), False),
        (state({"anything-but": {"suffix": "id"}}), False),
        (state({"anything-but": {"equals-ignore-case": ["paid", "new"]}}), False),
        # Anything but something is something.
        (new(missing={"S": [{"anything-but": "new"}]}), False),
        (state({"exists": True}), True),
        (state({"exists": False}), False),
        (new(missing={"S": [{"exists": False}]}), True),
        (new(missing={"S": [{"exists": True}]}), False),
        ({"dynamodb": {"Gone": {"state": {"S": [{"exists": False}]}}}}, True),
        # Of another type, so not there as text.
        (new(price={"S": [{"exists": False}]}), True),
        # An inner node is no leaf.
        (new(state=[{"exists": True}]), False),
        (new(state=[{"exists": False}]), True),
        (new(none={"L": [{"exists": False}]}), True),
        (new(state={"S": [{"exists": False}, "Paid"]}), True),
        (new(note={"S": [""]}), True),
        (state(""), False),
        (new(gone={"NULL": [True]}), True),
        (new(gone={"NULL": [1]}), False),
        (new(flag={"BOOL": [False]}), True),
        (new(flag={"BOOL": [0]}), False),
        (new(price={"N": ["12.5"]}), True),
        (new(price={"N": [12.5]}), False),
        ({"dynamodb": {"SizeBytes": [300]}}, True),
        ({"dynamodb": {"SizeBytes": [300.0]}}, False),
        ({"dynamodb": {"SizeBytes": ["300"]}}, False),
        ({"dynamodb": {"SizeBytes": [{"numeric": ["=", 300.0]}]}}, True),
        ({"dynamodb": {"SizeBytes": [{"numeric": [">", 300]}]}}, False),
        ({"dynamodb": {"SizeBytes": [{"numeric": [">", 299, "<=", 300]}]}}, True),
        ({"dynamodb": {"SizeBytes": [{"numeric": [">=", 300, "<", 301]}]}}, True),
        ({"dynamodb": {"SizeBytes": [{"numeric": ["<", 300]}]}}, False),
        ({"dynamodb": {"SizeBytes": [{"anything-but": [1, 300]}]}}, False),
        ({"dynamodb": {"SequenceNumber": [{"numeric": ["=", 111]}]}}, False),
        # Lists: one element is enough, and fields of one match lie in one element.
        (new(tags={"SS": ["red"]}), True),
        (new(tags={"SS": ["green"]}), False),
        (new(tags={"SS": [{"anything-but": "red"}]}), True),
        (new(lines={"L": {"M": {"article": {"S": ["pear"]}}}}), True),
        (new(lines={"L": {"M": {"article": {"S": ["pear"]}, "count": {"N": ["2"]}}}}), True),
        (new(lines={"L": {"M": {"article": {"S": ["pear"]}, "count": {"N": ["1"]}}}}), False),
        (new(lines={"L": {"M": {"weight": {"N": [{"exists": False}]}}}}), True),
        (new(lines={"L": {"M": {"article": {"S": [{"exists": False}]}}}}), False),
        # $or, beside other fields and inside of itself.
        ({"$or": [{"eventName": ["INSERT"]}, state("Paid")]}, True),
        ({"$or": [{"eventName": ["INSERT"]}, state("new")]}, False),
        ({"eventName": ["REMOVE"], "$or": [{"eventName": ["INSERT"]}, state("Paid")]}, False),
        ({"dynamodb": {"$or": [{"SizeBytes": [1]}, {"$or": [{"SizeBytes": [2]}, {"SequenceNumber": ["111"]}]}]}}, True),
        # An attribute of that name.
        (new(**{"$or": {"S": [{"exists": False}]}}), True),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else str(value),
)
def test_a_record_passes_or_not(pattern, passes):
    assert admits(pattern) is passes
    # Whatever way it is given.
    assert admits(json.dumps(pattern)) is passes
    assert admits([pattern]) is passes
    assert admits({"Filters": [{"Pattern": json.dumps(pattern)}]}) is passes


def test_one_of_several_patterns_is_enough():
    assert admits([{"eventName": ["INSERT"]}, {"eventName": ["MODIFY"]}])
    assert not admits([{"eventName": ["INSERT"]}, {"eventName": ["REMOVE"]}])


@pytest.mark.parametrize("nothing", [None, [], {}, {"Filters": []}])
def test_without_a_pattern_there_is_no_filter(nothing):
    assert FilterCriteria.parse(nothing) is None


def test_deletions_by_time_to_live_are_told_from_others():
    pattern = {"userIdentity": {"type": ["Service"], "principalId": ["dynamodb.amazonaws.com"]}}
    assert not admits(pattern)
    expired = {**RECORD, "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}
    assert admits(pattern, expired)


@pytest.mark.parametrize(
    "filters, told",
    [
        (5, "neither AWS's FilterCriteria"),
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        ('"INSERT"', "no JSON object"),
        ("{}", "without fields"),
        ({"eventName": {1, 2}}, "no JSON"),
        ({"Filters": [{"pattern": "{}"}]}, "is no filter"),
        ({"Filters": ["{}"]}, "is no filter"),
        ({"Filters": [], "More": 1}, "no member 'More'"),
        ([{"eventName": ["INSERT"]}] * 11, "at most 10"),
        ({"eventName": ["x" * 4096]}, "at most 4096"),
        ({"eventName": "INSERT"}, '"eventName" must be an object or a list'),
        ({"dynamodb": {"NewImage": None}}, '"dynamodb.NewImage" must be an object or a list'),
        ({"dynamodb": {}}, '"dynamodb" has no fields'),
        ({"eventName": []}, "empty list"),
        ({"eventName": [["INSERT"]]}, "a rule is a value or an object"),
        ({"eventName": [{}]}, "exactly one operator"),
        ({"eventName": [{"prefix": "I", "suffix": "T"}]}, "exactly one operator"),
        ({"eventName": [{"wildcard": "I*"}]}, "no operator 'wildcard'"),
        ({"eventName": [{"prefix": 1}]}, "prefix takes a string"),
        ({"eventName": [{"suffix": {"prefix": "a"}}]}, "suffix takes a string"),
        ({"eventName": [{"equals-ignore-case": None}]}, "equals-ignore-case takes a string"),
        ({"eventName": [{"exists": "yes"}]}, "exists takes true or false"),
        ({"eventName": [{"anything-but": []}]}, "strings only or numbers only"),
        ({"eventName": [{"anything-but": ["a", 1]}]}, "strings only or numbers only"),
        ({"eventName": [{"anything-but": True}]}, "strings only or numbers only"),
        ({"eventName": [{"anything-but": {"numeric": ["=", 1]}}]}, "anything-but takes values"),
        ({"eventName": [{"anything-but": {"prefix": []}}]}, "prefix takes a string"),
        ({"dynamodb": {"SizeBytes": [{"numeric": []}]}}, "numeric takes"),
        ({"dynamodb": {"SizeBytes": [{"numeric": [5]}]}}, "numeric takes"),
        ({"dynamodb": {"SizeBytes": [{"numeric": ["!=", 5]}]}}, "numeric takes"),
        ({"dynamodb": {"SizeBytes": [{"numeric": ["<", "5"]}]}}, "numeric takes"),
        ({"dynamodb": {"SizeBytes": [{"numeric": ["<", 5e9 + 1]}]}}, "from -5e9 to 5e9"),
        ({"dynamodb": {"SizeBytes": [{"numeric": ["<", 5, ">", 1]}]}}, "numeric takes"),
        ({"dynamodb": {"SizeBytes": [{"numeric": [">", 5, "<", 5]}]}}, "not below the upper"),
        ({"$or": []}, "at least two objects"),
        ({"$or": [{"eventName": ["INSERT"]}]}, "at least two objects"),
        ({"$or": [{"eventName": ["INSERT"]}, "x"]}, "at least two objects"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_pattern_that_aws_refuses_is_refused(filters, told):
    with pytest.raises(ValueError) as refusal:
        FilterCriteria.parse(filters)
    assert told in str(refusal.value)


def test_a_number_compared_as_one_is_warned_of_because_it_never_matches():
    with pytest.warns(UserWarning, match="numeric matches no N"):
        criteria = FilterCriteria.parse(new(price={"N": [{"numeric": [">", 0]}]}))
    assert not criteria.admits(RECORD)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FilterCriteria.parse({"dynamodb": {"SizeBytes": [{"numeric": [">", 0]}]}})
