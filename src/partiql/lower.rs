//! What a statement asks for: its tree and its parameters, lowered onto the trees of `expression`.
//!
//! Nothing here knows which attributes are keys. A condition is therefore given twice: whole, as a filter or a condition of a
//! write, and in its parts, among which whoever knows the keys finds what names items or a range of them. Everything that can be
//! wrong with a statement without its table is refused here.

use super::literal::{self, is_value, parameters_differ};
use super::statement::{
    Assignment, Body, Expression, Infix, Order, Position, Returning, Select as Selected, Source, Statement, Type,
};
use crate::error::Error;
use crate::expression::{Change, Comparator, Condition, Element, Operand, Path, Test, Update, Value};
use crate::item::{AttributeValue, Item, Name, check_name};

#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    Select(Select),
    /// `EXISTS(SELECT …)`
    Exists(Select),
    Write(Write),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    pub source: Source,
    /// What of an item is answered; `None` is all of it.
    pub columns: Option<Vec<Projected>>,
    pub condition: Option<Where>,
    /// Attributes to order by, and whether in descending order.
    pub order: Vec<(Name, bool)>,
}

/// One column of an answer: what is at the path, under the name of the path's last part.
#[derive(Clone, Debug, PartialEq)]
pub struct Projected {
    pub name: Name,
    pub path: Path,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    pub source: Source,
    pub kind: WriteKind,
    pub condition: Option<Where>,
    pub returning: Option<Returning>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum WriteKind {
    Insert(Item),
    Update(Update),
    Delete,
}

/// A condition, whole and in its parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Where {
    pub whole: Condition,
    /// The sides of a disjunction, or the one condition there is: each a list of conditions that must all hold.
    pub alternatives: Vec<Vec<Condition>>,
}

impl Where {
    /// The conditions that must all hold; none for a disjunction.
    pub fn conjuncts(&self) -> &[Condition] {
        match self.alternatives.as_slice() {
            [only] => only,
            _ => &[],
        }
    }
}

impl Statement {
    /// What the statement asks for with these parameters.
    pub fn lower(&self, parameters: &[AttributeValue]) -> Result<Request, Error> {
        if parameters.len() != self.parameters {
            return Err(parameters_differ());
        }
        let lowering = Lowering { parameters };
        Ok(match &self.body {
            Body::Select(select) => Request::Select(lowering.select(select)?),
            Body::Exists(select) => Request::Exists(lowering.select(select)?),
            Body::Insert(insert) => {
                let item = literal::item(&insert.item, parameters)?;
                item.iter().try_for_each(|(name, _)| check_name(name))?;
                let kind = WriteKind::Insert(item);
                Request::Write(Write { source: insert.source.clone(), kind, condition: None, returning: None })
            }
            Body::Update(update) => {
                let kind = WriteKind::Update(lowering.update(&update.changes)?);
                let condition = update.condition.as_ref().map(|condition| lowering.condition(condition)).transpose()?;
                let returning = update.returning;
                Request::Write(Write { source: update.source.clone(), kind, condition, returning })
            }
            Body::Delete(delete) => {
                let condition = delete.condition.as_ref().map(|condition| lowering.condition(condition)).transpose()?;
                let (kind, returning) = (WriteKind::Delete, delete.returning);
                Request::Write(Write { source: delete.source.clone(), kind, condition, returning })
            }
        })
    }
}

struct Lowering<'p> {
    parameters: &'p [AttributeValue],
}

impl Lowering<'_> {
    fn select(&self, select: &Selected) -> Result<Select, Error> {
        let columns = select.columns.as_ref().map(|columns| columns.iter().map(column).collect()).transpose()?;
        let condition = select.condition.as_ref().map(|condition| self.condition(condition)).transpose()?;
        let order = select.order.iter().map(order).collect::<Result<_, _>>()?;
        Ok(Select { source: select.source.clone(), columns, condition, order })
    }

    fn condition(&self, expression: &Expression) -> Result<Where, Error> {
        let sides =
            if let Expression::Or(sides) = expression { sides.as_slice() } else { std::slice::from_ref(expression) };
        let mut alternatives = Vec::with_capacity(sides.len());
        for side in sides {
            let conjuncts = if let Expression::And(all) = side { all.as_slice() } else { std::slice::from_ref(side) };
            alternatives.push(conjuncts.iter().map(|one| self.holds(one)).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(Where { whole: self.holds(expression)?, alternatives })
    }

    /// An expression in the place of a condition.
    fn holds(&self, expression: &Expression) -> Result<Condition, Error> {
        match expression {
            Expression::And(all) => self.joined(all, Condition::and),
            Expression::Or(all) => self.joined(all, Condition::or),
            Expression::Not(one) => self.holds(one).map(Condition::negated),
            Expression::Infix(infix, one, two) => self.compared(expression, *infix, one, two),
            Expression::Between(one, low, high) => {
                Condition::of(Test::Between(self.operand(one)?, self.operand(low)?, self.operand(high)?))
            }
            Expression::In(one, among) => self.among(one, among),
            Expression::Is(one, wanted) => self.is_type(one, *wanted),
            Expression::Call { function, arguments, position } => self.called(function, arguments, *position),
            other => Err(unsupported(other)),
        }
    }

    fn joined(&self, all: &[Expression], join: fn(Condition, Condition) -> Condition) -> Result<Condition, Error> {
        let mut joined: Option<Condition> = None;
        for one in all {
            let one = self.holds(one)?;
            joined = Some(match joined {
                Some(joined) => join(joined, one),
                None => one,
            });
        }
        joined.ok_or_else(|| Error::validation("A condition without parts"))
    }

    fn compared(
        &self,
        whole: &Expression,
        infix: Infix,
        one: &Expression,
        two: &Expression,
    ) -> Result<Condition, Error> {
        let comparator = match infix {
            Infix::Equal => Comparator::Equal,
            Infix::NotEqual => Comparator::NotEqual,
            Infix::Less => Comparator::Less,
            Infix::LessOrEqual => Comparator::LessOrEqual,
            Infix::Greater => Comparator::Greater,
            Infix::GreaterOrEqual => Comparator::GreaterOrEqual,
            Infix::Plus | Infix::Minus | Infix::Times | Infix::Divide | Infix::Modulo | Infix::Concat => {
                return Err(unsupported(whole));
            }
        };
        // A condition compared with a truth value: `attribute_exists(a) = true`.
        if let (Infix::Equal | Infix::NotEqual, true, Expression::Bool(truth)) = (infix, is_condition(one), two) {
            let condition = self.holds(one)?;
            let stays = *truth == (infix == Infix::Equal);
            return Ok(if stays { condition } else { condition.negated() });
        }
        Condition::of(Test::Compare(comparator, self.operand(one)?, self.operand(two)?))
    }

    fn among(&self, one: &Expression, among: &Expression) -> Result<Condition, Error> {
        let one = self.operand(one)?;
        let list = match among {
            Expression::List(elements) | Expression::Set(elements) => {
                elements.iter().map(|element| self.operand(element)).collect::<Result<Vec<_>, _>>()?
            }
            other => match self.operand(other)? {
                Operand::Value(AttributeValue::L(values)) => values.into_iter().map(Operand::Value).collect(),
                operand => vec![operand],
            },
        };
        if list.is_empty() {
            // The wording is ours.
            return Err(Error::validation("The IN operator needs at least one operand"));
        }
        Condition::of(Test::In(one, list))
    }

    fn is_type(&self, one: &Expression, wanted: Type) -> Result<Condition, Error> {
        let Expression::Path(path, _) = one else { return Err(unsupported(one)) };
        path.check()?;
        let of_type = |name: &str| {
            let name = Operand::Value(AttributeValue::S(name.to_owned()));
            Condition::of(Test::HasType(Operand::Path(path.clone()), name))
        };
        match wanted {
            Type::Missing => Condition::of(Test::NotExists(path.clone())),
            Type::Null => of_type("NULL"),
            Type::Bool => of_type("BOOL"),
            Type::Number => of_type("N"),
            Type::String => of_type("S"),
            Type::Binary => of_type("B"),
            Type::Map => of_type("M"),
            Type::List => of_type("L"),
            Type::Set => Ok(of_type("SS")?.or(of_type("NS")?).or(of_type("BS")?)),
            // No value has such a type.
            Type::Other => {
                Ok(Condition::of(Test::Exists(path.clone()))?.and(Condition::of(Test::NotExists(path.clone()))?))
            }
        }
    }

    fn called(&self, function: &str, arguments: &[Expression], position: Position) -> Result<Condition, Error> {
        let wanted = match function {
            "attribute_exists" | "attribute_not_exists" => 1,
            "attribute_type" | "begins_with" | "contains" => 2,
            "size" => {
                // A number is no condition; the wording is the expressions'.
                return Err(Error::validation(
                    "The function is not allowed to be used this way in an expression; function: size",
                ));
            }
            _ => return Err(unrecognized(function, position)),
        };
        check_count(function, arguments, wanted)?;
        match arguments {
            [Expression::Path(path, _)] => {
                path.check()?;
                let path = path.clone();
                let exists = function == "attribute_exists";
                Condition::of(if exists { Test::Exists(path) } else { Test::NotExists(path) })
            }
            [_] => Err(Error::Validation(format!(
                "Operator or function requires a document path; operator or function: {function}"
            ))),
            [one, two] => {
                let (one, two) = (self.operand(one)?, self.operand(two)?);
                Condition::of(match function {
                    "attribute_type" => Test::HasType(one, two),
                    "begins_with" => Test::BeginsWith(one, two),
                    _ => Test::Contains(one, two),
                })
            }
            _ => Err(unrecognized(function, position)),
        }
    }

    fn operand(&self, expression: &Expression) -> Result<Operand, Error> {
        match expression {
            Expression::Path(path, _) => {
                path.check()?;
                Ok(Operand::Path(path.clone()))
            }
            Expression::Call { function, arguments, position } => {
                if function != "size" {
                    return Err(if is_condition(expression) {
                        Error::Validation(format!(
                            "The function is not allowed to be used this way in an expression; function: {function}"
                        ))
                    } else {
                        unrecognized(function, *position)
                    });
                }
                check_count(function, arguments, 1)?;
                match arguments.first() {
                    Some(Expression::Path(path, _)) => {
                        path.check()?;
                        Ok(Operand::Size(path.clone()))
                    }
                    _ => Err(Error::validation(
                        "Operator or function requires a document path; operator or function: size",
                    )),
                }
            }
            value if is_value(value) => literal::value(value, self.parameters).map(Operand::Value),
            other => Err(unsupported(other)),
        }
    }

    fn update(&self, assignments: &[Assignment]) -> Result<Update, Error> {
        let mut changes = Vec::with_capacity(assignments.len());
        for assignment in assignments {
            match assignment {
                Assignment::Remove(path) => {
                    path.check()?;
                    changes.push((path.clone(), Change::Remove));
                }
                Assignment::Set(path, expression) => {
                    path.check()?;
                    changes.push((path.clone(), self.change(path, expression)?));
                }
            }
        }
        Update::of(changes)
    }

    fn change(&self, path: &Path, expression: &Expression) -> Result<Change, Error> {
        let Expression::Call { function, arguments, position } = expression else {
            return self.assigned(expression).map(Change::Set);
        };
        let name = match function.as_str() {
            "set_add" => "SET_ADD",
            "set_delete" => "SET_DELETE",
            _ => return self.assigned(expression).map(Change::Set),
        };
        let [first, second] = arguments.as_slice() else {
            return Err(Error::Validation(format!("{name} must have exactly two arguments at {position}")));
        };
        let first_position = match first {
            Expression::Path(own, position) if own == path => *position,
            _ => {
                return Err(Error::Validation(format!(
                    "The first argument to {name} must equal the assignment value at {position}"
                )));
            }
        };
        let no_set = || {
            Error::Validation(format!(
                "The second argument to {name} must be a value with type SET at {first_position}"
            ))
        };
        if !is_value(second) {
            return Err(no_set());
        }
        match literal::value(second, self.parameters)? {
            set @ (AttributeValue::SS(_) | AttributeValue::NS(_) | AttributeValue::BS(_)) => {
                Ok(if name == "SET_ADD" { Change::Add(set) } else { Change::Delete(set) })
            }
            _ => Err(no_set()),
        }
    }

    /// The right-hand side of SET. Recursion is bounded by the parser.
    fn assigned(&self, expression: &Expression) -> Result<Value, Error> {
        match expression {
            Expression::Path(path, _) => {
                path.check()?;
                Ok(Value::Path(path.clone()))
            }
            Expression::Infix(infix @ (Infix::Plus | Infix::Minus), one, two) => {
                let (one, two) = (Box::new(self.assigned(one)?), Box::new(self.assigned(two)?));
                Ok(if *infix == Infix::Plus { Value::Plus(one, two) } else { Value::Minus(one, two) })
            }
            Expression::Call { function, arguments, position } if function == "list_append" => {
                let [one, two] = arguments.as_slice() else {
                    return Err(Error::Validation(format!(
                        "LIST_APPEND must have exactly two arguments at {position}"
                    )));
                };
                Ok(Value::ListAppend(Box::new(self.assigned(one)?), Box::new(self.assigned(two)?)))
            }
            Expression::Call { function, position, .. } => Err(unrecognized(function, *position)),
            value if is_value(value) => literal::value(value, self.parameters).map(Value::Literal),
            other => Err(unsupported(other)),
        }
    }
}

/// A column is a path; DynamoDB answers what it leads to under its last name, with the indexes behind that.
fn column(expression: &Expression) -> Result<Projected, Error> {
    let path = match expression {
        Expression::Path(path, _) => path,
        Expression::Call { position, .. } => {
            return Err(Error::Validation(format!("Unexpected path component at {position}")));
        }
        _ => return Err(Error::validation("Unexpected path component")),
    };
    path.check()?;
    let mut name = path.root.to_string();
    for element in &path.rest {
        match element {
            Element::Key(key) => name = key.to_string(),
            Element::Index(at) => name.push_str(&format!("[{at}]")),
        }
    }
    Ok(Projected { name: name.into(), path: path.clone() })
}

fn order(order: &Order) -> Result<(Name, bool), Error> {
    match &order.key {
        Expression::Path(path, _) if path.is_top_level() => Ok((path.root.clone(), order.descending)),
        // The wording is ours.
        _ => Err(Error::validation("ORDER BY takes the names of key attributes only")),
    }
}

/// Whether an expression is true or false by itself.
fn is_condition(expression: &Expression) -> bool {
    match expression {
        Expression::Call { function, .. } => matches!(
            function.as_str(),
            "attribute_exists" | "attribute_not_exists" | "attribute_type" | "begins_with" | "contains"
        ),
        Expression::Not(_)
        | Expression::And(_)
        | Expression::Or(_)
        | Expression::Between(..)
        | Expression::In(..)
        | Expression::Is(..) => true,
        _ => false,
    }
}

fn check_count(function: &str, arguments: &[Expression], wanted: usize) -> Result<(), Error> {
    let count = arguments.len();
    if count == wanted {
        return Ok(());
    }
    Err(Error::Validation(format!(
        "Incorrect number of operands for operator or function; operator or function: {function}, number of operands: \
         {count}"
    )))
}

fn unrecognized(function: &str, position: Position) -> Error {
    Error::Validation(format!("Unrecognized function: {function} at {position}"))
}

fn unsupported(expression: &Expression) -> Error {
    Error::Validation(format!("Unsupported operation: {}", expression.kind()))
}
