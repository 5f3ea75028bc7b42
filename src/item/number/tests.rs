//! What numbers accept, refuse, show and compare as; order and sums are checked against digit strings.

#![expect(clippy::unwrap_used, reason = "a test that fails here should say where")]

use proptest::prelude::*;

use super::*;

fn number(text: &str) -> Number {
    Number::parse(text).unwrap()
}

fn shown(text: &str) -> String {
    number(text).to_string()
}

fn refusal(text: &str) -> String {
    Number::parse(text).unwrap_err().0
}

#[test]
fn numbers_are_shown_in_plain_normalised_digits() {
    for (text, expected) in [
        ("1.50", "1.5"),
        ("1E2", "100"),
        ("+7", "7"),
        ("-0", "0"),
        ("0E500", "0"),
        ("000123.4500", "123.45"),
        (".5", "0.5"),
        ("5.", "5"),
        ("-1e-5", "-0.00001"),
        ("1e+3", "1000"),
        ("12345e-2", "123.45"),
        ("12345e-5", "0.12345"),
        ("110111111111111110000000000000000000000", "110111111111111110000000000000000000000"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
    assert_eq!(shown("1E+100"), format!("1{}", "0".repeat(100)));
    assert_eq!(shown("1E-130"), format!("0.{}1", "0".repeat(129)));
}

#[test]
fn texts_that_are_no_numbers_are_refused_in_words_of_aws() {
    for text in
        ["a", " 1", "1 ", ".", "+", "-", "1e", "1e+", "e5", "1.2.3", "0x10", "NaN", "Infinity", "1_000", "--1", "١"]
    {
        assert_eq!(refusal(text), format!("The parameter cannot be converted to a numeric value: {text}"));
    }
    assert_eq!(refusal(""), "The parameter cannot be converted to a numeric value");
}

#[test]
fn the_ceiling_is_the_least_integer_not_below() {
    for (text, expected) in [
        ("0", 0),
        ("1E-130", 1),
        ("-1E-130", 0),
        ("99999999999999999999999999999999999999E-38", 1),
        ("1.5", 2),
        ("-1.5", -1),
        ("1700000000", 1_700_000_000),
        ("1700000000.0001", 1_700_000_001),
        ("9223372036854775807", i64::MAX),
        ("9223372036854775806.5", i64::MAX),
        ("-9223372036854775808.5", i64::MIN),
    ] {
        assert_eq!(number(text).ceiling(), Some(expected), "{text}");
    }
    for text in ["9223372036854775807.5", "9223372036854775808", "1E125", "-1E125", "-9223372036854775809"] {
        assert_eq!(number(text).ceiling(), None, "{text}");
    }
}

#[test]
fn limits_are_exact() {
    let largest = format!("{}e88", "9".repeat(38));
    assert_eq!(number(&largest).magnitude(), 125);
    assert_eq!(number("1E-130").magnitude(), -130);
    assert_eq!(number(&format!("{}e-167", "9".repeat(38))).magnitude(), -130);
    assert!(refusal("1e126").starts_with("Number overflow."));
    assert!(refusal("-1e126").starts_with("Number overflow."));
    assert!(refusal("9.9e-131").starts_with("Number underflow."));
    assert!(refusal("1e99999999999999999999").starts_with("Number overflow."));
    assert!(refusal("1e-99999999999999999999").starts_with("Number underflow."));
    assert!(refusal(&"1".repeat(39)).contains("more than 38 significant digits"));
    assert!(refusal(&format!("1.{}1", "0".repeat(37))).contains("more than 38 significant digits"));
    assert_eq!(number(&format!("1.{}", "0".repeat(500))), Number::from(1));
}

#[test]
fn sums_are_exact_or_refused() {
    let sum = |one: &str, two: &str| number(one).checked_add(&number(two));
    assert_eq!(sum("0.1", "0.2").unwrap().to_string(), "0.3");
    assert_eq!(sum("1e37", "-1").unwrap().to_string(), "9".repeat(37));
    assert_eq!(sum("1e38", "-1").unwrap().to_string(), "9".repeat(38));
    assert!(sum("1e38", "1").unwrap_err().0.contains("38 significant digits"));
    assert!(sum("1e125", "1").unwrap_err().0.contains("38 significant digits"));
    assert!(sum("9e125", "9e125").unwrap_err().0.starts_with("Number overflow."));
    assert!(sum("1.1e-130", "-1e-130").unwrap_err().0.starts_with("Number underflow."));
    assert_eq!(sum("9e125", "-9e125").unwrap(), Number::ZERO);
    let nines = "9".repeat(38);
    assert_eq!(sum(&nines, "1").unwrap().to_string(), format!("1{}", "0".repeat(38)));
    assert!(sum(&nines, &nines).unwrap_err().0.contains("38 significant digits"));
    assert_eq!(number("5").checked_sub(&number("7.5")).unwrap().to_string(), "-2.5");
}

#[test]
fn integers_go_to_and_fro() {
    for value in [0, 1, -1, 100, i64::MAX, i64::MIN] {
        assert_eq!(Number::from(value).to_i64(), Some(value));
        assert_eq!(Number::from(value), number(&value.to_string()));
        assert!(Number::from(value).is_integer());
    }
    assert_eq!(number("1.5").to_i64(), None);
    assert_eq!(number("9223372036854775808").to_i64(), None);
    assert_eq!(number("1e125").to_i64(), None);
    assert!(!number("1.5").is_integer());
}

/// Digits around the decimal point, wide enough for every number: an independent way to compare and to add.
fn fixed(number: &Number) -> String {
    let text = number.to_string();
    let plain = text.trim_start_matches('-');
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    format!("{whole:0>130}{fraction:0<170}")
}

fn any_number() -> impl Strategy<Value = Number> {
    (any::<bool>(), 0_u32..=38, any::<u128>(), -167_i16..=125)
        .prop_filter_map("in range", |(negative, digits, bits, exponent)| {
            Number::from_parts(negative, bits % 10_u128.pow(digits), exponent).ok()
        })
}

fn close_number() -> impl Strategy<Value = Number> {
    (any::<bool>(), 0_u128..2000, -3_i16..4).prop_filter_map("in range", |(negative, coefficient, exponent)| {
        Number::from_parts(negative, coefficient, exponent).ok()
    })
}

proptest! {
    #[test]
    fn every_number_survives_its_text(value in any_number()) {
        prop_assert_eq!(number(&value.to_string()), value);
    }

    #[test]
    fn order_is_numeric(one in prop_oneof![any_number(), close_number()], two in prop_oneof![any_number(), close_number()]) {
        let expected = match (one.is_negative(), two.is_negative()) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => fixed(&one).cmp(&fixed(&two)),
            (true, true) => fixed(&two).cmp(&fixed(&one)),
        };
        prop_assert_eq!(one.cmp(&two), expected);
        prop_assert_eq!(one == two, expected == Ordering::Equal);
    }

    #[test]
    fn adding_and_taking_away_again_changes_nothing(one in close_number(), two in close_number()) {
        let sum = one.checked_add(&two).unwrap();
        prop_assert_eq!(sum.checked_sub(&two).unwrap(), one);
        prop_assert_eq!(sum, two.checked_add(&one).unwrap());
    }

    #[test]
    fn sums_agree_with_integer_arithmetic(one in any::<i32>(), two in any::<i32>(), shift in 0_i16..20) {
        let scaled = |value: i32| Number::from_parts(value < 0, u128::from(value.unsigned_abs()), -shift).unwrap();
        let total = i64::from(one) + i64::from(two);
        let expected = Number::from_parts(total < 0, u128::from(total.unsigned_abs()), -shift).unwrap();
        prop_assert_eq!(scaled(one).checked_add(&scaled(two)).unwrap(), expected);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[-+0-9.eE ]{0,60}|.{0,20}") {
        let _ = Number::parse(&text);
    }
}
