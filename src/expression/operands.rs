//! What DynamoDB checks of the operands of a condition before it looks at any item: names of functions, numbers and
//! types of operands, bounds.
//!
//! Only values have a type before evaluation; paths fit everywhere.

use std::cmp::Ordering;

use super::Kind;
use super::condition::{Comparator, Operand, Test};
use super::evaluate::{compare, size};
use super::parser::{Call, Finding, Note, Operand as Written, Parser};
use super::path::Path;
use crate::item::AttributeValue;

/// The types of a value, as the operand of `attribute_type`, in the order DynamoDB lists them.
const TYPES: [&str; 10] = ["B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M"];

/// An operand of a comparator or a function: a path, a value or a size.
pub(super) fn checked_operand(parser: &mut Parser<'_, '_, '_>, written: Written<'_>) -> Operand {
    let call = match written {
        Written::Path(path) => return Operand::Path(path),
        Written::Value(value) => return Operand::Value(value),
        Written::Call(call) => call,
    };
    let function = call.function;
    if function != "size" {
        if is_known(parser, function) {
            note_misplaced(parser, function);
        }
        return nothing();
    }
    let Some([operand]) = exactly(parser, call) else { return nothing() };
    match checked_operand(parser, operand) {
        Operand::Path(path) => Operand::Size(path),
        Operand::Size(_) => {
            note_type(parser, function, "N");
            nothing()
        }
        Operand::Value(value) => match size(&value) {
            Some(size) => Operand::Value(size),
            None => {
                note_type(parser, function, value.type_name());
                nothing()
            }
        },
    }
}

/// A function call that stands for a condition by itself.
pub(super) fn test_of_call(parser: &mut Parser<'_, '_, '_>, call: Call<'_>) -> Test {
    let function = call.function;
    match function {
        "attribute_exists" => checked_path(parser, call).map_or(Test::Always, Test::Exists),
        "attribute_not_exists" => checked_path(parser, call).map_or(Test::Always, Test::NotExists),
        "attribute_type" | "begins_with" | "contains" => {
            let Some([one, two]) = exactly(parser, call) else { return Test::Always };
            let (one, two) = (checked_operand(parser, one), checked_operand(parser, two));
            let test = match function {
                "attribute_type" => Test::HasType(one, two),
                "begins_with" => Test::BeginsWith(one, two),
                _ => Test::Contains(one, two),
            };
            checked_test(parser, test)
        }
        _ => {
            if is_known(parser, function) {
                note_misplaced(parser, function);
            }
            Test::Always
        }
    }
}

fn checked_path(parser: &mut Parser<'_, '_, '_>, call: Call<'_>) -> Option<Path> {
    let function = call.function;
    let [operand] = exactly(parser, call)?;
    match operand {
        Written::Path(path) => Some(path),
        Written::Value(_) | Written::Call(_) => {
            note_needs_path(parser, function);
            None
        }
    }
}

/// Checks what the operands of `test` are to one another and to its operator.
pub(super) fn checked_test(parser: &mut impl Note, test: Test) -> Test {
    let operator = name(&test);
    check_distinct(parser, operator, &test);
    match &test {
        Test::Compare(Comparator::Equal | Comparator::NotEqual, ..) | Test::In(..) => {}
        Test::Compare(_, one, two) => {
            for operand in [one, two] {
                check_type(parser, operator, operand, &["S", "N", "B"]);
            }
        }
        Test::Between(one, low, high) => {
            for operand in [one, low, high] {
                check_type(parser, operator, operand, &["S", "N", "B"]);
            }
            check_bounds(parser, low, high);
        }
        Test::BeginsWith(one, two) => {
            for operand in [one, two] {
                check_type(parser, operator, operand, &["S", "B"]);
            }
        }
        Test::Contains(one, _) => check_type(parser, operator, one, &["S", "B", "SS", "NS", "BS", "L"]),
        Test::HasType(one, two) => {
            if !matches!(one, Operand::Path(_)) {
                note_needs_path(parser, operator);
            }
            check_type(parser, operator, two, &["S"]);
            if let Operand::Value(AttributeValue::S(name)) = two
                && !TYPES.contains(&name.as_str())
            {
                parser.note(Finding::OperandTypes, || {
                    format!("Invalid attribute type name found; type: {name}, valid types: {{{}}}", TYPES.join(","))
                });
            }
        }
        Test::Exists(_) | Test::NotExists(_) | Test::Always => {}
    }
    test
}

/// The operator or function of a test, as DynamoDB names it.
pub(super) const fn name(test: &Test) -> &'static str {
    match test {
        Test::Compare(comparator, ..) => comparator.symbol(),
        Test::Between(..) => "BETWEEN",
        Test::In(..) => "IN",
        Test::Exists(_) => "attribute_exists",
        Test::NotExists(_) => "attribute_not_exists",
        Test::HasType(..) => "attribute_type",
        Test::BeginsWith(..) => "begins_with",
        Test::Contains(..) => "contains",
        Test::Always => "",
    }
}

fn check_distinct(parser: &mut impl Note, operator: &str, test: &Test) {
    let mut operands = test.operands();
    if let Some(Operand::Path(first)) = operands.next()
        && operands.any(|operand| matches!(operand, Operand::Path(other) if other == first))
    {
        parser.note(Finding::Distinct, || {
            format!(
                "The first operand must be distinct from the remaining operands for this operator or function; \
                 operator: {operator}, first operand: {first}"
            )
        });
    }
}

fn check_type(parser: &mut impl Note, operator: &str, operand: &Operand, allowed: &[&str]) {
    let found = match operand {
        Operand::Path(_) => return,
        Operand::Value(value) => value.type_name(),
        Operand::Size(_) => "N",
    };
    if !allowed.contains(&found) {
        note_type(parser, operator, found);
    }
}

fn check_bounds(parser: &mut impl Note, low: &Operand, high: &Operand) {
    let (Operand::Value(low), Operand::Value(high)) = (low, high) else { return };
    let wrong = match compare(low, high) {
        Some(Ordering::Greater) => "requires upper bound to be greater than or equal to lower bound",
        Some(_) => return,
        None => "requires same data type for lower and upper bounds",
    };
    parser.note(Finding::Bounds, || {
        format!(
            "The BETWEEN operator {wrong}; lower bound operand: AttributeValue: {}, upper bound operand: \
             AttributeValue: {}",
            shown(low),
            shown(high)
        )
    });
}

/// A value as DynamoDB prints it in messages: `{S:a}`.
fn shown(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) => format!("{{S:{text}}}"),
        AttributeValue::N(number) => format!("{{N:{number}}}"),
        AttributeValue::B(bytes) => {
            use base64::Engine as _;
            format!("{{B:{}}}", base64::engine::general_purpose::STANDARD.encode(bytes))
        }
        other => format!("{{{}:…}}", other.type_name()),
    }
}

/// The operands of `call` if there are `N` of them.
pub(super) fn exactly<'t, const N: usize>(parser: &mut Parser<'_, '_, '_>, call: Call<'t>) -> Option<[Written<'t>; N]> {
    let (function, count) = (call.function, call.operands.len());
    let operands = call.operands.try_into().ok();
    if operands.is_none() {
        parser.note(Finding::Operands, || {
            format!(
                "Incorrect number of operands for operator or function; operator or function: {function}, number of \
                 operands: {count}"
            )
        });
    }
    operands
}

/// Whether `function` may be called in this kind of expression at all; notes it if not.
pub(super) fn is_known(parser: &mut Parser<'_, '_, '_>, function: &str) -> bool {
    let of_updates = matches!(function, "if_not_exists" | "list_append");
    let of_conditions = matches!(
        function,
        "attribute_exists" | "attribute_not_exists" | "attribute_type" | "begins_with" | "contains" | "size"
    );
    let in_update = parser.kind() == Kind::Update;
    if (in_update && of_updates) || (!in_update && of_conditions) {
        return true;
    }
    parser.note(Finding::Function, || {
        if of_updates {
            format!("The function is not allowed in a condition expression; function: {function}")
        } else if of_conditions {
            format!("The function is not allowed in an update expression; function: {function}")
        } else {
            format!("Invalid function name; function: {function}")
        }
    });
    false
}

pub(super) fn note_type(parser: &mut impl Note, operator: &str, found: &str) {
    parser.note(Finding::OperandTypes, || {
        format!(
            "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {found}"
        )
    });
}

pub(super) fn note_needs_path(parser: &mut impl Note, function: &str) {
    parser.note(Finding::Operands, || {
        format!("Operator or function requires a document path; operator or function: {function}")
    });
}

fn note_misplaced(parser: &mut Parser<'_, '_, '_>, function: &str) {
    parser.note(Finding::Function, || {
        format!("The function is not allowed to be used this way in an expression; function: {function}")
    });
}

const fn nothing() -> Operand {
    Operand::Value(AttributeValue::Null)
}
