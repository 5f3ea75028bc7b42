//! Conditions and filters: the grammar, and the flat program it is compiled to.
//!
//! A condition is a list of steps over one truth value: tests set it, AND and OR are jumps that depend on it. So
//! neither parsing, nor evaluating, nor dropping a condition recurses, however deep its parentheses are. `NOT` binds
//! tighter than `AND`, and `AND` tighter than `OR`.

use super::operands::{checked_operand, checked_test};
use super::parser::{Finding, Note, Operand as Written, Parser};
use super::token::TokenKind;
use super::{Kind, Path, Substitutions};
use crate::error::Error;
use crate::item::{AttributeValue, Item};

/// Most operands of IN. Source: Developer Guide, "Service, account, and table quotas".
pub(super) const MAX_IN_OPERANDS: usize = 100;

/// A parsed ConditionExpression or FilterExpression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Test(Test),
    Not,
    /// Goes on at the given step if the truth value is false: what AND leaves out.
    UnlessTrue(usize),
    /// Goes on at the given step if the truth value is true: what OR leaves out.
    IfTrue(usize),
}

/// One test of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    Compare(Comparator, Operand, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
    Exists(Path),
    NotExists(Path),
    HasType(Operand, Operand),
    BeginsWith(Operand, Operand),
    Contains(Operand, Operand),
    /// Stands where a test was refused and the error is noted, and for a condition without tests: always true.
    Always,
}

/// What a test is about or compares with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    Path(Path),
    Value(AttributeValue),
    /// `size(path)`
    Size(Path),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparator {
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    const fn of(token: TokenKind) -> Option<Self> {
        Some(match token {
            TokenKind::Equal => Self::Equal,
            TokenKind::NotEqual => Self::NotEqual,
            TokenKind::Less => Self::Less,
            TokenKind::LessOrEqual => Self::LessOrEqual,
            TokenKind::Greater => Self::Greater,
            TokenKind::GreaterOrEqual => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    /// What `b ? a` must be for it to say what `a self b` says.
    pub const fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            Self::Equal | Self::NotEqual => self,
        }
    }
}

impl Test {
    pub fn operands(&self) -> impl Iterator<Item = &Operand> {
        let (single, list): ([Option<&Operand>; 3], &[Operand]) = match self {
            Self::Compare(_, one, two)
            | Self::HasType(one, two)
            | Self::BeginsWith(one, two)
            | Self::Contains(one, two) => ([Some(one), Some(two), None], &[]),
            Self::Between(one, two, three) => ([Some(one), Some(two), Some(three)], &[]),
            Self::In(one, list) => ([Some(one), None, None], list),
            Self::Exists(_) | Self::NotExists(_) | Self::Always => ([None; 3], &[]),
        };
        single.into_iter().flatten().chain(list)
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        let tested = match self {
            Self::Exists(path) | Self::NotExists(path) => Some(path),
            _ => None,
        };
        tested.into_iter().chain(self.operands().filter_map(|operand| match operand {
            Operand::Path(path) | Operand::Size(path) => Some(path),
            Operand::Value(_) => None,
        }))
    }
}

impl Condition {
    /// Parses and checks `text`; `kind` is `Kind::Condition` or `Kind::Filter` and opens the messages.
    pub fn parse(kind: Kind, text: &str, substitutions: &mut Substitutions<'_>) -> Result<Self, Error> {
        let mut parser = Parser::new(kind, text, substitutions)?;
        let mut compiler = Compiler::default();
        compiler.compile(&mut parser)?;
        parser.finish()?;
        Ok(Self { steps: compiler.steps })
    }

    /// Whether the condition holds for `item`; `None` is an item that does not exist, which has no attributes.
    pub fn matches(&self, item: Option<&Item>) -> bool {
        let nothing = Item::new();
        let item = item.unwrap_or(&nothing);
        let (mut truth, mut at) = (true, 0);
        while let Some(step) = self.steps.get(at) {
            at += 1;
            match step {
                Step::Test(test) => truth = test.holds(item),
                Step::Not => truth = !truth,
                Step::UnlessTrue(target) if !truth => at = *target,
                Step::IfTrue(target) if truth => at = *target,
                Step::UnlessTrue(_) | Step::IfTrue(_) => {}
            }
        }
        truth
    }

    /// Every document path the condition reads, in order of appearance.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.steps
            .iter()
            .filter_map(|step| if let Step::Test(test) = step { Some(test) } else { None })
            .flat_map(Test::paths)
    }
}

/// What waits for its right-hand side, or for its closing parenthesis.
enum Pending {
    /// The number of the token that opened the group.
    Open(usize),
    Not,
    /// The jump whose target is not known yet.
    And(usize),
    Or(usize),
}

#[derive(Default)]
struct Compiler {
    steps: Vec<Step>,
    pending: Vec<Pending>,
    /// Tokens that opened and closed the group that was closed last.
    last_group: Option<(usize, usize)>,
}

impl Compiler {
    fn compile(&mut self, parser: &mut Parser<'_, '_, '_>) -> Result<(), Error> {
        loop {
            self.prefixes(parser);
            let test = self.test(parser)?;
            self.steps.push(Step::Test(test));
            self.settle_not();
            // Closing parentheses, then the operator that leads to the next test.
            loop {
                if parser.peek().kind == TokenKind::End {
                    self.settle(true);
                    return if self.pending.is_empty() { Ok(()) } else { Err(parser.syntax_error()) };
                } else if parser.take_word("AND") {
                    self.settle(false);
                    self.pending.push(Pending::And(self.steps.len()));
                    self.steps.push(Step::UnlessTrue(0));
                    break;
                } else if parser.take_word("OR") {
                    self.settle(true);
                    self.pending.push(Pending::Or(self.steps.len()));
                    self.steps.push(Step::IfTrue(0));
                    break;
                }
                if parser.peek().kind == TokenKind::Close {
                    self.settle(true);
                }
                if !self.close_group(parser) {
                    return Err(parser.syntax_error());
                }
                self.settle_not();
            }
        }
    }

    fn prefixes(&mut self, parser: &mut Parser<'_, '_, '_>) {
        loop {
            let position = parser.position();
            if parser.take(TokenKind::Open) {
                self.pending.push(Pending::Open(position));
            } else if parser.take_word("NOT") {
                self.pending.push(Pending::Not);
            } else {
                return;
            }
        }
    }

    /// Takes a closing parenthesis if it closes the innermost group, which must not hold just another group.
    fn close_group(&mut self, parser: &mut Parser<'_, '_, '_>) -> bool {
        let closed = parser.position();
        let Some(Pending::Open(opened)) = self.pending.last() else { return false };
        let opened = *opened;
        if !parser.take(TokenKind::Close) {
            return false;
        }
        self.pending.pop();
        if self.last_group.is_some_and(|(from, to)| from == opened + 1 && to + 1 == closed) {
            parser.note_redundant_parentheses();
        }
        self.last_group = Some((opened, closed));
        true
    }

    fn settle_not(&mut self) {
        while matches!(self.pending.last(), Some(Pending::Not)) {
            self.pending.pop();
            self.steps.push(Step::Not);
        }
    }

    /// The right-hand sides of pending ANDs, and of ORs if told so, end here.
    fn settle(&mut self, ors_too: bool) {
        let here = self.steps.len();
        loop {
            let jump = match self.pending.last() {
                Some(Pending::And(at)) => *at,
                Some(Pending::Or(at)) if ors_too => *at,
                _ => return,
            };
            self.pending.pop();
            if let Some(Step::UnlessTrue(target) | Step::IfTrue(target)) = self.steps.get_mut(jump) {
                *target = here;
            }
        }
    }

    fn test(&mut self, parser: &mut Parser<'_, '_, '_>) -> Result<Test, Error> {
        let left = parser.operand()?;
        let is_test = matches!(&left, Written::Call(call) if is_test(call.function));
        if !is_test {
            // Parentheses that turn out to enclose an operand, not a condition.
            while parser.peek().kind == TokenKind::Close && self.close_group(parser) {}
        }
        if let Some(comparator) = Comparator::of(parser.peek().kind) {
            parser.count_operator()?;
            parser.advance();
            let right = parser.enclosed_operand()?;
            let (left, right) = (checked_operand(parser, left), checked_operand(parser, right));
            return Ok(checked_test(parser, Test::Compare(comparator, left, right)));
        }
        if parser.take_word("BETWEEN") {
            parser.count_operator()?;
            let low = parser.enclosed_operand()?;
            parser.expect_word("AND")?;
            let high = parser.enclosed_operand()?;
            let left = checked_operand(parser, left);
            let (low, high) = (checked_operand(parser, low), checked_operand(parser, high));
            return Ok(checked_test(parser, Test::Between(left, low, high)));
        }
        if parser.take_word("IN") {
            return in_list(parser, left);
        }
        match left {
            Written::Call(call) => Ok(super::operands::test_of_call(parser, call)),
            Written::Path(_) | Written::Value(_) => Err(parser.syntax_error()),
        }
    }
}

fn in_list(parser: &mut Parser<'_, '_, '_>, left: Written<'_>) -> Result<Test, Error> {
    parser.count_operator()?;
    parser.expect(TokenKind::Open)?;
    let left = checked_operand(parser, left);
    let mut list = Vec::new();
    loop {
        let operand = parser.enclosed_operand()?;
        list.push(checked_operand(parser, operand));
        if !parser.take(TokenKind::Comma) {
            break;
        }
    }
    parser.expect(TokenKind::Close)?;
    if list.len() > MAX_IN_OPERANDS {
        let count = list.len();
        parser.note(Finding::Operands, || {
            format!("The IN operator is provided with too many operands; number of operands: {count}")
        });
    }
    Ok(checked_test(parser, Test::In(left, list)))
}

/// Whether a function answers a condition by itself.
fn is_test(function: &str) -> bool {
    matches!(function, "attribute_exists" | "attribute_not_exists" | "attribute_type" | "begins_with" | "contains")
}
