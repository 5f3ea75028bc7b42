//! Operators by their precedence, on lists of their own instead of the stack.
//!
//! Terms and what waits for its right-hand side lie on two lists, so neither parentheses nor chains of operators recurse.
//! Every term carries its depth, which is bounded: so whatever walks, prints or drops a tree may recurse.

use super::malformed;
use super::parser::Parser;
use super::statement::{Expression, Infix, Type};
use super::token::TokenKind;
use crate::error::Error;

/// Deepest tree. DynamoDB's own bound is not known; the message is ours.
const MAX_DEPTH: usize = 200;

const OR: u8 = 10;
const AND: u8 = 20;
const NOT: u8 = 30;
const EQUALITY: u8 = 40;
const COMPARISON: u8 = 50;
const SIGN: u8 = 100;

/// What waits for its right-hand side, or for its closing parenthesis.
enum Pending {
    /// A parenthesis, and how many terms there were before it.
    Open(usize),
    Not,
    Negative,
    And,
    Or,
    Infix(Infix),
    In {
        negated: bool,
    },
    Like {
        negated: bool,
    },
    /// Waits for its lower bound, and behind that for AND.
    Between {
        negated: bool,
    },
    /// Has its lower bound and waits for the upper one.
    BetweenAnd {
        negated: bool,
    },
}

impl Pending {
    /// Stronger ones are done first; a parenthesis is left alone.
    const fn precedence(&self) -> u8 {
        match self {
            Self::Open(_) => 0,
            Self::Or => OR,
            Self::And => AND,
            Self::Not => NOT,
            Self::Infix(infix) => infix_precedence(*infix),
            Self::In { .. } | Self::Like { .. } | Self::Between { .. } | Self::BetweenAnd { .. } => COMPARISON,
            Self::Negative => SIGN,
        }
    }
}

const fn infix_precedence(infix: Infix) -> u8 {
    match infix {
        Infix::Equal | Infix::NotEqual => EQUALITY,
        Infix::Less | Infix::LessOrEqual | Infix::Greater | Infix::GreaterOrEqual => COMPARISON,
        Infix::Concat => 70,
        Infix::Plus | Infix::Minus => 80,
        Infix::Times | Infix::Divide | Infix::Modulo => 90,
    }
}

const INFIXES: [(&str, Infix); 13] = [
    ("=", Infix::Equal),
    ("<>", Infix::NotEqual),
    ("!=", Infix::NotEqual),
    ("<", Infix::Less),
    ("<=", Infix::LessOrEqual),
    (">", Infix::Greater),
    (">=", Infix::GreaterOrEqual),
    ("+", Infix::Plus),
    ("-", Infix::Minus),
    ("*", Infix::Times),
    ("/", Infix::Divide),
    ("%", Infix::Modulo),
    ("||", Infix::Concat),
];

#[derive(Default)]
struct Machine {
    /// Each with its depth.
    terms: Vec<(Expression, usize)>,
    pending: Vec<Pending>,
    /// How many parentheses wait for their end.
    open: usize,
}

/// An expression, as far as it goes.
pub fn expression(parser: &mut Parser<'_>) -> Result<Expression, Error> {
    let mut machine = Machine::default();
    loop {
        machine.prefixes(parser);
        let infix_waits = machine.pending.last().is_some_and(|last| {
            matches!(last, Pending::And | Pending::Or | Pending::Infix(_) | Pending::In { .. } | Pending::Like { .. })
        });
        if infix_waits && parser.peek().kind == TokenKind::End {
            return Err(malformed("Missing right-hand side expression of infix operator"));
        }
        let term = parser.term()?;
        let depth = depth_of(&term);
        machine.terms.push((term, depth));
        if !machine.operator(parser)? {
            return machine.finish();
        }
    }
}

impl Machine {
    fn prefixes(&mut self, parser: &mut Parser<'_>) {
        loop {
            let pending = if parser.take_symbol("(") {
                self.open += 1;
                Pending::Open(self.terms.len())
            } else if parser.take_word("NOT") {
                Pending::Not
            } else if parser.take_symbol("-") {
                Pending::Negative
            } else if parser.take_symbol("+") {
                continue;
            } else {
                return;
            };
            self.pending.push(pending);
        }
    }

    /// Takes closing parentheses and postfix operators, then the operator that leads to the next term; false at the
    /// expression's end.
    fn operator(&mut self, parser: &mut Parser<'_>) -> Result<bool, Error> {
        loop {
            if self.is_open() && parser.peek().is_symbol(")") {
                parser.advance();
                self.close()?;
            } else if self.is_open() && parser.take_symbol(",") {
                self.settle(0)?;
                return Ok(true);
            } else if parser.take_word("IS") {
                self.settle(EQUALITY)?;
                let negated = parser.take_word("NOT");
                let wanted = type_name(parser)?;
                let (term, depth) = self.pop()?;
                self.push(Expression::Is(Box::new(term), wanted), depth + 1)?;
                if negated {
                    let (term, depth) = self.pop()?;
                    self.push(Expression::Not(Box::new(term)), depth + 1)?;
                }
            } else if let Some((_, infix)) = INFIXES.iter().find(|(symbol, _)| parser.peek().is_symbol(symbol)) {
                parser.advance();
                self.settle(infix_precedence(*infix))?;
                self.pending.push(Pending::Infix(*infix));
                return Ok(true);
            } else if parser.peek().is("AND") {
                parser.advance();
                self.settle(COMPARISON + 1)?;
                match self.pending.last_mut() {
                    Some(last @ Pending::Between { .. }) => {
                        let negated = matches!(last, Pending::Between { negated: true });
                        *last = Pending::BetweenAnd { negated };
                    }
                    _ => {
                        self.settle(AND)?;
                        self.pending.push(Pending::And);
                    }
                }
                return Ok(true);
            } else if parser.take_word("OR") {
                self.settle(OR)?;
                self.pending.push(Pending::Or);
                return Ok(true);
            } else {
                let negated = parser.peek().is("NOT");
                let word = if negated { parser.peek_after() } else { parser.peek() };
                let pending = if word.is("IN") {
                    Pending::In { negated }
                } else if word.is("BETWEEN") {
                    Pending::Between { negated }
                } else if word.is("LIKE") {
                    Pending::Like { negated }
                } else {
                    return Ok(false);
                };
                if negated {
                    parser.advance();
                }
                parser.advance();
                self.settle(COMPARISON)?;
                self.pending.push(pending);
                return Ok(true);
            }
        }
    }

    const fn is_open(&self) -> bool {
        self.open > 0
    }

    /// What the innermost parenthesis holds: one expression as it is, several as a list.
    fn close(&mut self) -> Result<(), Error> {
        self.settle(0)?;
        let Some(Pending::Open(before)) = self.pending.pop() else { return Err(malformed("Expected RIGHT_PAREN")) };
        self.open -= 1;
        if self.terms.len() > before + 1 {
            let (elements, depths): (Vec<_>, Vec<_>) = self.terms.drain(before..).unzip();
            let depth = depths.into_iter().max().unwrap_or_default();
            self.push(Expression::List(elements), depth + 1)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Expression, Error> {
        self.settle(0)?;
        if !self.pending.is_empty() {
            return Err(malformed("Expected RIGHT_PAREN"));
        }
        self.pop().map(|(expression, _)| expression)
    }

    fn pop(&mut self) -> Result<(Expression, usize), Error> {
        self.terms.pop().ok_or_else(|| malformed("Unexpected term"))
    }

    fn push(&mut self, expression: Expression, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        self.terms.push((expression, depth));
        Ok(())
    }

    /// Does everything that binds at least so strongly, back to the innermost parenthesis.
    fn settle(&mut self, least: u8) -> Result<(), Error> {
        while let Some(last) = self.pending.last() {
            if matches!(last, Pending::Open(_)) || last.precedence() < least {
                return Ok(());
            }
            if let Some(last) = self.pending.pop() {
                self.apply(&last)?;
            }
        }
        Ok(())
    }

    fn apply(&mut self, pending: &Pending) -> Result<(), Error> {
        let (right, mut depth) = self.pop()?;
        let right = Box::new(right);
        let mut left = || -> Result<Box<Expression>, Error> {
            let (left, its_depth) = self.terms.pop().ok_or_else(|| malformed("Unexpected term"))?;
            depth = depth.max(its_depth);
            Ok(Box::new(left))
        };
        let (expression, negated) = match pending {
            Pending::Not => (Expression::Not(right), false),
            Pending::Negative => match *right {
                Expression::Number(text) if !text.starts_with('-') => {
                    return self.push(Expression::Number(format!("-{text}")), depth);
                }
                other => (Expression::Negative(Box::new(other)), false),
            },
            Pending::And | Pending::Or => return self.join(pending, *right, depth),
            Pending::Infix(infix) => (Expression::Infix(*infix, left()?, right), false),
            Pending::In { negated } => (Expression::In(left()?, right), *negated),
            Pending::Like { negated } => (Expression::Like(left()?, right), *negated),
            Pending::BetweenAnd { negated } => {
                let low = left()?;
                (Expression::Between(left()?, low, right), *negated)
            }
            // A lower bound without AND behind it, or a parenthesis without its end.
            Pending::Between { .. } => return Err(malformed("Expected AND after BETWEEN")),
            Pending::Open(_) => return Err(malformed("Expected RIGHT_PAREN")),
        };
        if negated {
            self.push(Expression::Not(Box::new(expression)), depth + 2)
        } else {
            self.push(expression, depth + 1)
        }
    }

    /// A conjunction or disjunction of both sides; a side that is one itself goes on in the same list.
    fn join(&mut self, pending: &Pending, right: Expression, right_depth: usize) -> Result<(), Error> {
        let (left, left_depth) = self.pop()?;
        let is_and = matches!(pending, Pending::And);
        let (mut all, left_depth) = members(is_and, left, left_depth);
        let (more, right_depth) = members(is_and, right, right_depth);
        all.extend(more);
        let expression = if is_and { Expression::And(all) } else { Expression::Or(all) };
        self.push(expression, 1 + left_depth.max(right_depth))
    }
}

/// What one side of AND or OR gives to the list, and how deep its members are.
fn members(is_and: bool, side: Expression, depth: usize) -> (Vec<Expression>, usize) {
    match side {
        Expression::And(list) if is_and => (list, depth - 1),
        Expression::Or(list) if !is_and => (list, depth - 1),
        other => (vec![other], depth),
    }
}

/// The depth of a term, whose own recursion the parser bounds.
fn depth_of(term: &Expression) -> usize {
    let deepest = |elements: &[Expression]| 1 + elements.iter().map(depth_of).max().unwrap_or(0);
    match term {
        Expression::List(elements) | Expression::Set(elements) | Expression::Call { arguments: elements, .. } => {
            deepest(elements)
        }
        Expression::Map(entries) => 1 + entries.iter().map(|(_, value)| depth_of(value)).max().unwrap_or(0),
        Expression::And(list) | Expression::Or(list) => deepest(list),
        Expression::Not(one) | Expression::Negative(one) | Expression::Is(one, _) => 1 + depth_of(one),
        Expression::Infix(_, one, two) | Expression::In(one, two) | Expression::Like(one, two) => {
            1 + depth_of(one).max(depth_of(two))
        }
        Expression::Between(one, two, three) => 1 + depth_of(one).max(depth_of(two)).max(depth_of(three)),
        _ => 1,
    }
}

/// The type that IS asks for; some of their names are two words.
fn type_name(parser: &mut Parser<'_>) -> Result<Type, Error> {
    let token = parser.peek().clone();
    let name = match token.kind {
        TokenKind::Word | TokenKind::Keyword => token.text.to_ascii_lowercase(),
        _ => return Err(malformed("Expected type name")),
    };
    let found = match name.as_str() {
        "missing" => Type::Missing,
        "null" => Type::Null,
        "bool" | "boolean" => Type::Bool,
        "smallint" | "int" | "int2" | "int4" | "int8" | "integer" | "integer2" | "integer4" | "integer8" | "bigint"
        | "float" | "real" | "decimal" | "dec" | "numeric" | "double" => Type::Number,
        "char" | "character" | "varchar" | "string" | "symbol" => Type::String,
        "clob" | "blob" => Type::Binary,
        "struct" | "tuple" => Type::Map,
        "list" => Type::List,
        "bag" => Type::Set,
        "timestamp" | "date" | "time" | "sexp" | "any" => Type::Other,
        _ => return Err(malformed("Expected type name")),
    };
    parser.advance();
    match name.as_str() {
        "double" if !parser.take_word("PRECISION") => Err(malformed("Expected type name")),
        "character" => {
            parser.take_word("VARYING");
            Ok(found)
        }
        _ => Ok(found),
    }
}

/// The wording is ours.
pub fn too_deep() -> Error {
    malformed("The expression is nested too deeply")
}
