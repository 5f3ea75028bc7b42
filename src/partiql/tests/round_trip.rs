//! Properties: what is printed is read as the same tree, conditions mean what an independent model says, and no text panics.

use proptest::prelude::*;

use super::super::statement::{
    Assignment, Body, Delete, Expression, Infix, Insert, Order, Position, Returning, Select, Source, Statement, Type,
    Update,
};
use super::{AttributeValue, Request, request};
use crate::expression::{Element, Path};
use crate::item::Item;

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["a", "pk", "Select", "inner", "with space", "qu\"ote", "é𝄞", "x.y"])
            .prop_map(str::to_owned),
        "[a-zA-Z_][a-zA-Z0-9_]{0,6}",
    ]
}

fn paths() -> impl Strategy<Value = Path> {
    let element = prop_oneof![names().prop_map(|name| Element::Key(name.into())), (0..9u32).prop_map(Element::Index)];
    (names(), prop::collection::vec(element, 0..3)).prop_map(|(root, rest)| Path { root: root.into(), rest })
}

fn literals() -> impl Strategy<Value = Expression> {
    let scalar = prop_oneof![
        "[a'\"? é-]{0,5}".prop_map(Expression::Text),
        prop::sample::select(vec!["0", "-5", "1.5", ".5e3", "12e-7", "-0.25"])
            .prop_map(|text| Expression::Number(text.to_owned())),
        any::<bool>().prop_map(Expression::Bool),
        Just(Expression::Null),
        Just(Expression::Parameter(0)),
    ];
    scalar.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Expression::List),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Expression::Set),
            prop::collection::vec(("[a-z']{0,3}".prop_map(Expression::Text), inner), 0..3).prop_map(Expression::Map),
        ]
    })
}

fn operands() -> impl Strategy<Value = Expression> {
    prop_oneof![
        paths().prop_map(|path| Expression::Path(path, Position::default())),
        literals(),
        paths().prop_map(|path| Expression::Call {
            function: "size".to_owned(),
            arguments: vec![Expression::Path(path, Position::default())],
            position: Position::default(),
        }),
    ]
}

const TYPES: [Type; 10] = [
    Type::Missing,
    Type::Null,
    Type::Bool,
    Type::Number,
    Type::String,
    Type::Binary,
    Type::Map,
    Type::List,
    Type::Set,
    Type::Other,
];

const INFIXES: [Infix; 12] = [
    Infix::Equal,
    Infix::NotEqual,
    Infix::Less,
    Infix::LessOrEqual,
    Infix::Greater,
    Infix::GreaterOrEqual,
    Infix::Plus,
    Infix::Minus,
    Infix::Times,
    Infix::Divide,
    Infix::Modulo,
    Infix::Concat,
];

fn expressions() -> impl Strategy<Value = Expression> {
    operands().prop_recursive(4, 24, 3, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        prop_oneof![
            (prop::sample::select(INFIXES.to_vec()), boxed(), boxed())
                .prop_map(|(infix, one, two)| Expression::Infix(infix, one, two)),
            (boxed(), boxed(), boxed()).prop_map(|(one, low, high)| Expression::Between(one, low, high)),
            (boxed(), boxed()).prop_map(|(one, among)| Expression::In(one, among)),
            (boxed(), boxed()).prop_map(|(one, pattern)| Expression::Like(one, pattern)),
            (boxed(), prop::sample::select(TYPES.to_vec())).prop_map(|(one, wanted)| Expression::Is(one, wanted)),
            boxed().prop_map(Expression::Not),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|all| flat(all, true)),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|all| flat(all, false)),
        ]
    })
}

/// A conjunction or disjunction as the parser makes it: without one of its own kind within.
fn flat(all: Vec<Expression>, is_and: bool) -> Expression {
    let mut members = Vec::new();
    for one in all {
        match one {
            Expression::And(inner) if is_and => members.extend(inner),
            Expression::Or(inner) if !is_and => members.extend(inner),
            other => members.push(other),
        }
    }
    if is_and { Expression::And(members) } else { Expression::Or(members) }
}

fn sources() -> impl Strategy<Value = Source> {
    (names(), prop::option::of(names())).prop_map(|(table, index)| Source { table, index })
}

fn statements() -> impl Strategy<Value = Body> {
    let orders = prop::collection::vec(
        (paths(), any::<bool>())
            .prop_map(|(path, descending)| Order { key: Expression::Path(path, Position::default()), descending }),
        0..3,
    );
    let columns = prop::option::of(prop::collection::vec(expressions(), 1..4));
    let selects = (any::<bool>(), columns, sources(), prop::option::of(expressions()), orders).prop_map(
        |(is_exists, columns, source, condition, order)| {
            let select = Select { columns, source, condition, order };
            if is_exists { Body::Exists(select) } else { Body::Select(select) }
        },
    );
    let changes = prop::collection::vec(
        prop_oneof![
            (paths(), expressions()).prop_map(|(path, value)| Assignment::Set(path, value)),
            paths().prop_map(Assignment::Remove),
        ],
        1..4,
    );
    let returnings =
        prop::option::of((any::<bool>(), any::<bool>()).prop_map(|(modified, new)| Returning { modified, new }));
    prop_oneof![
        selects,
        (names(), literals())
            .prop_map(|(table, item)| { Body::Insert(Insert { source: Source { table, index: None }, item }) }),
        (sources(), changes, prop::option::of(expressions()), returnings).prop_map(
            |(source, changes, condition, returning)| Body::Update(Update { source, changes, condition, returning })
        ),
        (sources(), prop::option::of(expressions()), any::<bool>()).prop_map(|(source, condition, old)| {
            let returning = old.then_some(Returning { modified: false, new: false });
            Body::Delete(Delete { source, condition, returning })
        }),
    ]
}

/// Numbers the parameters of a printed statement, which all print alike.
fn without_numbers(text: &str) -> String {
    text.replace("Parameter(", "Parameter(#").split('#').map(|part| part.trim_start_matches(char::is_numeric)).collect()
}

proptest! {
    #[test]
    fn what_is_printed_is_read_as_the_same_tree(body in statements()) {
        let printed = Statement { body: body.clone(), parameters: 0 }.to_string();
        let read = match Statement::parse(&printed) {
            Ok(read) => read,
            Err(error) => return Err(TestCaseError::fail(format!("{printed}: {error}"))),
        };
        // Parameters are numbered as they come, which the printed text does not tell.
        prop_assert_eq!(
            without_numbers(&format!("{:?}", erased(&read.body))),
            without_numbers(&format!("{:?}", erased(&body))),
            "{}", printed
        );
        prop_assert_eq!(read.to_string(), printed);
    }

    #[test]
    fn precedence_is_not_before_and_before_or(
        bits in prop::collection::vec(any::<bool>(), 3),
        negated in prop::collection::vec(any::<bool>(), 3),
        ands in prop::collection::vec(any::<bool>(), 2),
    ) {
        let subject: Item = ["p", "q", "r"].iter().zip(&bits).map(|(name, bit)| ((*name).into(), AttributeValue::Bool(*bit))).collect();
        let leaf = |at: usize| format!("{}{} = TRUE", if negated[at] { "NOT " } else { "" }, ["p", "q", "r"][at]);
        let word = |at: usize| if ands[at] { "AND" } else { "OR" };
        let text = format!("{} {} {} {} {}", leaf(0), word(0), leaf(1), word(1), leaf(2));
        let value = |at: usize| bits[at] != negated[at];
        let expected = match (ands[0], ands[1]) {
            (true, true) => value(0) && value(1) && value(2),
            (true, false) => value(0) && value(1) || value(2),
            (false, true) => value(0) || value(1) && value(2),
            (false, false) => value(0) || value(1) || value(2),
        };
        let Request::Select(select) = request(&format!("SELECT * FROM t WHERE {text}")).unwrap() else {
            unreachable!("a SELECT")
        };
        prop_assert_eq!(select.condition.unwrap().whole.matches(Some(&subject)), expected, "{}", text);
    }

    #[test]
    fn no_text_panics(text in ".{0,200}") {
        survives(&text);
        survives(&format!("SELECT * FROM t WHERE {text}"));
    }

    #[test]
    fn no_sequence_of_tokens_panics(tokens in prop::collection::vec(prop::sample::select(vec![
        "SELECT", "*", "FROM", "WHERE", "INSERT", "INTO", "VALUE", "UPDATE", "SET", "REMOVE", "DELETE", "RETURNING", "ALL",
        "OLD", "NEW", "MODIFIED", "AND", "OR", "NOT", "IN", "BETWEEN", "IS", "MISSING", "NULL", "LIKE", "ORDER", "BY", "DESC",
        "EXISTS", "t", "\"a\"", "a", "'x'", "1", "-", "+", "(", ")", "[", "]", "{", "}", "<<", ">>", ",", ".", ":", "=", "<",
        "<>", "?", ";", "size", "set_add", "list_append", "attribute_exists", "||", "key",
    ]), 0..30)) {
        survives(&tokens.join(" "));
        survives(&tokens.concat());
        survives(&format!("SELECT * FROM t WHERE {}", tokens.join(" ")));
        survives(&format!("UPDATE t SET a = {}", tokens.join(" ")));
    }
}

fn survives(text: &str) {
    if let Ok(statement) = Statement::parse(text) {
        let _either_way = statement.lower(&vec![AttributeValue::Null; statement.parameters]);
    }
}

/// The tree without places, which differ.
fn erased(body: &Body) -> String {
    let text = format!("{body:?}");
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("Position {") {
        kept.push_str(&rest[..at]);
        rest = rest[at..].split_once('}').map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    kept
}
