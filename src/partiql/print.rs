//! Statements as text: the inverse of parsing, by which the grammar is tested.

use std::fmt::{self, Display, Formatter};

use super::statement::{Assignment, Body, Expression, Infix, Order, Returning, Select, Source, Statement, Type};
use crate::expression::{Element, Path};

impl Display for Statement {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match &self.body {
            Body::Select(select) => select.fmt(formatter),
            Body::Exists(select) => write!(formatter, "EXISTS({select})"),
            Body::Insert(insert) => write!(formatter, "INSERT INTO {} VALUE {}", insert.source, insert.item),
            Body::Update(update) => {
                write!(formatter, "UPDATE {}", update.source)?;
                for change in &update.changes {
                    match change {
                        Assignment::Set(path, value) => write!(formatter, " SET {} = {value}", Quoted(path))?,
                        Assignment::Remove(path) => write!(formatter, " REMOVE {}", Quoted(path))?,
                    }
                }
                ending(formatter, update.condition.as_ref(), update.returning)
            }
            Body::Delete(delete) => {
                write!(formatter, "DELETE FROM {}", delete.source)?;
                ending(formatter, delete.condition.as_ref(), delete.returning)
            }
        }
    }
}

fn ending(formatter: &mut Formatter<'_>, condition: Option<&Expression>, returning: Option<Returning>) -> fmt::Result {
    if let Some(condition) = condition {
        write!(formatter, " WHERE {condition}")?;
    }
    returning.map_or(Ok(()), |returning| write!(formatter, " {returning}"))
}

impl Display for Returning {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let (which, age) = (if self.modified { "MODIFIED" } else { "ALL" }, if self.new { "NEW" } else { "OLD" });
        write!(formatter, "RETURNING {which} {age} *")
    }
}

impl Display for Select {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("SELECT ")?;
        match &self.columns {
            None => formatter.write_str("*")?,
            Some(columns) => list(formatter, columns)?,
        }
        write!(formatter, " FROM {}", self.source)?;
        if let Some(condition) = &self.condition {
            write!(formatter, " WHERE {condition}")?;
        }
        for (at, Order { key, descending }) in self.order.iter().enumerate() {
            let (before, after) = (if at == 0 { " ORDER BY" } else { "," }, if *descending { " DESC" } else { "" });
            write!(formatter, "{before} {key}{after}")?;
        }
        Ok(())
    }
}

impl Display for Source {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        quoted(formatter, &self.table)?;
        let Some(index) = &self.index else { return Ok(()) };
        formatter.write_str(".")?;
        quoted(formatter, index)
    }
}

/// A path in PartiQL's notation.
struct Quoted<'a>(&'a Path);

impl Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        quoted(formatter, &self.0.root)?;
        for element in &self.0.rest {
            match element {
                Element::Key(name) => {
                    formatter.write_str(".")?;
                    quoted(formatter, name)?;
                }
                Element::Index(at) => write!(formatter, "[{at}]")?,
            }
        }
        Ok(())
    }
}

fn quoted(formatter: &mut Formatter<'_>, name: &str) -> fmt::Result {
    write!(formatter, "\"{}\"", name.replace('"', "\"\""))
}

fn list(formatter: &mut Formatter<'_>, elements: &[Expression]) -> fmt::Result {
    for (at, element) in elements.iter().enumerate() {
        if at > 0 {
            formatter.write_str(", ")?;
        }
        element.fmt(formatter)?;
    }
    Ok(())
}

/// An operand within an operator: in parentheses unless it is a term.
struct Operand<'a>(&'a Expression);

impl Display for Operand<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let is_term = matches!(
            self.0,
            Expression::Path(..)
                | Expression::Text(_)
                | Expression::Number(_)
                | Expression::Bool(_)
                | Expression::Null
                | Expression::Missing
                | Expression::Parameter(_)
                | Expression::List(_)
                | Expression::Set(_)
                | Expression::Map(_)
                | Expression::Call { .. }
        );
        if is_term { self.0.fmt(formatter) } else { write!(formatter, "({})", self.0) }
    }
}

impl Display for Expression {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path, _) => Quoted(path).fmt(formatter),
            Self::Text(text) => write!(formatter, "'{}'", text.replace('\'', "''")),
            Self::Number(text) => formatter.write_str(text),
            Self::Bool(value) => formatter.write_str(if *value { "TRUE" } else { "FALSE" }),
            Self::Null => formatter.write_str("NULL"),
            Self::Missing => formatter.write_str("MISSING"),
            Self::Parameter(_) => formatter.write_str("?"),
            Self::List(elements) => {
                formatter.write_str("[")?;
                list(formatter, elements)?;
                formatter.write_str("]")
            }
            Self::Set(elements) => {
                formatter.write_str("<<")?;
                list(formatter, elements)?;
                formatter.write_str(">>")
            }
            Self::Map(entries) => {
                formatter.write_str("{")?;
                for (at, (name, value)) in entries.iter().enumerate() {
                    let comma = if at > 0 { ", " } else { "" };
                    write!(formatter, "{comma}{name}: {value}")?;
                }
                formatter.write_str("}")
            }
            Self::Call { function, arguments, .. } => {
                write!(formatter, "{function}(")?;
                list(formatter, arguments)?;
                formatter.write_str(")")
            }
            Self::Not(one) => write!(formatter, "NOT {}", Operand(one)),
            Self::Negative(one) => write!(formatter, "-{}", Operand(one)),
            Self::And(all) => joined(formatter, all, " AND "),
            Self::Or(all) => joined(formatter, all, " OR "),
            Self::Infix(infix, one, two) => {
                write!(formatter, "{} {} {}", Operand(one), Infix::symbol(*infix), Operand(two))
            }
            Self::Between(one, low, high) => {
                write!(formatter, "{} BETWEEN {} AND {}", Operand(one), Operand(low), Operand(high))
            }
            Self::In(one, among) => write!(formatter, "{} IN {}", Operand(one), Operand(among)),
            Self::Like(one, pattern) => write!(formatter, "{} LIKE {}", Operand(one), Operand(pattern)),
            Self::Is(one, wanted) => write!(formatter, "{} IS {}", Operand(one), type_name(*wanted)),
        }
    }
}

fn joined(formatter: &mut Formatter<'_>, all: &[Expression], between: &str) -> fmt::Result {
    for (at, one) in all.iter().enumerate() {
        if at > 0 {
            formatter.write_str(between)?;
        }
        Operand(one).fmt(formatter)?;
    }
    Ok(())
}

const fn type_name(wanted: Type) -> &'static str {
    match wanted {
        Type::Missing => "MISSING",
        Type::Null => "NULL",
        Type::Bool => "BOOLEAN",
        Type::Number => "NUMERIC",
        Type::String => "STRING",
        Type::Binary => "BLOB",
        Type::Map => "STRUCT",
        Type::List => "LIST",
        Type::Set => "BAG",
        Type::Other => "TIMESTAMP",
    }
}
