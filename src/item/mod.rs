//! The data model: attribute values, 38-digit numbers, items and their sizes.
//!
//! Pure: knows nothing of storage, requests or Python. Everything here is already normalised: numbers have
//! one representation, sets are sorted and free of duplicates, maps are sorted by attribute name. So `==`
//! is DynamoDB's equality.

mod float;
mod map;
mod number;
mod set;
mod size;
pub mod wire;

pub use map::Map;
pub use number::{MAX_DIGITS, MAX_MAGNITUDE, MIN_MAGNITUDE, Number};

/// An attribute name; names up to 24 bytes live inline.
pub type Name = compact_str::CompactString;

/// An item, or the content of an `M` value: attribute names (sorted by their UTF-8 bytes) to values.
pub type Item = Map;

/// Most levels of nesting in an attribute value that DynamoDB stores, the innermost value's own level included: 31
/// maps around a scalar are accepted, 32 refused (measured, issue 110 of nubo-db/dynoxide, 2026-06).
pub const MAX_DEPTH: usize = 32;

/// Largest item: 400 KB by DynamoDB's size rule.
pub const MAX_ITEM_SIZE: usize = 400 * 1024;

/// Longest attribute name, in bytes: AWS's naming rules, and the bound in botocore's model.
pub const MAX_NAME: usize = 65_535;

/// Checks the name of an attribute that a request writes or asks about. AWS documents the rule (from one character to
/// 64 KB); the wording is ours.
pub fn check_name(name: &str) -> Result<(), Invalid> {
    match name.len() {
        0 => Err(Invalid::new("One or more parameter values were invalid: Empty attribute name")),
        1..=MAX_NAME => Ok(()),
        _ => Err(Invalid::new(format!(
            "One or more parameter values were invalid: Attribute name is longer than {MAX_NAME} bytes"
        ))),
    }
}

/// A value that breaks a rule of the data model; the text is the message of AWS's ValidationException.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

/// One DynamoDB attribute value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    S(String),
    N(Number),
    B(Vec<u8>),
    /// Sorted by UTF-8 bytes, no duplicates, never empty.
    SS(Vec<String>),
    /// Sorted by value, no duplicates, never empty.
    NS(Vec<Number>),
    /// Sorted by bytes, no duplicates, never empty.
    BS(Vec<Vec<u8>>),
    M(Map),
    L(Vec<AttributeValue>),
    Null,
    Bool(bool),
}

impl Invalid {
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// The error for a value nested deeper than [`MAX_DEPTH`]; the wording is that of eu-west-2, other regions vary.
    pub fn too_deep() -> Self {
        Self::new(
            "Nesting Levels have exceeded supported limits: \
             Attributes in the item have nested levels beyond supported limit",
        )
    }
}

impl AttributeValue {
    /// DynamoDB's name of the type: `S`, `N`, `B`, `SS`, `NS`, `BS`, `M`, `L`, `NULL` or `BOOL`.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::S(_) => "S",
            Self::N(_) => "N",
            Self::B(_) => "B",
            Self::SS(_) => "SS",
            Self::NS(_) => "NS",
            Self::BS(_) => "BS",
            Self::M(_) => "M",
            Self::L(_) => "L",
            Self::Null => "NULL",
            Self::Bool(_) => "BOOL",
        }
    }
}
