//! botocore's parameter shapes, so that exactly what botocore would refuse is refused here.
//!
//! The shapes come from the service model of the botocore at hand, flattened by `fdyno._shapes`, and a walk says yes or
//! no. It never explains: on no, botocore's own validator runs and raises its own ParamValidationError. When in doubt
//! the answer is no, which costs time and nothing else.

use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde::Deserialize;

use super::de::MAX_DEPTH;

/// One shape; members, elements, keys and values are positions in the list of shapes.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Shape {
    Structure { members: HashMap<String, usize>, required: Vec<String>, union: bool },
    List { member: usize, min: usize },
    Map { key: usize, value: usize },
    String { min: usize },
    Integer { min: Option<i64> },
    Float,
    Boolean,
    Blob,
    Timestamp,
}

/// All shapes of one operation's input, the input itself first.
#[derive(Debug)]
pub struct Shapes(Vec<Shape>);

impl Shapes {
    /// Reads the description that `fdyno._shapes.describe` gives.
    pub fn from_description(description: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(pythonize::depythonize(description)?))
    }

    /// Whether botocore's validator would accept `parameters`.
    pub fn accept(&self, parameters: &Bound<'_, PyAny>) -> bool {
        self.accepts(0, parameters, MAX_DEPTH).unwrap_or(false)
    }

    /// `None` where the shape, or the room for one more level, is missing.
    fn accepts(&self, shape: usize, object: &Bound<'_, PyAny>, depth: u8) -> Option<bool> {
        let yes = match self.0.get(shape)? {
            Shape::Structure { members, required, union } => {
                let dict = object.cast::<PyDict>().ok()?;
                if *union && dict.len() != 1 {
                    return None;
                }
                for name in required {
                    if !dict.contains(name).ok()? {
                        return None;
                    }
                }
                let depth = depth.checked_sub(1)?;
                for (name, value) in dict {
                    let member = members.get(name.cast::<PyString>().ok()?.to_str().ok()?)?;
                    if !self.accepts(*member, &value, depth)? {
                        return None;
                    }
                }
                true
            }
            Shape::List { member, min } => {
                let depth = depth.checked_sub(1)?;
                if let Ok(list) = object.cast::<PyList>() {
                    list.len() >= *min && self.all(*member, list.iter(), depth)?
                } else {
                    let tuple = object.cast::<PyTuple>().ok()?;
                    tuple.len() >= *min && self.all(*member, tuple.iter(), depth)?
                }
            }
            Shape::Map { key, value } => {
                let depth = depth.checked_sub(1)?;
                for (name, content) in object.cast::<PyDict>().ok()? {
                    if !(self.accepts(*key, &name, depth)? && self.accepts(*value, &content, depth)?) {
                        return None;
                    }
                }
                true
            }
            // botocore counts characters, and so does Python's len().
            Shape::String { min } => {
                let text = object.cast::<PyString>().ok()?;
                *min == 0 || text.len().ok()? >= *min
            }
            Shape::Integer { min } => {
                let number = object.cast::<PyInt>().ok()?;
                min.is_none_or(|min| number.extract::<i64>().is_ok_and(|number| number >= min))
            }
            Shape::Float => object.is_instance_of::<PyFloat>() || object.is_instance_of::<PyInt>(),
            Shape::Boolean => object.is_instance_of::<PyBool>(),
            // Not files, although the validator takes them: botocore's JSON serializer fails on them, and so shall we.
            Shape::Blob => {
                object.is_instance_of::<PyBytes>()
                    || object.is_instance_of::<PyByteArray>()
                    || object.is_instance_of::<PyString>()
            }
            // Reading it is the validation, and happens in `de`.
            Shape::Timestamp => true,
        };
        Some(yes)
    }

    fn all<'py>(&self, member: usize, objects: impl Iterator<Item = Bound<'py, PyAny>>, depth: u8) -> Option<bool> {
        for object in objects {
            if !self.accepts(member, &object, depth)? {
                return None;
            }
        }
        Some(true)
    }
}
