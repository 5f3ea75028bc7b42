//! The tree of a statement, as the grammar reads it: names and values are not looked into, parameters are not filled in.
//!
//! Conjunctions and disjunctions are lists, so that long ones are no deep trees; the parser bounds the depth of every tree.

use crate::expression::Path;

/// Where something stands in a statement, for the messages that say so. It is no part of what a statement says: any two are equal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Position {
    /// Both count from one.
    pub line: usize,
    pub column: usize,
    pub length: usize,
}

impl PartialEq for Position {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Position {}

impl std::fmt::Display for Position {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}:{}", self.line, self.column, self.length)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub body: Body,
    /// How many parameters it has.
    pub parameters: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Select(Select),
    /// `EXISTS(SELECT …)`
    Exists(Select),
    Insert(Insert),
    Update(Update),
    Delete(Delete),
}

/// A table, or an index of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub table: String,
    pub index: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select {
    /// `None` is `*`.
    pub columns: Option<Vec<Expression>>,
    pub source: Source,
    pub condition: Option<Expression>,
    pub order: Vec<Order>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub key: Expression,
    pub descending: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insert {
    pub source: Source,
    pub item: Expression,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    pub source: Source,
    pub changes: Vec<Assignment>,
    pub condition: Option<Expression>,
    pub returning: Option<Returning>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assignment {
    Set(Path, Expression),
    Remove(Path),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    pub source: Source,
    pub condition: Option<Expression>,
    pub returning: Option<Returning>,
}

/// `RETURNING ALL|MODIFIED OLD|NEW *`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returning {
    pub modified: bool,
    pub new: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Infix {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Times,
    Divide,
    Modulo,
    Concat,
}

/// The types that `IS` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Missing,
    Null,
    Bool,
    Number,
    String,
    Binary,
    Map,
    List,
    Set,
    /// A type of PartiQL that DynamoDB has no values of.
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    Path(Path, Position),
    Text(String),
    /// As written, with its sign.
    Number(String),
    Bool(bool),
    Null,
    Missing,
    /// The parameter of this number, from zero.
    Parameter(usize),
    List(Vec<Expression>),
    Set(Vec<Expression>),
    Map(Vec<(Expression, Expression)>),
    Call {
        function: String,
        arguments: Vec<Expression>,
        position: Position,
    },
    Not(Box<Expression>),
    Negative(Box<Expression>),
    /// At least two, none of which is a conjunction.
    And(Vec<Expression>),
    /// At least two, none of which is a disjunction.
    Or(Vec<Expression>),
    Infix(Infix, Box<Expression>, Box<Expression>),
    Between(Box<Expression>, Box<Expression>, Box<Expression>),
    In(Box<Expression>, Box<Expression>),
    Like(Box<Expression>, Box<Expression>),
    Is(Box<Expression>, Type),
}

impl Infix {
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Plus => "+",
            Self::Minus => "-",
            Self::Times => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Concat => "||",
        }
    }
}

impl Expression {
    /// What DynamoDB calls it where it refuses it: the name of a node of PartiQL's own tree. `IsType` was seen, the others follow
    /// it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Path(path, _) if path.is_top_level() => "Id",
            Self::Path(..) => "Path",
            Self::Text(_) | Self::Number(_) | Self::Bool(_) | Self::Null => "Lit",
            Self::Missing => "Missing",
            Self::Parameter(_) => "Parameter",
            Self::List(_) => "List",
            Self::Set(_) => "Bag",
            Self::Map(_) => "Struct",
            Self::Call { .. } => "Call",
            Self::Not(_) => "Not",
            Self::Negative(_) => "Neg",
            Self::And(_) => "And",
            Self::Or(_) => "Or",
            Self::Infix(infix, ..) => match infix {
                Infix::Equal => "Eq",
                Infix::NotEqual => "Ne",
                Infix::Less => "Lt",
                Infix::LessOrEqual => "Lte",
                Infix::Greater => "Gt",
                Infix::GreaterOrEqual => "Gte",
                Infix::Plus => "Plus",
                Infix::Minus => "Minus",
                Infix::Times => "Times",
                Infix::Divide => "Divide",
                Infix::Modulo => "Modulo",
                Infix::Concat => "Concat",
            },
            Self::Between(..) => "Between",
            Self::In(..) => "InCollection",
            Self::Like(..) => "Like",
            Self::Is(..) => "IsType",
        }
    }
}
