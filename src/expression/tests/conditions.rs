//! What conditions mean.

use super::*;

fn subject() -> Item {
    item(&[
        ("a", v(5)),
        ("b", map(&[("c", list(&[v("x"), map(&[("d", v(1))])])), ("name", v("N"))])),
        ("a.b", v("dotted")),
        ("name", v("text and more")),
        ("s", v("text")),
        ("bin", bytes(b"\x01\x02\x03")),
        ("ss", strings(&["text", "x"])),
        ("ns", numbers(&[5, 8])),
        ("bs", AttributeValue::BS(vec![b"\x01\x02".to_vec()])),
        ("l", list(&[v(5), v("text"), list(&[v(1)])])),
        ("nil", AttributeValue::Null),
        ("yes", AttributeValue::Bool(true)),
        ("unicode", v("é𝄞")),
        ("five", v("five5")),
        ("c", v(6)),
        ("types", v("N")),
    ])
}

fn holds(text: &str) -> bool {
    condition(text).unwrap().matches(Some(&subject()))
}

#[test]
fn comparators_compare_within_a_type() {
    for text in [
        "a = :n",
        "a <> :n2",
        "a < :n2",
        "a <= :n",
        ":n2 > a",
        "a >= :n",
        "s = :s",
        "s < :s2",
        "bin > :b",
        "nil = :null",
        "yes = :bool",
        "a <> :s",
        "l <> :l",
        "ss <> :ss",
        "a < c",
        "c > a",
        "a BETWEEN :n AND :n2",
        "s between :s and :s2",
        "a IN (:s, :n)",
        "a in (c, :n2, :n)",
        "b.c[1].d <> :n",
        "#b.c[0] <> :s",
        "b.#n < :s",
        "#dots <> a",
        "(a) = (:n)",
        "(a = :n)",
        "not a = :n2",
        "a = :n AND (s = :s2 OR s = :s)",
    ] {
        assert!(holds(text), "{text}");
    }
    for text in [
        "a = :n2",
        "a <> :n",
        "a < :n",
        "a > :n2",
        "a < :s",
        "a >= :s",
        "s > :s2",
        "l = :l",
        "a BETWEEN :s AND :s2",
        "a IN (:s)",
        "a = :s",
        "nil = :bool",
        "NOT a = :n",
        "a BETWEEN c AND :n2",
    ] {
        assert!(!holds(text), "{text}");
    }
}

#[test]
fn a_missing_attribute_is_unequal_and_nothing_else() {
    for text in ["zz <> :n", "zz <> yy", "NOT zz = :n", "attribute_not_exists(zz)", "attribute_not_exists(b.c[9])"] {
        assert!(holds(text), "{text}");
    }
    for text in [
        "zz = :n",
        "zz = yy",
        "zz < :n",
        "zz > :n",
        "zz BETWEEN :n AND :n2",
        "zz IN (:n)",
        "a IN (zz)",
        "begins_with(zz, :s)",
        "contains(zz, :s)",
        "size(zz) < :n",
        "attribute_exists(zz)",
        "attribute_exists(s.x)",
        "attribute_exists(a[0])",
        "size(a) < :n",
        "size(yes) = :n",
        "size(nil) = :n",
    ] {
        assert!(!holds(text), "{text}");
    }
    assert!(condition("attribute_not_exists(a) AND a <> :n").unwrap().matches(None));
    assert!(!condition("attribute_exists(a)").unwrap().matches(None));
}

#[test]
fn functions_answer_by_type() {
    for text in [
        "begins_with(#n, :s)",
        "begins_with(bin, :b)",
        "contains(#n, :s)",
        "contains(ss, :s)",
        "contains(ns, :n)",
        "contains(bs, :b)",
        "contains(l, :n)",
        "contains(l, :s)",
        "contains(bin, :b)",
        "contains(five, s) OR a = :n",
        "attribute_exists(b.c[1].d)",
        "size(:s2) = a",
        "size(l) < a",
        "size(b) < size(l)",
        "size(ss) < :n",
        "size(bin) < :n",
        "attribute_type(a, types)",
    ] {
        assert!(holds(text), "{text}");
    }
    for text in [
        "begins_with(s, :s2)",
        "begins_with(a, :s)",
        "contains(ss, :n)",
        "contains(a, :n)",
        "contains(l, :ss)",
        "contains(b, :s)",
        "attribute_type(s, types)",
        "begins_with(bin, :s)",
    ] {
        assert!(!holds(text), "{text}");
    }
}

#[test]
fn attribute_type_knows_all_ten_types() {
    let samples = [
        (v("x"), "S"),
        (v(1), "N"),
        (bytes(b""), "B"),
        (strings(&["x"]), "SS"),
        (numbers(&[1]), "NS"),
        (AttributeValue::BS(vec![vec![]]), "BS"),
        (list(&[]), "L"),
        (map(&[]), "M"),
        (AttributeValue::Null, "NULL"),
        (AttributeValue::Bool(false), "BOOL"),
    ];
    for (value, _) in &samples {
        for (_, name) in &samples {
            let values = item(&[(":t", v(*name))]);
            let mut substitutions = Substitutions::new(None, Some(&values)).unwrap();
            let condition = Condition::parse(Kind::Filter, "attribute_type(a, :t)", &mut substitutions).unwrap();
            let subject = item(&[("a", value.clone())]);
            assert_eq!(condition.matches(Some(&subject)), value.type_name() == *name, "{value:?} {name}");
        }
    }
}

#[test]
fn the_size_of_a_string_is_in_utf_16_code_units() {
    let values = item(&[(":n", v(3))]);
    let mut substitutions = Substitutions::new(None, Some(&values)).unwrap();
    let condition = Condition::parse(Kind::Condition, "size(unicode) = :n", &mut substitutions).unwrap();
    assert!(condition.matches(Some(&subject())));
}

#[test]
fn not_binds_tighter_than_and_and_and_tighter_than_or() {
    let (t, f) = ("a = :n", "a <> :n");
    for (text, expected) in [
        (format!("{t} OR {t} AND {f}"), true),
        (format!("({t} OR {t}) AND {f}"), false),
        (format!("{f} AND {t} OR {t}"), true),
        (format!("{f} AND ({t} OR {t})"), false),
        (format!("NOT {f} AND {f}"), false),
        (format!("NOT ({f} AND {f})"), true),
        (format!("NOT NOT NOT {f}"), true),
        (format!("NOT (NOT ({f} OR {t}) OR {t}) OR {f} AND {t}"), false),
        (format!("{t} AND {t} AND {f} OR {f} OR {t}"), true),
        (format!("{t} and not {t} or {f} oR NoT {f}"), true),
    ] {
        assert_eq!(holds(&text), expected, "{text}");
    }
}

#[test]
fn the_paths_of_a_condition_are_known() {
    let condition = condition("#a.b = :n AND NOT (size(c[0]) > d OR attribute_exists(s)) OR e IN (:n, f)").unwrap();
    let paths: Vec<String> = condition.paths().map(ToString::to_string).collect();
    assert_eq!(paths, ["[a, b]", "[c, [0]]", "[d]", "[s]", "[e]", "[f]"]);
}
