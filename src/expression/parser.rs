//! What the grammars share: the cursor over tokens, document paths, placeholders, function calls, and the findings that
//! are reported once the whole expression has proved to be well-formed.
//!
//! DynamoDB reports a syntax error before anything else wrong with an expression. So a syntax error ends parsing at
//! once, while every other finding is only noted, and the gravest is reported at the end; until then something
//! harmless stands in its place. Recursion happens in function calls only and is bounded by `MAX_CALL_DEPTH`.

use super::path::{Element, MAX_INDEX, MAX_LEVELS, Path};
use super::reserved_words::is_reserved;
use super::token::{Token, TokenKind, tokens};
use super::{Kind, Substitutions};
use crate::error::Error;
use crate::item::{AttributeValue, Name};

/// Bytes of one expression. Source: Developer Guide, "Service, account, and table quotas".
const MAX_BYTES: usize = 4096;
/// Comparators, arithmetic and functions in one expression; AND, OR and NOT do not count. Source: the same page, and
/// what was measured for ScyllaDB's issue 14473.
const MAX_OPERATORS: usize = 300;
/// Functions within functions. DynamoDB states no limit; nothing sensible needs more than three.
const MAX_CALL_DEPTH: usize = 16;

/// What can be wrong with a well-formed expression, gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Finding {
    RedundantParentheses,
    RepeatedSection,
    Function,
    ReservedWord,
    Path,
    UndefinedName,
    UndefinedValue,
    Operands,
    OperandTypes,
    Distinct,
    Bounds,
    Clash,
}

/// An operand as written.
#[derive(Clone, Debug)]
pub(super) enum Operand<'t> {
    Path(Path),
    Value(AttributeValue),
    Call(Call<'t>),
}

/// A function call as written: neither its name nor its operands are checked.
#[derive(Clone, Debug)]
pub(super) struct Call<'t> {
    pub function: &'t str,
    pub operands: Vec<Operand<'t>>,
}

/// Where findings are noted.
pub(super) trait Note {
    fn note(&mut self, finding: Finding, message: impl FnOnce() -> String);
}

/// The gravest finding so far; of equally grave ones, the first.
#[derive(Debug, Default)]
pub(super) struct Gravest(Option<(Finding, String)>);

impl Gravest {
    pub fn message(self) -> Option<String> {
        self.0.map(|(_, message)| message)
    }
}

impl Note for Gravest {
    fn note(&mut self, finding: Finding, message: impl FnOnce() -> String) {
        if self.0.as_ref().is_none_or(|(gravest, _)| finding < *gravest) {
            self.0 = Some((finding, message()));
        }
    }
}

impl Note for Parser<'_, '_, '_> {
    fn note(&mut self, finding: Finding, message: impl FnOnce() -> String) {
        self.gravest.note(finding, message);
    }
}

pub(super) struct Parser<'t, 's, 'v> {
    kind: Kind,
    text: &'t str,
    tokens: Vec<Token<'t>>,
    at: usize,
    substitutions: &'s mut Substitutions<'v>,
    operators: usize,
    gravest: Gravest,
}

impl<'t, 's, 'v> Parser<'t, 's, 'v> {
    pub fn new(kind: Kind, text: &'t str, substitutions: &'s mut Substitutions<'v>) -> Result<Self, Error> {
        if text.len() > MAX_BYTES {
            let size = text.len();
            return Err(invalid(
                kind,
                &format!("Expression size has exceeded the maximum allowed size; expression size: {size}"),
            ));
        }
        let tokens = tokens(text);
        if tokens.len() <= 1 {
            return Err(invalid(kind, "The expression can not be empty;"));
        }
        Ok(Self { kind, text, tokens, at: 0, substitutions, operators: 0, gravest: Gravest::default() })
    }

    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// To be called when all is read: reports the gravest finding.
    pub fn finish(self) -> Result<(), Error> {
        match self.gravest.message() {
            Some(message) => Err(invalid(self.kind, &message)),
            None => Ok(()),
        }
    }

    /// The number of the next token.
    pub const fn position(&self) -> usize {
        self.at
    }

    pub fn peek(&self) -> Token<'t> {
        self.peek_at(self.at)
    }

    fn peek_at(&self, at: usize) -> Token<'t> {
        let end = Token { kind: TokenKind::End, text: "", start: self.text.len() };
        self.tokens.get(at).copied().unwrap_or(end)
    }

    pub const fn advance(&mut self) {
        self.at += 1;
    }

    /// Takes the next token if it is of this kind.
    pub fn take(&mut self, kind: TokenKind) -> bool {
        let found = self.peek().kind == kind;
        self.at += usize::from(found);
        found
    }

    /// Takes the next token if it is this keyword, in any case.
    pub fn take_word(&mut self, keyword: &str) -> bool {
        let found = self.peek().is_word(keyword);
        self.at += usize::from(found);
        found
    }

    pub fn expect(&mut self, kind: TokenKind) -> Result<(), Error> {
        if self.take(kind) { Ok(()) } else { Err(self.syntax_error()) }
    }

    pub fn expect_word(&mut self, keyword: &str) -> Result<(), Error> {
        if self.take_word(keyword) { Ok(()) } else { Err(self.syntax_error()) }
    }

    /// The error of meeting the next token where it makes no sense. `near` is the text from the token before to the
    /// token after it.
    pub fn syntax_error(&self) -> Error {
        let token = self.peek();
        let from = self.at.checked_sub(1).map_or(token.start, |before| self.peek_at(before).start);
        let near = self.text.get(from..self.peek_at(self.at + 1).end()).unwrap_or_default().trim_end();
        let shown = if token.kind == TokenKind::End { "<EOF>" } else { token.text };
        invalid(self.kind, &format!("Syntax error; token: \"{shown}\", near: \"{near}\""))
    }

    pub fn count_operator(&mut self) -> Result<(), Error> {
        self.operators += 1;
        if self.operators > MAX_OPERATORS {
            let count = self.operators;
            return Err(invalid(
                self.kind,
                &format!("The expression contains too many operators; operator count: {count}"),
            ));
        }
        Ok(())
    }

    pub fn path(&mut self) -> Result<Path, Error> {
        let root = self.path_name()?;
        let mut path = Path::top_level(root);
        let mut levels = 1;
        loop {
            let element = if self.take(TokenKind::Dot) {
                Element::Key(self.path_name()?)
            } else if self.take(TokenKind::OpenBracket) {
                let token = self.peek();
                self.expect(TokenKind::Digits)?;
                self.expect(TokenKind::CloseBracket)?;
                Element::Index(self.index(token.text))
            } else {
                break;
            };
            levels += 1;
            if levels <= MAX_LEVELS {
                path.rest.push(element);
            }
        }
        if levels > MAX_LEVELS {
            self.note(Finding::Path, || {
                format!("The document path has too many nesting elements; nesting levels: {levels}")
            });
        }
        Ok(path)
    }

    /// Whether `token` has a place of its own in the grammar, and so cannot be a name.
    fn is_keyword(&self, token: Token<'_>) -> bool {
        let keywords: &[&str] = match self.kind {
            Kind::Condition | Kind::Filter | Kind::KeyCondition | Kind::SearchCondition => {
                &["AND", "OR", "NOT", "BETWEEN", "IN"]
            }
            Kind::Update => &["SET", "REMOVE", "ADD", "DELETE"],
            Kind::Projection => &[],
        };
        keywords.iter().any(|keyword| token.is_word(keyword))
    }

    fn index(&mut self, digits: &str) -> u32 {
        digits.parse().ok().filter(|index| *index <= MAX_INDEX).unwrap_or_else(|| {
            self.note(Finding::Path, || format!("List index is not within the allowable range; index: [{digits}]"));
            0
        })
    }

    fn path_name(&mut self) -> Result<Name, Error> {
        let token = self.peek();
        match token.kind {
            TokenKind::Word if !self.is_keyword(token) => {
                if is_reserved(token.text) {
                    self.note(Finding::ReservedWord, || {
                        format!("Attribute name is a reserved keyword; reserved keyword: {}", token.text)
                    });
                }
                self.advance();
                Ok(token.text.into())
            }
            TokenKind::Name => {
                self.advance();
                if let Some(name) = self.substitutions.name(token.text) {
                    return Ok(name.into());
                }
                self.note(Finding::UndefinedName, || {
                    format!(
                        "An expression attribute name used in the document path is not defined; attribute name: {}",
                        token.text
                    )
                });
                Ok(token.text.into())
            }
            _ => Err(self.syntax_error()),
        }
    }

    /// The value of the placeholder that comes next.
    pub fn value(&mut self) -> Result<AttributeValue, Error> {
        let token = self.peek();
        self.expect(TokenKind::Value)?;
        match self.substitutions.value(token.text) {
            Some(value) => Ok(value.clone()),
            None => {
                self.note(Finding::UndefinedValue, || {
                    format!(
                        "An expression attribute value used in expression is not defined; attribute value: {}",
                        token.text
                    )
                });
                Ok(AttributeValue::Null)
            }
        }
    }

    /// A path, a value or a function call, without parentheses around it.
    pub fn operand(&mut self) -> Result<Operand<'t>, Error> {
        self.operand_within(0)
    }

    /// An operand with any number of parentheses around it, of which two are one too many.
    pub fn enclosed_operand(&mut self) -> Result<Operand<'t>, Error> {
        self.enclosed_operand_within(0)
    }

    fn enclosed_operand_within(&mut self, calls: usize) -> Result<Operand<'t>, Error> {
        let opened = self.opened();
        let operand = self.operand_within(calls)?;
        for _ in 0..opened {
            self.expect(TokenKind::Close)?;
        }
        if opened > 1 {
            self.note_redundant_parentheses();
        }
        Ok(operand)
    }

    /// Takes the opening parentheses that come next and counts them.
    pub fn opened(&mut self) -> usize {
        let from = self.at;
        while self.take(TokenKind::Open) {}
        self.at - from
    }

    pub fn note_redundant_parentheses(&mut self) {
        self.note(Finding::RedundantParentheses, || "The expression has redundant parentheses;".to_owned());
    }

    fn operand_within(&mut self, calls: usize) -> Result<Operand<'t>, Error> {
        let token = self.peek();
        match token.kind {
            TokenKind::Value => self.value().map(Operand::Value),
            TokenKind::Word if !self.is_keyword(token) && self.peek_at(self.at + 1).kind == TokenKind::Open => {
                self.call(token.text, calls)
            }
            _ => self.path().map(Operand::Path),
        }
    }

    fn call(&mut self, function: &'t str, calls: usize) -> Result<Operand<'t>, Error> {
        if calls >= MAX_CALL_DEPTH {
            return Err(invalid(
                self.kind,
                &format!("The expression has too many nested functions; function: {function}"),
            ));
        }
        self.count_operator()?;
        self.advance();
        self.expect(TokenKind::Open)?;
        let mut operands = Vec::with_capacity(2);
        loop {
            operands.push(self.enclosed_operand_within(calls + 1)?);
            if !self.take(TokenKind::Comma) {
                break;
            }
        }
        self.expect(TokenKind::Close)?;
        Ok(Operand::Call(Call { function, operands }))
    }
}

fn invalid(kind: Kind, message: &str) -> Error {
    Error::validation(format!("Invalid {}: {message}", kind.parameter()))
}
