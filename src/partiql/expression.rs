//! The terms of expressions: literals, names and paths, parameters, calls.
//!
//! What holds expressions itself (lists, maps, sets, arguments, statements in the place of a term) recurses, no deeper than
//! `MAX_NESTING`.

use super::keywords::may_be_called;
use super::malformed;
use super::operators::expression;
use super::parser::Parser;
use super::statement::Expression;
use super::token::TokenKind;
use crate::error::Error;
use crate::expression::{Element, Path};
use crate::item::Invalid;

/// Somewhat more than the 32 levels that a value may have.
const MAX_NESTING: usize = 40;

impl Parser<'_> {
    /// A whole expression within something else.
    pub fn nested_expression(&mut self) -> Result<Expression, Error> {
        self.nested(expression)
    }

    /// Runs `parse` one level deeper.
    pub fn nested<T>(&mut self, parse: fn(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(Invalid::too_deep().into());
        }
        let found = parse(self)?;
        self.nesting -= 1;
        Ok(found)
    }

    /// A term without operators.
    pub fn term(&mut self) -> Result<Expression, Error> {
        let token = self.peek().clone();
        match token.kind {
            TokenKind::Word | TokenKind::Quoted => {
                if token.kind == TokenKind::Word && self.peek_after().is_symbol("(") {
                    return self.call();
                }
                let position = self.position();
                self.path().map(|path| Expression::Path(path, position))
            }
            TokenKind::Keyword => self.keyword_term(&token.text.to_ascii_lowercase()),
            TokenKind::Text => {
                self.advance();
                Ok(Expression::Text(token.text.into_owned()))
            }
            TokenKind::Number => {
                self.advance();
                Ok(Expression::Number(token.text.into_owned()))
            }
            TokenKind::Symbol => match token.text.as_ref() {
                "?" => {
                    self.advance();
                    self.parameters += 1;
                    Ok(Expression::Parameter(self.parameters - 1))
                }
                "[" => self.elements("]", "Expected RIGHT_BRACKET").map(Expression::List),
                "<<" => self.elements(">>", "Expected RIGHT_DOUBLE_ANGLE_BRACKET").map(Expression::Set),
                "{" => self.map(),
                "=" | "<>" | "!=" | "<" | "<=" | ">" | ">=" | "*" | "/" | "%" | "||" => {
                    Err(malformed("Unexpected operator"))
                }
                _ => Err(malformed("Unexpected term")),
            },
            TokenKind::End => Err(malformed("Unexpected term")),
        }
    }

    fn keyword_term(&mut self, word: &str) -> Result<Expression, Error> {
        let literal = match word {
            "true" => Expression::Bool(true),
            "false" => Expression::Bool(false),
            "null" => Expression::Null,
            "missing" => Expression::Missing,
            "and" | "or" | "is" | "in" | "like" | "between" => return Err(malformed("Unexpected operator")),
            // A statement where a term belongs: its own mistakes come first.
            "select" | "from" | "insert" | "update" | "delete" => {
                self.nested(Self::body)?;
                return Err(Error::validation("Statements within statements are not supported"));
            }
            _ if may_be_called(word) && self.peek_after().is_symbol("(") => return self.call(),
            _ => return Err(malformed("Unexpected keyword")),
        };
        self.advance();
        Ok(literal)
    }

    fn call(&mut self) -> Result<Expression, Error> {
        let position = self.position();
        let function = self.peek().text.to_ascii_lowercase();
        self.advance();
        let arguments = if self.peek_after().is_symbol("*") {
            // COUNT(*) and the like.
            self.advance();
            self.advance();
            self.expect_symbol(")", "Expected RIGHT_PAREN")?;
            Vec::new()
        } else {
            self.elements(")", "Expected RIGHT_PAREN")?
        };
        Ok(Expression::Call { function, arguments, position })
    }

    /// Expressions between an opening symbol, which comes next, and a closing one.
    fn elements(&mut self, close: &str, expected: &str) -> Result<Vec<Expression>, Error> {
        self.advance();
        let mut found = Vec::new();
        if self.take_symbol(close) {
            return Ok(found);
        }
        loop {
            found.push(self.nested_expression()?);
            if !self.take_symbol(",") {
                self.expect_symbol(close, expected)?;
                return Ok(found);
            }
        }
    }

    fn map(&mut self) -> Result<Expression, Error> {
        self.advance();
        let mut entries = Vec::new();
        if self.take_symbol("}") {
            return Ok(Expression::Map(entries));
        }
        loop {
            let name = self.nested_expression()?;
            self.expect_symbol(":", "Expected COLON")?;
            entries.push((name, self.nested_expression()?));
            if !self.take_symbol(",") {
                self.expect_symbol("}", "Expected RIGHT_CURLY")?;
                return Ok(Expression::Map(entries));
            }
        }
    }

    /// A name, which comes next, and the steps behind it.
    pub fn path(&mut self) -> Result<Path, Error> {
        let mut path = Path::top_level(self.peek().text.as_ref());
        self.advance();
        loop {
            if self.take_symbol(".") {
                let token = self.peek();
                if !matches!(token.kind, TokenKind::Word | TokenKind::Quoted) {
                    return Err(malformed("Invalid path dot component"));
                }
                path.rest.push(Element::Key(token.text.as_ref().into()));
                self.advance();
            } else if self.take_symbol("[") {
                let token = self.peek().clone();
                let element = match token.kind {
                    TokenKind::Number => match token.text.parse() {
                        Ok(at) => Element::Index(at),
                        Err(_) => {
                            let text = &token.text;
                            return Err(Error::Validation(format!(
                                "List index is not within the allowable range; index: [{text}]"
                            )));
                        }
                    },
                    TokenKind::Text => Element::Key(token.text.as_ref().into()),
                    _ => return Err(malformed("Invalid path component")),
                };
                self.advance();
                self.expect_symbol("]", "Expected RIGHT_BRACKET")?;
                path.rest.push(element);
            } else {
                return Ok(path);
            }
        }
    }
}
