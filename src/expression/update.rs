//! Updates: the grammar of UpdateExpression, and what DynamoDB checks of it before it looks at any item.
//!
//! Within a parsed update no two paths clash, so its actions may be applied in any order.

use super::operands::{exactly, is_known, note_needs_path, note_type};
use super::parser::{Finding, Note, Operand as Written, Parser};
use super::path::{Path, clash};
use super::projection::Projection;
use super::token::TokenKind;
use super::{Kind, Substitutions};
use crate::error::Error;
use crate::item::{AttributeValue, Item, Name};

/// A parsed UpdateExpression.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    pub(super) actions: Vec<Action>,
    /// Whether it comes from AttributeUpdates, which word one error differently.
    pub(super) legacy: bool,
}

/// What is done at one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Action {
    pub path: Path,
    pub change: Change,
}

/// What an update does at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Set(Value),
    Remove,
    /// A number or a set.
    Add(AttributeValue),
    /// A set.
    Delete(AttributeValue),
}

/// The right-hand side of SET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Path(Path),
    Literal(AttributeValue),
    IfNotExists(Path, Box<Value>),
    ListAppend(Box<Value>, Box<Value>),
    Plus(Box<Value>, Box<Value>),
    Minus(Box<Value>, Box<Value>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Set,
    Remove,
    Add,
    Delete,
}

const SECTIONS: [(Section, &str); 4] =
    [(Section::Set, "SET"), (Section::Remove, "REMOVE"), (Section::Add, "ADD"), (Section::Delete, "DELETE")];

impl Update {
    pub fn parse(text: &str, substitutions: &mut Substitutions<'_>) -> Result<Self, Error> {
        let mut parser = Parser::new(Kind::Update, text, substitutions)?;
        let mut actions = Vec::new();
        let mut seen = [false; 4];
        while parser.peek().kind != TokenKind::End {
            let found = SECTIONS.iter().zip(&mut seen).find(|((_, name), _)| parser.take_word(name));
            let Some(((section, name), seen)) = found else { return Err(parser.syntax_error()) };
            if std::mem::replace(seen, true) {
                parser.note(Finding::RepeatedSection, || {
                    format!("The \"{name}\" section can only be used once in an update expression;")
                });
            }
            loop {
                actions.push(action(&mut parser, *section)?);
                if !parser.take(TokenKind::Comma) {
                    break;
                }
            }
        }
        let paths: Vec<&Path> = actions.iter().map(|action| &action.path).collect();
        if let Some(message) = clash(&paths) {
            parser.note(Finding::Clash, || message);
        }
        parser.finish()?;
        Ok(Self { actions, legacy: false })
    }

    /// The names of the top-level attributes the update writes to or within, in the order of the expression.
    pub fn touched(&self) -> impl Iterator<Item = &Name> {
        self.actions.iter().map(|action| &action.path.root)
    }

    /// Whether all its actions are REMOVE and DELETE, which find nothing to do where there is no item: DynamoDB then makes none
    /// ("there is no attribute to delete", AttributeValueUpdate in the API reference).
    pub fn only_takes_away(&self) -> bool {
        !self.actions.is_empty()
            && self.actions.iter().all(|action| matches!(action.change, Change::Remove | Change::Delete(_)))
    }

    /// ReturnValues UPDATED_OLD: what was at the updated paths, and nothing beside them.
    pub fn updated_old(&self, old: Option<&Item>) -> Item {
        old.map(|old| self.projection().apply(old)).unwrap_or_default()
    }

    /// ReturnValues UPDATED_NEW: what is at the updated paths now, and nothing beside them.
    pub fn updated_new(&self, new: &Item) -> Item {
        self.projection().apply(new)
    }

    fn projection(&self) -> Projection {
        Projection::from_paths(self.actions.iter().map(|action| &action.path))
    }
}

fn action(parser: &mut Parser<'_, '_, '_>, section: Section) -> Result<Action, Error> {
    let path = parser.path()?;
    let change = match section {
        Section::Remove => Change::Remove,
        Section::Set => {
            parser.expect(TokenKind::Equal)?;
            Change::Set(right_hand_side(parser)?)
        }
        Section::Add => {
            let value = parser.value()?;
            let fits = matches!(
                value,
                AttributeValue::N(_) | AttributeValue::SS(_) | AttributeValue::NS(_) | AttributeValue::BS(_)
            );
            check_action_operand(parser, "ADD", &value, fits);
            Change::Add(value)
        }
        Section::Delete => {
            let value = parser.value()?;
            let fits = matches!(value, AttributeValue::SS(_) | AttributeValue::NS(_) | AttributeValue::BS(_));
            check_action_operand(parser, "DELETE", &value, fits);
            Change::Delete(value)
        }
    };
    Ok(Action { path, change })
}

fn check_action_operand(parser: &mut Parser<'_, '_, '_>, action: &str, value: &AttributeValue, fits: bool) {
    if fits {
        return;
    }
    let found = long_name(value);
    parser.note(Finding::OperandTypes, || {
        format!(
            "Incorrect operand type for operator or function; operator: {action}, operand type: {found}, typeSet: \
             ALLOWED_FOR_{action}_OPERAND"
        )
    });
}

/// `operand`, `operand + operand` or `operand - operand`, with parentheses around the whole or around an operand.
fn right_hand_side(parser: &mut Parser<'_, '_, '_>) -> Result<Value, Error> {
    let opened = parser.opened();
    let left = parser.operand()?;
    let mut open = opened;
    while open > 0 && parser.take(TokenKind::Close) {
        open -= 1;
    }
    let operator = parser.peek();
    if opened - open > 1 || open > 1 {
        parser.note_redundant_parentheses();
    }
    if !matches!(operator.kind, TokenKind::Plus | TokenKind::Minus) {
        return if open == 0 { Ok(checked(parser, left)) } else { Err(parser.syntax_error()) };
    }
    parser.count_operator()?;
    parser.advance();
    let right = parser.enclosed_operand()?;
    for _ in 0..open {
        parser.expect(TokenKind::Close)?;
    }
    let (left, right) = (checked(parser, left), checked(parser, right));
    for operand in [&left, &right] {
        check_type(parser, operator.text, operand, "N");
    }
    let (left, right) = (Box::new(left), Box::new(right));
    Ok(if operator.kind == TokenKind::Plus { Value::Plus(left, right) } else { Value::Minus(left, right) })
}

fn checked(parser: &mut Parser<'_, '_, '_>, written: Written<'_>) -> Value {
    let call = match written {
        Written::Path(path) => return Value::Path(path),
        Written::Value(value) => return Value::Literal(value),
        Written::Call(call) => call,
    };
    let nothing = Value::Literal(AttributeValue::Null);
    let function = call.function;
    if !is_known(parser, function) {
        return nothing;
    }
    let Some([one, two]) = exactly(parser, call) else { return nothing };
    if function == "if_not_exists" {
        let default = checked(parser, two);
        let Written::Path(path) = one else {
            note_needs_path(parser, function);
            return nothing;
        };
        return Value::IfNotExists(path, Box::new(default));
    }
    let (one, two) = (checked(parser, one), checked(parser, two));
    for operand in [&one, &two] {
        check_type(parser, function, operand, "L");
    }
    Value::ListAppend(Box::new(one), Box::new(two))
}

pub(super) fn check_type(parser: &mut impl Note, operator: &str, operand: &Value, wanted: &str) {
    let found = match operand {
        Value::Literal(value) => value.type_name(),
        Value::ListAppend(..) => "L",
        Value::Plus(..) | Value::Minus(..) => "N",
        Value::Path(_) | Value::IfNotExists(..) => return,
    };
    if found != wanted {
        note_type(parser, operator, found);
    }
}

/// The name of the value's type where DynamoDB spells it out: in messages about ADD and DELETE.
pub(super) const fn long_name(value: &AttributeValue) -> &'static str {
    match value {
        AttributeValue::S(_) => "STRING",
        AttributeValue::N(_) => "NUMBER",
        AttributeValue::B(_) => "BINARY",
        AttributeValue::SS(_) => "STRING_SET",
        AttributeValue::NS(_) => "NUMBER_SET",
        AttributeValue::BS(_) => "BINARY_SET",
        AttributeValue::M(_) => "MAP",
        AttributeValue::L(_) => "LIST",
        AttributeValue::Null => "NULL",
        AttributeValue::Bool(_) => "BOOLEAN",
    }
}
