//! Reads requests from Python objects: a serde deserializer over dicts, lists and scalars.
//!
//! Strict: a value is what its Python type says, nothing is coerced, except that blobs come as `bytes`, `bytearray`,
//! `memoryview`, `str`, a file or boto3's `Binary`, and timestamps as `datetime`, number or ISO text, as botocore takes
//! them. Whatever is refused here, botocore's own validator gets to explain. Containers nest to `MAX_DEPTH` and no
//! deeper, so that a cyclic list is an error.

use std::fmt;

use pyo3::exceptions::{PyUnicodeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyIterator, PyList, PyMemoryView, PyString, PyTuple, PyType,
};
use serde::de::value::{F64Deserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// Deepest nesting of containers in a request. DynamoDB's 32 levels of values take two containers each, the rest of a
/// request fewer than ten; what is left lets the data model, which knows the right message, refuse the 33rd level.
pub const MAX_DEPTH: u8 = 96;

/// The newtype under which timestamps cross the boundary.
pub const TIMESTAMP: &str = "Timestamp";

/// Why a Python object is not the request it should be.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    #[error("{0}")]
    Mismatch(String),
    #[error("nested deeper than {MAX_DEPTH} containers")]
    TooDeep,
    /// An exception of the object itself: a file that cannot be read, a mapping that fails.
    #[error("{0}")]
    Raised(PyErr),
}

impl Rejected {
    /// What is not about the request at all: an interrupt while a file was read, a file that fails. It is raised as it is.
    /// Text that is none (a lone surrogate) is about the request.
    pub fn raised(self, py: Python<'_>) -> std::result::Result<Self, PyErr> {
        match self {
            Self::Raised(error) if !error.is_instance_of::<PyUnicodeError>(py) => Err(error),
            rejected => Ok(rejected),
        }
    }
}

impl serde::de::Error for Rejected {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Mismatch(message.to_string())
    }
}

impl From<PyErr> for Rejected {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

type Result<T, E = Rejected> = std::result::Result<T, E>;

/// One Python object, and how many more containers may open inside it.
pub struct Value<'a, 'py> {
    object: &'a Bound<'py, PyAny>,
    depth: u8,
}

impl<'a, 'py> Value<'a, 'py> {
    pub const fn new(object: &'a Bound<'py, PyAny>) -> Self {
        Self { object, depth: MAX_DEPTH }
    }

    fn mismatch(&self, wanted: &str) -> Rejected {
        let type_name = self.object.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string());
        Rejected::Mismatch(format!("expected {wanted}, found {type_name}"))
    }

    fn inner_depth(&self) -> Result<u8> {
        self.depth.checked_sub(1).ok_or(Rejected::TooDeep)
    }

    fn visit_dict<'de, V: Visitor<'de>>(&self, dict: &Bound<'py, PyDict>, visitor: V) -> Result<V::Value> {
        visitor.visit_map(Entries { entries: dict.iter(), value: None, depth: self.inner_depth()? })
    }

    fn visit_elements<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value> {
        let (elements, length) = (self.object.try_iter()?, self.object.len()?);
        visitor.visit_seq(Elements { elements, length, depth: self.inner_depth()? })
    }

    fn visit_integer<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value> {
        if let Ok(number) = self.object.extract::<i64>() {
            return visitor.visit_i64(number);
        }
        match self.object.extract::<u64>() {
            Ok(number) => visitor.visit_u64(number),
            Err(_) => Err(self.mismatch("an integer of 64 bits")),
        }
    }

    /// The content of a blob, in every form botocore accepts.
    fn blob(&self) -> Result<Vec<u8>> {
        let object = self.object;
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(bytes.as_bytes().to_vec());
        }
        if let Ok(bytes) = object.cast::<PyByteArray>() {
            return Ok(bytes.to_vec());
        }
        if let Ok(text) = object.cast::<PyString>() {
            return Ok(text.to_str()?.as_bytes().to_vec());
        }
        let py = object.py();
        if object.is_instance_of::<PyMemoryView>() {
            let bytes = object.call_method0(intern!(py, "tobytes"))?;
            return Value { object: &bytes, depth: self.depth }.blob();
        }
        let deeper = self.inner_depth()?;
        if object.hasattr(intern!(py, "read"))? {
            let content = object.call_method0(intern!(py, "read"))?;
            return Value { object: &content, depth: deeper }.blob();
        }
        if object.get_type().name()?.to_str()? == "Binary" {
            let content = object.getattr(intern!(py, "value"))?;
            return Value { object: &content, depth: deeper }.blob();
        }
        Err(self.mismatch("a blob"))
    }

    /// Seconds since the epoch.
    fn timestamp(&self) -> Result<f64> {
        static DATETIME: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        let object = self.object;
        if object.is_instance_of::<PyBool>() {
            return Err(self.mismatch("a timestamp"));
        }
        if object.is_instance_of::<PyInt>() || object.is_instance_of::<PyFloat>() {
            return Ok(object.extract()?);
        }
        let py = object.py();
        let datetime = DATETIME.import(py, "datetime", "datetime")?;
        if !object.is_instance(datetime)? && !object.is_instance_of::<PyString>() {
            return Err(self.mismatch("a timestamp"));
        }
        // botocore decides what a text means and in which zone a naive datetime lies.
        let aware = py
            .import(intern!(py, "botocore.utils"))?
            .call_method1(intern!(py, "parse_to_aware_datetime"), (object,))?;
        Ok(aware.call_method0(intern!(py, "timestamp"))?.extract()?)
    }
}

impl<'de> Deserializer<'de> for Value<'_, '_> {
    type Error = Rejected;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let object = self.object;
        if let Ok(text) = object.cast::<PyString>() {
            return visitor.visit_str(text.to_str()?);
        }
        if let Ok(dict) = object.cast::<PyDict>() {
            return self.visit_dict(dict, visitor);
        }
        if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
            return self.visit_elements(visitor);
        }
        if let Ok(flag) = object.cast::<PyBool>() {
            return visitor.visit_bool(flag.is_true());
        }
        if object.is_instance_of::<PyInt>() {
            return self.visit_integer(visitor);
        }
        if object.is_instance_of::<PyFloat>() {
            return visitor.visit_f64(object.extract()?);
        }
        if object.is_none() {
            return visitor.visit_unit();
        }
        if object.is_instance_of::<PyBytes>() || object.is_instance_of::<PyByteArray>() {
            return visitor.visit_byte_buf(self.blob()?);
        }
        Err(self.mismatch("a value of a request"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.object.is_none() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_byte_buf(self.blob()?)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let is_decimal = self.object.get_type().name()?.to_str()? == "Decimal";
        if is_decimal || (self.object.is_instance_of::<PyInt>() && !self.object.is_instance_of::<PyBool>()) {
            return visitor.visit_f64(self.object.extract()?);
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value> {
        if name == TIMESTAMP {
            let seconds: F64Deserializer<Rejected> = self.timestamp()?.into_deserializer();
            return visitor.visit_newtype_struct(seconds);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        if let Ok(text) = self.object.cast::<PyString>() {
            let name: StrDeserializer<'_, Rejected> = text.to_str()?.into_deserializer();
            return visitor.visit_enum(name);
        }
        let dict = self.object.cast::<PyDict>().map_err(|_| self.mismatch("a name or a mapping of one"))?;
        let depth = self.inner_depth()?;
        match dict.iter().next() {
            Some((name, value)) if dict.len() == 1 => visitor.visit_enum(Choice { name, value, depth }),
            _ => Err(self.mismatch("a mapping of one")),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 char str string unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Entries<'py, I> {
    entries: I,
    value: Option<Bound<'py, PyAny>>,
    depth: u8,
}

impl<'de, 'py, I: Iterator<Item = (Bound<'py, PyAny>, Bound<'py, PyAny>)>> MapAccess<'de> for Entries<'py, I> {
    type Error = Rejected;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        if !key.is_instance_of::<PyString>() {
            return Err(Value { object: &key, depth: self.depth }.mismatch("a text as key"));
        }
        self.value = Some(value);
        seed.deserialize(Value { object: &key, depth: self.depth }).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value> {
        let value = self.value.take().ok_or_else(|| PyValueError::new_err("a value without a key"))?;
        seed.deserialize(Value { object: &value, depth: self.depth })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.size_hint().0)
    }
}

struct Elements<'py> {
    elements: Bound<'py, PyIterator>,
    length: usize,
    depth: u8,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Rejected;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        match self.elements.next() {
            Some(element) => seed.deserialize(Value { object: &element?, depth: self.depth }).map(Some),
            None => Ok(None),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.length)
    }
}

struct Choice<'py> {
    name: Bound<'py, PyAny>,
    value: Bound<'py, PyAny>,
    depth: u8,
}

impl<'de> EnumAccess<'de> for Choice<'_> {
    type Error = Rejected;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self)> {
        let variant = seed.deserialize(Value { object: &self.name, depth: self.depth })?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_> {
    type Error = Rejected;

    fn unit_variant(self) -> Result<()> {
        Err(Value { object: &self.value, depth: self.depth }.mismatch("no content"))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(Value { object: &self.value, depth: self.depth })
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value> {
        Value { object: &self.value, depth: self.depth }.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], visitor: V) -> Result<V::Value> {
        Value { object: &self.value, depth: self.depth }.deserialize_any(visitor)
    }
}
