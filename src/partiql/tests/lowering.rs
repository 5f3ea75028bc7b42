//! What statements mean: the items that conditions hold for, what updates make of items, and the parts of conditions.

use super::*;
use crate::expression::SortCondition;
use crate::item::Item;

fn item(pairs: &[(&str, AttributeValue)]) -> Item {
    pairs.iter().map(|(name, value)| ((*name).into(), value.clone())).collect()
}

fn subject() -> Item {
    item(&[
        ("s", text("str")),
        ("n", number("5")),
        ("nul", AttributeValue::Null),
        ("flag", AttributeValue::Bool(true)),
        ("ss", AttributeValue::SS(vec!["a".to_owned(), "b".to_owned()])),
        ("l", AttributeValue::L(vec![number("1"), text("x")])),
        ("m", AttributeValue::M(item(&[("sub", text("x")), ("deep.er", number("2"))]))),
    ])
}

fn holds(condition: &str) -> bool {
    match request(&format!("SELECT * FROM t WHERE {condition}")).unwrap() {
        Request::Select(select) => select.condition.unwrap().whole.matches(Some(&subject())),
        _ => unreachable!("a SELECT"),
    }
}

#[test]
fn conditions_hold_as_documented() {
    for condition in [
        "n = 5",
        "n = 50e-1",
        "n <> 6 AND n != 7",
        "n > -1 and n >= 5 And n < 5.5 AND n <= .5e1",
        "n BETWEEN 5 AND 6",
        "NOT n BETWEEN 6 AND 7",
        "n NOT BETWEEN 6 AND 7 AND s = 'str'",
        "n IN [4, 5]",
        "n IN (4, 5)",
        "n NOT IN [4, 6]",
        "NOT n IN [4, 6]",
        "s IN <<'str', 'other'>>",
        "begins_with(s, 'st')",
        "BEGINS_WITH(\"s\", 'st') = true",
        "begins_with(s, 'x') = false",
        "begins_with(s, 'st') <> FALSE",
        "contains(ss, 'a')",
        "contains(s, 'tr') OR n = 1",
        "attribute_type(ss, 'SS')",
        "attribute_exists(m.sub)",
        "attribute_not_exists(m.nope)",
        "NOT attribute_exists(nope)",
        "size(s) = 3 AND size(ss) = 2",
        "nope IS MISSING",
        "s IS NOT MISSING",
        "nul IS NULL AND s IS NOT NULL",
        "flag IS BOOL AND s IS STRING AND n IS NUMERIC AND m IS STRUCT AND l IS LIST AND ss IS BAG",
        "m.\"deep.er\" = 2 AND m['sub'] = 'x' AND l[1] = 'x'",
        "(n = 1 OR n = 5) AND (s = 'str')",
        "n = 1 OR n = 5 AND s = 'str'",
        "NOT (n = 1 AND s = 'str')",
        "flag = true AND nul = NULL",
        "ss = <<'b', 'a'>>",
        "l = [1, 'x']",
        "m = {'sub': 'x', 'deep.er': 2}",
        "nope <> 1",
    ] {
        assert!(holds(condition), "{condition}");
    }
    for condition in [
        "n = 6",
        "n = '5'",
        "nope = 1",
        "n BETWEEN 6 AND 7",
        "l = ['x', 1]",
        "begins_with(s, 'tr')",
        "nope IS NOT MISSING",
        "s IS NULL",
        "s IS BOOL",
        "s IS TIMESTAMP",
        "NOT NOT n = 6",
        "S = 'str'",
    ] {
        assert!(!holds(condition), "{condition}");
    }
}

#[test]
fn a_condition_comes_in_its_parts_too() {
    let Request::Select(select) = request("SELECT * FROM t WHERE pk = 'a' AND 5 < sk AND (x = 1 OR y = 2)").unwrap()
    else {
        unreachable!("a SELECT")
    };
    let condition = select.condition.unwrap();
    let [first, second, third] = condition.conjuncts() else { unreachable!("three conjuncts") };
    assert_eq!(first.test().unwrap().of_key(), Some(("pk".into(), SortCondition::Equal(text("a")))));
    assert_eq!(second.test().unwrap().of_key(), Some(("sk".into(), SortCondition::Greater(number("5")))));
    assert_eq!(third.test(), None);
    let Request::Select(select) = request("SELECT * FROM t WHERE pk IN ['a', 'b'] OR pk = 'c'").unwrap() else {
        unreachable!("a SELECT")
    };
    let condition = select.condition.unwrap();
    assert!(condition.conjuncts().is_empty());
    assert_eq!(condition.alternatives.len(), 2);
}

fn updated(changes: &str, old: &Item) -> Result<Item, Error> {
    match request(&format!("UPDATE t {changes} WHERE pk = 1"))? {
        Request::Write(Write { kind: WriteKind::Update(update), .. }) => update.apply(Some(old), &Item::new()),
        _ => unreachable!("an UPDATE"),
    }
}

#[test]
fn updates_change_items() {
    let old = subject();
    let new = updated(
        "SET n = n + 1 SET s = 'x', m.new = [1, {'a': NULL}] REMOVE nul, l[0] SET ss = SET_ADD(ss, <<'z'>>) \
         SET made = list_append(l, [3])",
        &old,
    )
    .unwrap();
    assert_eq!(new.get("n"), Some(&number("6")));
    assert_eq!(new.get("s"), Some(&text("x")));
    assert_eq!(new.get("nul"), None);
    assert_eq!(new.get("l"), Some(&AttributeValue::L(vec![text("x")])));
    assert_eq!(new.get("made"), Some(&AttributeValue::L(vec![number("1"), text("x"), number("3")])));
    assert_eq!(new.get("ss"), Some(&AttributeValue::SS(vec!["a".to_owned(), "b".to_owned(), "z".to_owned()])));
    let AttributeValue::M(map) = new.get("m").unwrap() else { unreachable!("a map") };
    let inner = AttributeValue::M(item(&[("a", AttributeValue::Null)]));
    assert_eq!(map.get("new"), Some(&AttributeValue::L(vec![number("1"), inner])));
    assert_eq!(updated("SET ss = set_delete(ss, <<'a', 'b'>>)", &old).unwrap().get("ss"), None);
    assert_eq!(updated("SET n = 10 - n", &old).unwrap().get("n"), Some(&number("5")));
    assert_eq!(
        message(updated("SET ss = set_add(ss, <<1>>)", &old)),
        "An operand in the update expression has an incorrect data type"
    );
}

#[test]
fn both_ways_to_write_an_update_mean_the_same() {
    let one = Statement::parse("UPDATE t SET a = ?, b = 2 REMOVE c WHERE pk = ? RETURNING MODIFIED NEW *");
    let other = Statement::parse("from t where pk = ? set a = ? set b = 2 remove c returning modified new *");
    let one = one.unwrap().lower(&[number("1"), text("k")]).unwrap();
    let other = other.unwrap().lower(&[text("k"), number("1")]).unwrap();
    assert_eq!(one, other);
}

#[test]
fn items_are_inserted_as_written() {
    let written =
        "INSERT INTO \"T\" VALUE {'pk': 'it''s', 'n': -1.50, 'ns': <<1, 34, 4.5>>, 'b': FALSE, 'm': {}, 'l': []}";
    let Request::Write(Write { kind: WriteKind::Insert(found), source, .. }) = request(written).unwrap() else {
        unreachable!("an INSERT")
    };
    assert_eq!(source.table, "T");
    let expected = item(&[
        ("pk", text("it's")),
        ("n", number("-1.5")),
        ("ns", AttributeValue::NS(vec![1.into(), "4.5".parse().unwrap(), 34.into()])),
        ("b", AttributeValue::Bool(false)),
        ("m", AttributeValue::M(Item::new())),
        ("l", AttributeValue::L(vec![])),
    ]);
    assert_eq!(found, expected);
}

#[test]
fn columns_are_named_by_their_last_part() {
    let Request::Select(select) = request("SELECT pk, m.sub, a.b[0], l[1][2] FROM t").unwrap() else {
        unreachable!("a SELECT")
    };
    let names: Vec<String> = select.columns.unwrap().iter().map(|column| column.name.to_string()).collect();
    assert_eq!(names, ["pk", "sub", "b[0]", "l[1][2]"]);
}
