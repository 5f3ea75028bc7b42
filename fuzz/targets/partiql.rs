//! Any text as a PartiQL statement: nothing panics, and what is printed is read as the same statement.

#![no_main]

use fdyno::item::AttributeValue;
use fdyno::partiql::Statement;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(statement) = Statement::parse(text) else { return };
    let printed = statement.to_string();
    let again = Statement::parse(&printed).unwrap_or_else(|error| panic!("{printed:?} is not read again: {error:?}"));
    assert_eq!(again, statement, "{printed:?}");
    let parameters = |value: AttributeValue| vec![value; statement.parameters];
    drop(statement.lower(&parameters(AttributeValue::Null)));
    drop(statement.lower(&parameters(AttributeValue::S("x".to_owned()))));
    drop(statement.lower(&[]));
});
