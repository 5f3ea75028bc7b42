//! Statements: their clauses, and what DynamoDB refuses of them before it looks at any value.
//!
//! Mistakes are found in this order: in the tokens, in the grammar from left to right, then what is well formed and not
//! supported.

use std::cell::Cell;

use super::malformed;
use super::operators::expression;
use super::statement::{
    Assignment, Body, Delete, Expression, Insert, Order, Position, Returning, Select, Source, Statement, Update,
};
use super::token::{Token, TokenKind, tokens};
use crate::error::Error;

/// A place in the text, by bytes and by lines and columns, all from zero.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    start: usize,
    line: usize,
    column: usize,
}

/// The cursor over a statement's tokens.
pub struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token<'t>>,
    at: usize,
    pub nesting: usize,
    pub parameters: usize,
    /// The place asked for last: the next one is counted from there.
    place: Cell<Place>,
    /// What is well formed and not supported: the first is reported when all has been read.
    unsupported: Option<Error>,
}

impl Statement {
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut parser = Parser {
            text,
            tokens: tokens(text)?,
            at: 0,
            nesting: 0,
            parameters: 0,
            place: Cell::default(),
            unsupported: None,
        };
        let begins = |word: &str| parser.peek().is(word);
        let is_exists = begins("EXISTS") && parser.peek_after().is_symbol("(");
        let body = if is_exists {
            parser.exists()?
        } else if ["SELECT", "INSERT", "UPDATE", "DELETE", "FROM"].into_iter().any(begins) {
            parser.body()?
        } else {
            let kind = expression(&mut parser)?.kind();
            parser.unsupported.get_or_insert_with(|| Error::Validation(format!("Unsupported operation: {kind}")));
            None
        };
        parser.take_symbol(";");
        if parser.peek().kind != TokenKind::End {
            return Err(malformed("Unexpected token after expression"));
        }
        match (parser.unsupported, body) {
            (None, Some(body)) => Ok(Self { body, parameters: parser.parameters }),
            (Some(error), _) => Err(error),
            (None, None) => Err(malformed("Unexpected term")),
        }
    }
}

impl<'t> Parser<'t> {
    pub fn peek(&self) -> &Token<'t> {
        self.token(self.at)
    }

    pub fn peek_after(&self) -> &Token<'t> {
        self.token(self.at + 1)
    }

    fn token(&self, at: usize) -> &Token<'t> {
        const NONE: &Token<'static> =
            &Token { kind: TokenKind::End, text: std::borrow::Cow::Borrowed(""), start: 0, end: 0 };
        // The last token is `End`.
        self.tokens.get(at).or(self.tokens.last()).unwrap_or(NONE)
    }

    pub const fn advance(&mut self) {
        self.at += 1;
    }

    pub fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.peek().is_symbol(symbol);
        self.at += usize::from(found);
        found
    }

    pub fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek().is(word);
        self.at += usize::from(found);
        found
    }

    pub fn expect_symbol(&mut self, symbol: &str, expected: &str) -> Result<(), Error> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(malformed(expected)) }
    }

    fn expect_word(&mut self, word: &str) -> Result<(), Error> {
        if self.take_word(word) { Ok(()) } else { Err(malformed(&format!("Expected {word}"))) }
    }

    /// Where the next token stands.
    pub fn position(&self) -> Position {
        let token = self.peek();
        let place = self.place.get();
        let mut place = if place.start <= token.start { place } else { Place::default() };
        for letter in self.text.get(place.start..token.start).unwrap_or_default().chars() {
            place.column += 1;
            if letter == '\n' {
                (place.line, place.column) = (place.line + 1, 0);
            }
        }
        place.start = token.start;
        self.place.set(place);
        let length = self.text.get(token.start..token.end).unwrap_or_default().chars().count();
        Position { line: place.line + 1, column: place.column + 1, length }
    }

    fn refuse(&mut self, message: impl Into<String>) {
        self.unsupported.get_or_insert_with(|| Error::validation(message));
    }

    /// A statement that begins with its keyword; `None` if the mistake in it is kept for later.
    pub fn body(&mut self) -> Result<Option<Body>, Error> {
        if self.take_word("SELECT") {
            self.select().map(|select| select.map(Body::Select))
        } else if self.take_word("INSERT") {
            self.insert()
        } else if self.take_word("UPDATE") {
            self.update()
        } else if self.take_word("DELETE") {
            self.delete()
        } else {
            self.advance();
            self.update_by_from()
        }
    }

    fn exists(&mut self) -> Result<Option<Body>, Error> {
        self.advance();
        self.advance();
        if !self.take_word("SELECT") {
            self.at -= 2;
            let kind = expression(self)?.kind();
            self.refuse(format!("Unsupported operation: {kind}"));
            return Ok(None);
        }
        let select = self.select()?;
        self.expect_symbol(")", "Expected RIGHT_PAREN")?;
        Ok(select.map(Body::Exists))
    }

    fn select(&mut self) -> Result<Option<Select>, Error> {
        for word in ["DISTINCT", "ALL", "VALUE"] {
            if self.peek().is(word) && !self.peek_after().is_symbol(",") && !self.peek_after().is("FROM") {
                self.refuse(format!("Unsupported clause: SELECT {word}"));
                self.advance();
                break;
            }
        }
        let columns = if self.take_symbol("*") {
            None
        } else {
            let mut columns = Vec::new();
            loop {
                columns.push(expression(self)?);
                self.alias(&["AS"])?;
                if !self.take_symbol(",") {
                    break;
                }
            }
            Some(columns)
        };
        self.expect_word("FROM")?;
        let source = self.source(true)?;
        self.alias(&["AS", "AT", "BY"])?;
        while self.take_symbol(",") || self.join() {
            self.source(true)?;
            self.alias(&["AS", "AT", "BY"])?;
            self.refuse("FROM clause may only contain a single table name");
            if self.take_word("ON") {
                expression(self)?;
            }
        }
        let condition = self.condition()?;
        let order = self.order()?;
        self.other_clauses()?;
        let source = self.checked_source(source);
        Ok(source.map(|source| Select { columns, source, condition, order }))
    }

    fn join(&mut self) -> bool {
        let from = self.at;
        for word in ["INNER", "LEFT", "RIGHT", "FULL", "CROSS", "OUTER"] {
            self.take_word(word);
        }
        let found = self.take_word("JOIN");
        if !found {
            self.at = from;
        }
        found
    }

    fn order(&mut self) -> Result<Vec<Order>, Error> {
        let mut order = Vec::new();
        if !self.take_word("ORDER") {
            return Ok(order);
        }
        self.expect_word("BY")?;
        loop {
            let key = expression(self)?;
            let descending = self.take_word("DESC");
            if !descending {
                self.take_word("ASC");
            }
            order.push(Order { key, descending });
            if !self.take_symbol(",") {
                return Ok(order);
            }
        }
    }

    /// Clauses of SQL that DynamoDB does not have.
    fn other_clauses(&mut self) -> Result<(), Error> {
        if self.take_word("GROUP") {
            self.expect_word("BY")?;
            self.other_clause("GROUP BY")?;
            while self.take_symbol(",") {
                expression(self)?;
            }
        }
        if self.take_word("HAVING") {
            self.other_clause("HAVING")?;
        }
        if self.take_word("LIMIT") {
            self.other_clause("LIMIT")?;
        }
        Ok(())
    }

    fn other_clause(&mut self, name: &str) -> Result<(), Error> {
        let position = self.position();
        expression(self)?;
        self.refuse(format!("Unsupported clause: {name} at {position}"));
        Ok(())
    }

    fn insert(&mut self) -> Result<Option<Body>, Error> {
        self.expect_word("INTO")?;
        let source = self.source(false)?;
        let is_value = self.take_word("VALUE");
        let item = expression(self)?;
        // Words that could only begin an expression make the real value a token that is left over.
        if !is_value && self.peek().kind == TokenKind::End {
            let kind = item.kind();
            self.refuse(format!("Unsupported operation: {kind}"));
        }
        if source.len() > 1 {
            self.refuse("FROM clause may only contain a single table name");
        }
        Ok(self.checked_source(source).map(|source| Body::Insert(Insert { source, item })))
    }

    fn update(&mut self) -> Result<Option<Body>, Error> {
        let source = self.source(false)?;
        self.alias(&["AS", "AT", "BY"])?;
        let changes = self.changes()?;
        let condition = self.condition()?;
        let returning = self.returning()?;
        let source = self.checked_source(source);
        Ok(source.map(|source| Body::Update(Update { source, changes, condition, returning })))
    }

    /// `FROM table WHERE … SET …`, which is another way to write an UPDATE.
    fn update_by_from(&mut self) -> Result<Option<Body>, Error> {
        let source = self.source(true)?;
        self.alias(&["AS", "AT", "BY"])?;
        let condition = self.condition()?;
        let changes = self.changes()?;
        let returning = self.returning()?;
        let source = self.checked_source(source);
        Ok(source.map(|source| Body::Update(Update { source, changes, condition, returning })))
    }

    fn delete(&mut self) -> Result<Option<Body>, Error> {
        self.expect_word("FROM")?;
        let source = self.source(false)?;
        self.alias(&["AS", "AT", "BY"])?;
        let condition = self.condition()?;
        let returning = self.returning()?;
        if let Some(returning) = returning
            && (returning.modified || returning.new)
        {
            self.refuse(format!(
                "Invalid returning clause: {returning}. Only RETURNING ALL OLD * is allowed in DELETE statements."
            ));
        }
        Ok(self.checked_source(source).map(|source| Body::Delete(Delete { source, condition, returning })))
    }

    fn changes(&mut self) -> Result<Vec<Assignment>, Error> {
        let mut changes = Vec::new();
        loop {
            if self.take_word("SET") {
                loop {
                    let path = self.simple_path()?;
                    self.expect_symbol("=", "Expected '='")?;
                    changes.push(Assignment::Set(path, expression(self)?));
                    if !self.take_symbol(",") {
                        break;
                    }
                }
            } else if self.take_word("REMOVE") {
                loop {
                    changes.push(Assignment::Remove(self.simple_path()?));
                    if !self.take_symbol(",") {
                        break;
                    }
                }
            } else if changes.is_empty() {
                return Err(malformed("Expected data manipulation"));
            } else {
                return Ok(changes);
            }
        }
    }

    fn simple_path(&mut self) -> Result<crate::expression::Path, Error> {
        if !matches!(self.peek().kind, TokenKind::Word | TokenKind::Quoted) {
            return Err(malformed("Expected identifier for simple path"));
        }
        self.path()
    }

    /// The names of a table and of its index, as written.
    fn source(&mut self, is_expression: bool) -> Result<Vec<String>, Error> {
        if !matches!(self.peek().kind, TokenKind::Word | TokenKind::Quoted) {
            if is_expression {
                let kind = self.term()?.kind();
                self.refuse(format!("Unsupported operation: {kind}"));
                return Ok(Vec::new());
            }
            return Err(malformed("Expected identifier for simple path"));
        }
        let mut names = Vec::new();
        loop {
            if !matches!(self.peek().kind, TokenKind::Word | TokenKind::Quoted) {
                return Err(malformed("Invalid path dot component"));
            }
            names.push(self.peek().text.to_string());
            self.advance();
            if !self.take_symbol(".") {
                return Ok(names);
            }
        }
    }

    fn checked_source(&mut self, names: Vec<String>) -> Option<Source> {
        if names.iter().any(String::is_empty) {
            self.refuse("Path component cannot be an empty string");
        }
        if names.len() > 2 {
            self.refuse("A path may contain at most 2 components in the FROM clause");
        }
        let mut names = names.into_iter();
        Some(Source { table: names.next()?, index: names.next() })
    }

    fn alias(&mut self, words: &[&str]) -> Result<(), Error> {
        for word in words {
            if self.take_word(word) {
                if !matches!(self.peek().kind, TokenKind::Word | TokenKind::Quoted) {
                    return Err(malformed("Expected identifier for alias"));
                }
                self.advance();
                self.refuse("Aliasing is not supported");
            }
        }
        if matches!(self.peek().kind, TokenKind::Word | TokenKind::Quoted) && !self.peek().is("RETURNING") {
            self.advance();
            self.refuse("Aliasing is not supported");
        }
        Ok(())
    }

    fn condition(&mut self) -> Result<Option<Expression>, Error> {
        if self.take_word("WHERE") { expression(self).map(Some) } else { Ok(None) }
    }

    fn returning(&mut self) -> Result<Option<Returning>, Error> {
        if !self.take_word("RETURNING") {
            return Ok(None);
        }
        let modified = self.take_word("MODIFIED");
        if !modified && !self.take_word("ALL") {
            return Err(malformed("Expected ALL or MODIFIED"));
        }
        let new = self.take_word("NEW");
        if !new && !self.take_word("OLD") {
            return Err(malformed("Expected OLD or NEW"));
        }
        self.expect_symbol("*", "Expected STAR")?;
        Ok(Some(Returning { modified, new }))
    }
}
