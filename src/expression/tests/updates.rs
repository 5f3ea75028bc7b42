//! What updates do.

use super::*;

fn subject() -> Item {
    item(&[
        ("pk", v("k")),
        ("a", v(1)),
        ("b", map(&[("x", v(1)), ("l", list(&[v(0), v(1), v(2), v(3)]))])),
        ("l", list(&[v("0"), v("1"), map(&[("x", v(1)), ("y", v(2))]), v("3")])),
        ("ss", strings(&["x", "z"])),
        ("ns", numbers(&[2, 3])),
    ])
}

fn applied(text: &str) -> Item {
    update(text).unwrap().apply(Some(&subject()), &Item::new()).unwrap()
}

/// The subject with some attributes set and some removed.
fn with(changes: &[(&str, Option<AttributeValue>)]) -> Item {
    let mut item = subject();
    for (name, value) in changes {
        match value {
            Some(value) => item.insert((*name).into(), value.clone()),
            None => item.remove(name),
        };
    }
    item
}

#[test]
fn set_writes_values_from_the_item_as_it_was() {
    for (text, changes) in [
        ("SET a = :s, c = a", &[("a", Some(v("text"))), ("c", Some(v(1)))][..]),
        ("SET a = a + :n", &[("a", Some(v(6)))]),
        ("set a = (:n - a)", &[("a", Some(v(4)))]),
        ("SET a = (a) + (:n)", &[("a", Some(v(6)))]),
        ("SET c = if_not_exists(c, :n) + :n2", &[("c", Some(v(12)))]),
        ("SET a = if_not_exists(a, :n) + :n2", &[("a", Some(v(8)))]),
        ("SET c = if_not_exists(d, if_not_exists(a, :n))", &[("c", Some(v(1)))]),
        ("SET c = list_append(if_not_exists(c, :l), :l)", &[("c", Some(list(&[v(1), v(1)])))]),
        ("SET c = list_append(:l, b.l)", &[("c", Some(list(&[v(1), v(0), v(1), v(2), v(3)])))]),
        ("SET a = b.x, b.x = a", &[]),
        ("SET b.y = :n", &[("b", Some(map(&[("x", v(1)), ("y", v(5)), ("l", list(&[v(0), v(1), v(2), v(3)]))])))]),
        ("SET #n = :n, #dots = :s", &[("name", Some(v(5))), ("a.b", Some(v("text")))]),
        ("REMOVE a, zz SET c = a", &[("a", None), ("c", Some(v(1)))]),
    ] {
        assert_eq!(applied(text), with(changes), "{text}");
    }
}

#[test]
fn list_indexes_mean_positions_as_they_were() {
    let three = map(&[("x", v(1)), ("y", v(2))]);
    for (text, expected) in [
        ("SET l[1] = :n", list(&[v("0"), v(5), three.clone(), v("3")])),
        ("SET l[9] = :n, l[4294967294] = :n2", list(&[v("0"), v("1"), three.clone(), v("3"), v(5), v(7)])),
        ("SET l[90] = :n2, l[7] = :n", list(&[v("0"), v("1"), three.clone(), v("3"), v(5), v(7)])),
        ("REMOVE l[0], l[3], l[1], l[8]", list(std::slice::from_ref(&three))),
        ("REMOVE l[0], l[2].x", list(&[v("1"), map(&[("y", v(2))]), v("3")])),
        ("REMOVE l[0] SET l[1] = :n, l[5] = :n2", list(&[v(5), three.clone(), v("3"), v(7)])),
        ("SET l[2].x = l[0], l[0] = l[2].x REMOVE l[3]", list(&[v(1), v("1"), map(&[("x", v("0")), ("y", v(2))])])),
        (
            "ADD l[2].y :n, l[2].z :ns REMOVE l[1], l[3]",
            list(&[v("0"), map(&[("x", v(1)), ("y", v(7)), ("z", numbers(&[1, 2]))])]),
        ),
    ] {
        assert_eq!(applied(text), with(&[("l", Some(expected))]), "{text}");
    }
}

#[test]
fn add_and_delete_work_on_numbers_and_sets() {
    for (text, changes) in [
        ("ADD a :n", &[("a", Some(v(6)))][..]),
        (
            "ADD c :n, ss :ss, ns :ns, d :bs",
            &[
                ("c", Some(v(5))),
                ("ss", Some(strings(&["x", "y", "z"]))),
                ("ns", Some(numbers(&[1, 2, 3]))),
                ("d", Some(AttributeValue::BS(vec![b"x".to_vec()]))),
            ],
        ),
        ("DELETE ss :ss", &[("ss", Some(strings(&["z"])))]),
        ("DELETE ns :ns, zz :ss, b.zz :ss", &[("ns", Some(numbers(&[3])))]),
    ] {
        assert_eq!(applied(text), with(changes), "{text}");
    }
}

#[test]
fn a_set_that_loses_its_last_element_is_gone() {
    let old =
        item(&[("a", strings(&["x"])), ("b", map(&[("c", strings(&["y"]))])), ("l", list(&[strings(&["x"]), v(1)]))]);
    let new = update("DELETE a :ss, b.c :ss, l[0] :ss").unwrap().apply(Some(&old), &Item::new()).unwrap();
    assert_eq!(new, item(&[("b", map(&[])), ("l", list(&[v(1)]))]));
}

#[test]
fn without_an_item_the_update_starts_from_the_key() {
    let key = item(&[("pk", v("k"))]);
    let new =
        update("SET a = if_not_exists(a, :n) ADD c :n2 REMOVE d DELETE e :ss").unwrap().apply(None, &key).unwrap();
    assert_eq!(new, item(&[("pk", v("k")), ("a", v(5)), ("c", v(7))]));
}

#[test]
fn what_does_not_fit_the_item_is_an_error() {
    let missing = "The provided expression refers to an attribute that does not exist in the item";
    let path = "The document path provided in the update expression is invalid for update";
    let data_type = "An operand in the update expression has an incorrect data type";
    for (text, expected) in [
        ("SET c = zz", missing),
        ("SET c = zz + :n", missing),
        ("SET c = b.zz", missing),
        ("SET c = list_append(zz, :l)", missing),
        ("SET c = l[9]", missing),
        ("SET zz.y = :n", path),
        ("SET a.y = :n", path),
        ("SET b[0] = :n", path),
        ("SET l.x = :n", path),
        ("SET l[9].x = :n", path),
        ("REMOVE zz.y", path),
        ("REMOVE a[0]", path),
        ("ADD zz.y :n", path),
        ("DELETE zz.y :ss", path),
        ("SET c = a + pk", data_type),
        ("SET c = list_append(:l, a)", data_type),
        ("ADD pk :n", data_type),
        ("ADD ss :ns", data_type),
        ("ADD a :ss", data_type),
        ("DELETE a :ss", data_type),
        ("DELETE ss :ns", data_type),
    ] {
        let result = update(text).unwrap().apply(Some(&subject()), &Item::new());
        assert_eq!(message(result), expected, "{text}");
    }
    for text in ["REMOVE b.zz", "REMOVE l[17]", "REMOVE b.l[17]", "REMOVE zz"] {
        assert_eq!(applied(text), subject(), "{text}");
    }
}

#[test]
fn results_stay_within_the_limits_of_items() {
    let old = item(&[("pk", v("k")), ("a", v("x".repeat(300_000).as_str()))]);
    let result = update("SET b = a").unwrap().apply(Some(&old), &Item::new());
    assert_eq!(message(result), "Item size to update has exceeded the maximum allowed size");

    let mut item = item(&[("a", map(&[("b", v(1))]))]);
    let deeper = update("SET a.b = a").unwrap();
    let refused = std::iter::repeat_with(|| ()).find_map(|()| match deeper.apply(Some(&item), &Item::new()) {
        Ok(new) => {
            item = new;
            None
        }
        Err(error) => Some(error.to_string()),
    });
    assert!(refused.unwrap().starts_with("Nesting Levels have exceeded supported limits"));
    assert_eq!(item.depth(), 31);
}

#[test]
fn numbers_that_overflow_are_an_error() {
    let huge = AttributeValue::N(Number::parse("9.9e125").unwrap());
    let old = item(&[("a", huge)]);
    assert!(update("SET a = a + a").unwrap().apply(Some(&old), &Item::new()).is_err());
}

#[test]
fn updated_values_are_those_at_the_paths_and_nothing_beside_them() {
    let old = subject();
    for (text, updated_old, updated_new) in [
        ("SET a = :n", item(&[("a", v(1))]), item(&[("a", v(5))])),
        ("SET a = a", item(&[("a", v(1))]), item(&[("a", v(1))])),
        ("SET c = :n", Item::new(), item(&[("c", v(5))])),
        ("REMOVE a", item(&[("a", v(1))]), Item::new()),
        ("SET b.x = :n", item(&[("b", map(&[("x", v(1))]))]), item(&[("b", map(&[("x", v(5))]))])),
        ("SET l[99] = :n", Item::new(), Item::new()),
        ("SET l[1] = :n, l[0] = :n2", item(&[("l", list(&[v("0"), v("1")]))]), item(&[("l", list(&[v(7), v(5)]))])),
    ] {
        let update = update(text).unwrap();
        let new = update.apply(Some(&old), &Item::new()).unwrap();
        assert_eq!(update.updated_old(Some(&old)), updated_old, "{text}");
        assert_eq!(update.updated_new(&new), updated_new, "{text}");
    }
    assert_eq!(update("SET a = :n").unwrap().updated_old(None), Item::new());
}

#[test]
fn the_touched_attributes_are_known() {
    let update = update("SET a.b = :n, #n = c REMOVE d ADD ns :n").unwrap();
    assert_eq!(update.touched().map(|name| name.as_str()).collect::<Vec<_>>(), ["a", "name", "d", "ns"]);
}
