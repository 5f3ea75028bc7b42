//! How much of an operation or of one of its parameters exists: what the compatibility page is made of.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

/// How far fdyno goes with an operation or a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Done,
    /// Accepted, and what differs from DynamoDB.
    Different(&'static str),
    Absent,
}

/// One member of an operation's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: &'static str,
    pub status: Status,
}

pub(super) const fn done(name: &'static str) -> Parameter {
    Parameter { name, status: Status::Done }
}

pub(super) const fn different(name: &'static str, how: &'static str) -> Parameter {
    Parameter { name, status: Status::Different(how) }
}

#[expect(dead_code, reason = "there is none as long as no newer model has one")]
pub(super) const fn absent(name: &'static str) -> Parameter {
    Parameter { name, status: Status::Absent }
}

/// A parameter that fdyno knows of and does not implement: its value is read over, its presence is an error.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "there is none as long as no newer model has one")]
pub struct Given;

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}
