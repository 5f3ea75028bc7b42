//! Key conditions, and the ranges they resolve to.

use super::*;

const fn key(name: &str, key_type: KeyType) -> KeyAttribute<'_> {
    KeyAttribute { name, key_type }
}

const PK: KeyAttribute<'_> = key("a", KeyType::S);
const SK: KeyAttribute<'_> = key("b", KeyType::N);

fn resolved(text: &str, partition: &[KeyAttribute<'_>], sort: &[KeyAttribute<'_>]) -> Result<KeyRange, Error> {
    key_condition(text)?.resolve(partition, sort)
}

#[test]
fn conditions_become_ranges_in_either_order() {
    let range = |sort| KeyRange { partition: vec![v("text")], sort_prefix: vec![], sort };
    for (text, sort) in [
        ("a = :s", None),
        ("(:s = #a)", None),
        ("a = :s AND b = :n", Some(SortCondition::Equal(v(5)))),
        ("b < :n AND a = :s", Some(SortCondition::Less(v(5)))),
        ("(a = :s) AND (:n < b)", Some(SortCondition::Greater(v(5)))),
        ("(a = :s AND b <= :n)", Some(SortCondition::LessOrEqual(v(5)))),
        ("a = :s AND :n <= b", Some(SortCondition::GreaterOrEqual(v(5)))),
        ("a = :s AND b BETWEEN :n AND :n2", Some(SortCondition::Between(v(5), v(7)))),
    ] {
        assert_eq!(resolved(text, &[PK], &[SK]).unwrap(), range(sort), "{text}");
    }
    assert_eq!(
        resolved("a = :s AND begins_with(b, :s2)", &[PK], &[key("b", KeyType::S)]).unwrap(),
        range(Some(SortCondition::BeginsWith(v("zebra"))))
    );
}

#[test]
fn what_no_key_condition_may_say_is_refused_by_the_parser() {
    for (text, expected) in [
        ("a = :s OR b = :n", "Invalid operator used in KeyConditionExpression: OR"),
        ("NOT a = :s", "Invalid operator used in KeyConditionExpression: NOT"),
        ("a = :s AND b <> :n", "Invalid operator used in KeyConditionExpression: <>"),
        ("a = :s AND b IN (:n)", "Invalid operator used in KeyConditionExpression: IN"),
        ("attribute_exists(a)", "Invalid operator used in KeyConditionExpression: attribute_exists"),
        ("contains(a, :s)", "Invalid operator used in KeyConditionExpression: contains"),
        ("size(a) = :n", "KeyConditionExpressions cannot contain nested operations"),
        ("a.b = :n", "KeyConditionExpressions cannot have conditions on nested attributes"),
        ("a = b", "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition"),
        (":n = :n2", "Invalid condition in KeyConditionExpression: No key attribute specified"),
        (
            "begins_with(:s, a)",
            "Invalid condition in KeyConditionExpression: begins_with operator must have the key attribute as its first \
             operand",
        ),
        (
            ":n BETWEEN a AND :n",
            "Invalid condition in KeyConditionExpression: BETWEEN operator must have the key attribute as its first \
             operand",
        ),
        (
            "a = :s AND a = :s",
            "Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key",
        ),
        ("a-b", "Invalid KeyConditionExpression: Syntax error; token: \"-\", near: \"a-b\""),
        (
            "a = :s AND b BETWEEN :n2 AND :n",
            "Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to be greater than or equal to \
             lower bound; lower bound operand: AttributeValue: {N:7}, upper bound operand: AttributeValue: {N:5}",
        ),
    ] {
        assert_eq!(message(key_condition(text)), expected, "{text}");
    }
}

#[test]
fn conditions_must_fit_the_key_schema() {
    let mismatch = "One or more parameter values were invalid: Condition parameter type does not match schema type";
    for (text, sort, expected) in [
        ("b = :n", &[SK][..], "Query condition missed key schema element: a"),
        ("a > :s", &[SK], "Query key condition not supported"),
        ("begins_with(a, :s)", &[], "Query key condition not supported"),
        ("a = :n", &[SK], mismatch),
        ("a = :s AND b = :s", &[SK], mismatch),
        ("a = :s AND b BETWEEN :s AND :s2", &[SK], mismatch),
        ("a = :s AND begins_with(b, :s)", &[SK], mismatch),
        ("a = :s AND c = :n", &[SK], "Query condition missed key schema element: b"),
        (
            "a = :s AND c = :n",
            &[],
            "The number of query conditions (2) exceeds the number of key attributes defined in the schema (1)",
        ),
        (
            "a = :s AND b = :n AND c = :n",
            &[SK],
            "The number of query conditions (3) exceeds the number of key attributes defined in the schema (2)",
        ),
    ] {
        assert_eq!(message(resolved(text, &[PK], sort)), expected, "{text}");
    }
}

#[test]
fn keys_of_several_attributes_resolve_from_the_left() {
    let partition = [PK, key("b", KeyType::N)];
    let sort = [key("c", KeyType::N), key("d", KeyType::S)];
    assert_eq!(
        resolved("d > :s AND c = :n AND b = :n2 AND a = :s", &partition, &sort).unwrap(),
        KeyRange {
            partition: vec![v("text"), v(7)],
            sort_prefix: vec![v(5)],
            sort: Some(SortCondition::Greater(v("text")))
        }
    );
    for (text, expected) in [
        ("a = :s AND c = :n", "Query condition missed key schema element: b"),
        ("a = :s AND b = :n AND d = :s", "Query condition missed key schema element: c"),
        ("a = :s AND b = :n AND c > :n AND d = :s", "Query key condition not supported"),
    ] {
        assert_eq!(message(resolved(text, &partition, &sort)), expected, "{text}");
    }
}

#[test]
fn key_values_are_bounded() {
    let resolve = |pk: AttributeValue, sk: AttributeValue| {
        let values = item(&[(":p", pk), (":s", sk)]);
        let mut substitutions = Substitutions::new(None, Some(&values))?;
        KeyCondition::parse("a = :p AND b > :s", &mut substitutions)?.resolve(&[PK], &[key("b", KeyType::B)])
    };
    let long = |length: usize| v("x".repeat(length).as_str());
    assert!(resolve(long(2048), bytes(&[0; 1024])).is_ok());
    assert_eq!(
        message(resolve(long(2049), bytes(b"x"))),
        "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes"
    );
    assert_eq!(
        message(resolve(long(1), bytes(&[0; 1025]))),
        "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of \
         1024 bytes"
    );
    assert_eq!(
        message(resolve(v(""), bytes(b"x"))),
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty \
         string value. Key: a"
    );
    assert!(message(resolve(v("x"), bytes(b""))).ends_with("an empty binary value. Key: b"));
}
