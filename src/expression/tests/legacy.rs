//! The parameters from before expressions.

use super::*;

fn subject() -> Item {
    item(&[("a", v(5)), ("s", v("text")), ("ss", strings(&["x", "y"])), ("l", list(&[v(1)]))])
}

const fn constraint<'a>(
    attribute: &'a str,
    operator: ComparisonOperator,
    values: &'a [AttributeValue],
) -> Constraint<'a> {
    Constraint { attribute, operator, values }
}

#[test]
fn filters_mean_what_their_expressions_mean() {
    use ComparisonOperator as C;
    for (attribute, operator, values, expected) in [
        ("a", C::Eq, vec![v(5)], true),
        ("a", C::Ne, vec![v(5)], false),
        ("zz", C::Ne, vec![v(5)], true),
        ("a", C::Le, vec![v(5)], true),
        ("a", C::Lt, vec![v(5)], false),
        ("a", C::Ge, vec![v(5)], true),
        ("a", C::Gt, vec![v("x")], false),
        ("a", C::NotNull, vec![], true),
        ("a", C::Null, vec![], false),
        ("zz", C::Null, vec![], true),
        ("s", C::Contains, vec![v("ex")], true),
        ("ss", C::Contains, vec![v("x")], true),
        ("ss", C::NotContains, vec![v("x")], false),
        ("ss", C::NotContains, vec![v("z")], true),
        ("zz", C::NotContains, vec![v("z")], false),
        ("s", C::BeginsWith, vec![v("te")], true),
        ("a", C::In, vec![v(1), v(5)], true),
        ("a", C::Between, vec![v(5), v(6)], true),
        ("a", C::Between, vec![v(6), v(7)], false),
    ] {
        let condition = Condition::from_filter(&[constraint(attribute, operator, &values)], None).unwrap();
        assert_eq!(condition.matches(Some(&subject())), expected, "{attribute} {operator:?} {values:?}");
        assert_eq!(ComparisonOperator::from_name(operator.name()), Some(operator));
    }
    assert!(Condition::from_filter(&[], None).unwrap().matches(None));
}

#[test]
fn constraints_are_joined_by_the_conditional_operator() {
    let (five, z) = ([v(5)], [v("z")]);
    let yes = constraint("a", ComparisonOperator::Eq, &five);
    let no = constraint("a", ComparisonOperator::Ne, &five);
    let without = constraint("ss", ComparisonOperator::NotContains, &z);
    let or = Some(ConditionalOperator::Or);
    let and = Some(ConditionalOperator::And);
    for (constraints, operator, expected) in [
        (vec![yes, no], None, false),
        (vec![no, yes], and, false),
        (vec![yes, without, yes], and, true),
        (vec![no, without], or, true),
        (vec![no, no, yes], or, true),
        (vec![no, no], or, false),
        (vec![without, no, no], or, true),
        (vec![no, without, no], and, false),
    ] {
        let condition = Condition::from_filter(&constraints, operator).unwrap();
        assert_eq!(condition.matches(Some(&subject())), expected, "{constraints:?} {operator:?}");
    }
    assert_eq!(
        message(Condition::from_filter(&[yes], or)),
        "ConditionalOperator can only be used when Filter or Expected has two or more elements"
    );
    assert_eq!(
        message(Condition::from_filter(&[], and)),
        "ConditionalOperator cannot be used without Filter or Expected"
    );
}

#[test]
fn constraints_are_checked_as_dynamodb_does() {
    use ComparisonOperator as C;
    let invalid = |what: &str| format!("One or more parameter values were invalid: {what}");
    for (operator, values, expected) in [
        (C::Eq, vec![], invalid("Invalid number of argument(s) for the EQ ComparisonOperator")),
        (C::Null, vec![v(1)], invalid("Invalid number of argument(s) for the NULL ComparisonOperator")),
        (C::Between, vec![v(1)], invalid("Invalid number of argument(s) for the BETWEEN ComparisonOperator")),
        (C::In, vec![], invalid("Invalid number of argument(s) for the IN ComparisonOperator")),
        (C::In, vec![v(1), v("x")], invalid("AttributeValues inside AttributeValueList must all be of the same type")),
        (C::Lt, vec![strings(&["x"])], invalid("ComparisonOperator LT is not valid for SS AttributeValue type")),
        (C::BeginsWith, vec![v(1)], invalid("ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type")),
        (
            C::Between,
            vec![v(2), v(1)],
            "The BETWEEN condition was provided a range where the lower bound is bigger than the upper bound"
                .to_owned(),
        ),
    ] {
        assert_eq!(message(Condition::from_filter(&[constraint("a", operator, &values)], None)), expected);
    }
}

#[test]
fn expected_knows_value_and_exists() {
    let five = v(5);
    let six = [v(6)];
    let check = |expected: Expected<'_>| {
        Condition::from_expected(&[Expected { attribute: "a", ..expected }], None)
            .map(|condition| condition.matches(Some(&subject())))
    };
    assert!(check(Expected { value: Some(&five), ..Expected::default() }).unwrap());
    assert!(check(Expected { value: Some(&five), exists: Some(true), ..Expected::default() }).unwrap());
    assert!(!check(Expected { exists: Some(false), ..Expected::default() }).unwrap());
    assert!(
        check(Expected { operator: Some(ComparisonOperator::Lt), values: Some(&six), ..Expected::default() }).unwrap()
    );
    for (expected, what) in [
        (Expected::default(), "Value must be provided when Exists is null"),
        (Expected { exists: Some(true), ..Expected::default() }, "Value must be provided when Exists is true"),
        (
            Expected { exists: Some(false), value: Some(&five), ..Expected::default() },
            "Value cannot be used when Exists is false",
        ),
        (
            Expected { exists: Some(true), operator: Some(ComparisonOperator::Null), ..Expected::default() },
            "Exists and ComparisonOperator cannot be used together",
        ),
        (
            Expected { values: Some(&six), ..Expected::default() },
            "AttributeValueList can only be used with a ComparisonOperator",
        ),
    ] {
        assert_eq!(
            message(check(expected)),
            format!("One or more parameter values were invalid: {what} for Attribute: a")
        );
    }
}

#[test]
fn key_conditions_resolve_like_their_expressions() {
    let (text, bounds) = ([v("text")], [v(1), v(2)]);
    let partition = KeyAttribute { name: "a", key_type: KeyType::S };
    let sort = KeyAttribute { name: "b", key_type: KeyType::N };
    let equal = constraint("a", ComparisonOperator::Eq, &text);
    let between = constraint("b", ComparisonOperator::Between, &bounds);
    assert_eq!(
        KeyCondition::from_constraints(&[between, equal]).unwrap().resolve(&[partition], &[sort]).unwrap(),
        KeyRange { partition: vec![v("text")], sort_prefix: vec![], sort: Some(SortCondition::Between(v(1), v(2))) }
    );
    assert_eq!(
        message(KeyCondition::from_constraints(&[constraint("a", ComparisonOperator::Ne, &text)])),
        "Attempted conditional constraint is not an indexable operation"
    );
    for constraints in [&[][..], &[equal, between, equal]] {
        assert_eq!(message(KeyCondition::from_constraints(constraints)), "Conditions can be of length 1 or 2 only");
    }
}

#[test]
fn attribute_updates_put_add_and_delete() {
    let (one, set, more) = (v(1), strings(&["x"]), list(&[v(2)]));
    let update = |attribute, action, value| AttributeUpdate { attribute, action, value };
    let new = Update::from_attribute_updates(&[
        update("a", AttributeAction::Add, Some(&one)),
        update("s", AttributeAction::Delete, None),
        update("ss", AttributeAction::Delete, Some(&set)),
        update("l", AttributeAction::Add, Some(&more)),
        update("new", AttributeAction::Put, Some(&one)),
        update("zz", AttributeAction::Delete, None),
    ])
    .unwrap()
    .apply(Some(&subject()), &Item::new())
    .unwrap();
    assert_eq!(new, item(&[("a", v(6)), ("ss", strings(&["y"])), ("l", list(&[v(1), v(2)])), ("new", v(1))]));

    let mismatch = Update::from_attribute_updates(&[update("s", AttributeAction::Add, Some(&one))]).unwrap();
    assert_eq!(message(mismatch.apply(Some(&subject()), &Item::new())), "Type mismatch for attribute to update");

    let text = v("x");
    for (action, value, expected) in [
        (AttributeAction::Put, None, "Only DELETE action is allowed when no attribute value is specified"),
        (AttributeAction::Add, Some(&text), "ADD action is not supported for the type STRING"),
        (AttributeAction::Delete, Some(&one), "DELETE action with value is not supported for the type NUMBER"),
    ] {
        assert_eq!(
            message(Update::from_attribute_updates(&[update("a", action, value)])),
            format!("One or more parameter values were invalid: {expected}")
        );
    }
}
