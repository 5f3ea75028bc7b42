//! Writes answers as Python objects: a serde serializer that builds fresh dicts and lists.
//!
//! Bytes become `bytes`; the newtype `Timestamp` becomes the aware `datetime` in local time that botocore's parser
//! gives. Absent options must be skipped by their structs; a `None` that arrives is Python's `None`.

use std::cell::{OnceCell, RefCell};
use std::fmt;

use pyo3::BoundObject;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};
use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::de::TIMESTAMP;
use super::names::python_name;

/// An answer that Python would not take: memory is out, or an object's own code failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failed(pub PyErr);

impl serde::ser::Error for Failed {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(super::errors::InternalError::new_err(message.to_string()))
    }
}

impl From<PyErr> for Failed {
    fn from(error: PyErr) -> Self {
        Self(error)
    }
}

type Result<T, E = Failed> = std::result::Result<T, E>;

/// Turns `value` into Python objects.
pub fn to_python<'py, T: Serialize + ?Sized>(py: Python<'py>, value: &T) -> PyResult<Bound<'py, PyAny>> {
    let context = Context { py, local: OnceCell::new(), last: RefCell::new(None) };
    value.serialize(Writer { context: &context, name: false }).map_err(|failed| failed.0)
}

/// Turns a struct-like `value` into a dict of its members.
pub fn into_dict<'py, T: Serialize + ?Sized>(py: Python<'py>, value: &T) -> PyResult<Bound<'py, PyDict>> {
    Ok(to_python(py, value)?.cast_into::<PyDict>()?)
}

struct Context<'py> {
    py: Python<'py>,
    /// `(datetime.fromtimestamp, the local zone)`, looked up by the first timestamp of the answer.
    local: OnceCell<(Bound<'py, PyAny>, Bound<'py, PyAny>)>,
    /// The last timestamp and what it became: many records are of one second.
    last: RefCell<Option<(f64, Bound<'py, PyAny>)>>,
}

impl<'py> Context<'py> {
    fn datetime(&self, seconds: f64) -> Result<Bound<'py, PyAny>> {
        if let Some((last, datetime)) = &*self.last.borrow()
            && last.to_bits() == seconds.to_bits()
        {
            return Ok(datetime.clone());
        }
        let datetime = self.convert(seconds)?;
        *self.last.borrow_mut() = Some((seconds, datetime.clone()));
        Ok(datetime)
    }

    fn convert(&self, seconds: f64) -> Result<Bound<'py, PyAny>> {
        if self.local.get().is_none() {
            let py = self.py;
            let convert = py.import(intern!(py, "datetime"))?.getattr(intern!(py, "datetime"))?;
            let convert = convert.getattr(intern!(py, "fromtimestamp"))?;
            let zone = py.import(intern!(py, "dateutil.tz"))?.call_method0(intern!(py, "tzlocal"))?;
            let _ = self.local.set((convert, zone));
        }
        match self.local.get() {
            Some((convert, zone)) => Ok(convert.call1((seconds, zone))?),
            None => Err(serde::ser::Error::custom("no local zone")),
        }
    }
}

#[derive(Clone, Copy)]
struct Writer<'a, 'py> {
    context: &'a Context<'py>,
    /// Whether a text is an attribute name, worth remembering.
    name: bool,
}

impl<'py> Writer<'_, 'py> {
    const fn py(&self) -> Python<'py> {
        self.context.py
    }

    fn object<T: IntoPyObject<'py>>(&self, value: T) -> Result<Bound<'py, PyAny>>
    where
        PyErr: From<T::Error>,
    {
        value
            .into_pyobject(self.py())
            .map(|object| object.into_any().into_bound())
            .map_err(|error| Failed(error.into()))
    }
}

impl<'a, 'py> Serializer for Writer<'a, 'py> {
    type Ok = Bound<'py, PyAny>;
    type Error = Failed;
    type SerializeSeq = Sequence<'a, 'py>;
    type SerializeTuple = Sequence<'a, 'py>;
    type SerializeTupleStruct = Sequence<'a, 'py>;
    type SerializeTupleVariant = Sequence<'a, 'py>;
    type SerializeMap = Mapping<'a, 'py>;
    type SerializeStruct = Mapping<'a, 'py>;
    type SerializeStructVariant = Mapping<'a, 'py>;

    fn serialize_bool(self, value: bool) -> Result<Self::Ok> {
        self.object(value)
    }

    fn serialize_i8(self, value: i8) -> Result<Self::Ok> {
        self.object(value)
    }

    fn serialize_i16(self, value: i16) -> Result<Self::Ok> {
        self.object(value)
    }

    fn serialize_i32(self, value: i32) -> Result<Self::Ok> {
        self.object(value)
    }

    fn serialize_i64(self, value: i64) -> Result<Self::Ok> {
        self.object(value)
    }

    fn serialize_u8(self, value: u8) -> Result<Self::Ok> {
        self.object(value)
    }

    fn serialize_u16(self, value: u16) -> Result<Self::Ok> {
        self.object(value)
    }

    fn serialize_u32(self, value: u32) -> Result<Self::Ok> {
        self.object(value)
    }

    fn serialize_u64(self, value: u64) -> Result<Self::Ok> {
        self.object(value)
    }

    fn serialize_f32(self, value: f32) -> Result<Self::Ok> {
        self.object(value)
    }

    fn serialize_f64(self, value: f64) -> Result<Self::Ok> {
        self.object(value)
    }

    fn serialize_char(self, value: char) -> Result<Self::Ok> {
        self.object(value)
    }

    fn serialize_str(self, value: &str) -> Result<Self::Ok> {
        let text = if self.name { python_name(self.py(), value) } else { PyString::new(self.py(), value) };
        Ok(text.into_any())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Self::Ok> {
        Ok(PyBytes::new(self.py(), value).into_any())
    }

    fn serialize_none(self) -> Result<Self::Ok> {
        Ok(self.py().None().into_bound(self.py()))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Self::Ok> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Self::Ok> {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Self::Ok> {
        self.serialize_none()
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result<Self::Ok> {
        Ok(python_name(self.py(), variant).into_any())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<Self::Ok> {
        let inner = value.serialize(self)?;
        if name == TIMESTAMP { self.context.datetime(inner.extract()?) } else { Ok(inner) }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Self::Ok> {
        let dict = PyDict::new(self.py());
        dict.set_item(python_name(self.py(), variant), value.serialize(self)?)?;
        Ok(dict.into_any())
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Self::SerializeSeq> {
        Ok(Sequence { writer: self, list: PyList::empty(self.py()), variant: None })
    }

    fn serialize_tuple(self, length: usize) -> Result<Self::SerializeTuple> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _name: &'static str, length: usize) -> Result<Self::SerializeTupleStruct> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeTupleVariant> {
        Ok(Sequence { writer: self, list: PyList::empty(self.py()), variant: Some(variant) })
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Self::SerializeMap> {
        Ok(Mapping { writer: self, dict: PyDict::new(self.py()), key: None, variant: None })
    }

    fn serialize_struct(self, _name: &'static str, length: usize) -> Result<Self::SerializeStruct> {
        self.serialize_map(Some(length))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeStructVariant> {
        Ok(Mapping { writer: self, dict: PyDict::new(self.py()), key: None, variant: Some(variant) })
    }
}

/// `{variant: content}`, or the content alone.
fn tagged<'py>(
    py: Python<'py>,
    variant: Option<&'static str>,
    content: Bound<'py, PyAny>,
) -> Result<Bound<'py, PyAny>> {
    let Some(variant) = variant else { return Ok(content) };
    let dict = PyDict::new(py);
    dict.set_item(python_name(py, variant), content)?;
    Ok(dict.into_any())
}

struct Sequence<'a, 'py> {
    writer: Writer<'a, 'py>,
    list: Bound<'py, PyList>,
    variant: Option<&'static str>,
}

impl<'py> Sequence<'_, 'py> {
    fn push<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        Ok(self.list.append(value.serialize(self.writer)?)?)
    }

    fn finish(self) -> Result<Bound<'py, PyAny>> {
        tagged(self.writer.py(), self.variant, self.list.into_any())
    }
}

macro_rules! sequence {
    ($($trait:ident $method:ident),*) => {$(
        impl<'py> $trait for Sequence<'_, 'py> {
            type Ok = Bound<'py, PyAny>;
            type Error = Failed;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.push(value)
            }

            fn end(self) -> Result<Self::Ok> {
                self.finish()
            }
        }
    )*};
}

sequence!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

struct Mapping<'a, 'py> {
    writer: Writer<'a, 'py>,
    dict: Bound<'py, PyDict>,
    key: Option<Bound<'py, PyAny>>,
    variant: Option<&'static str>,
}

impl<'py> Mapping<'_, 'py> {
    fn put<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Result<()> {
        Ok(self.dict.set_item(python_name(self.writer.py(), name), value.serialize(self.writer)?)?)
    }

    fn finish(self) -> Result<Bound<'py, PyAny>> {
        tagged(self.writer.py(), self.variant, self.dict.into_any())
    }
}

impl<'py> SerializeMap for Mapping<'_, 'py> {
    type Ok = Bound<'py, PyAny>;
    type Error = Failed;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.key = Some(key.serialize(Writer { name: true, ..self.writer })?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let value = value.serialize(self.writer)?;
        match self.key.take() {
            Some(key) => Ok(self.dict.set_item(key, value)?),
            None => Err(serde::ser::Error::custom("a value without a key")),
        }
    }

    fn end(self) -> Result<Self::Ok> {
        self.finish()
    }
}

impl<'py> SerializeStruct for Mapping<'_, 'py> {
    type Ok = Bound<'py, PyAny>;
    type Error = Failed;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
        self.put(name, value)
    }

    fn end(self) -> Result<Self::Ok> {
        self.finish()
    }
}

impl<'py> SerializeStructVariant for Mapping<'_, 'py> {
    type Ok = Bound<'py, PyAny>;
    type Error = Failed;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
        self.put(name, value)
    }

    fn end(self) -> Result<Self::Ok> {
        self.finish()
    }
}
