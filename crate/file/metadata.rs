//! The key-value part of a header, with getters whose errors name the key.

use indexmap::IndexMap;

use super::quoted;
use crate::bail;
use crate::base::error::Result;

/// A metadata value. Number widths are dropped (in lists, a whole number beyond `i64` becomes its
/// greatest); an empty list keeps its element kind. Bytes that are no UTF-8 become U+FFFD.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An integer of any width without a sign.
    U64(u64),
    /// An integer of any width with a sign.
    I64(i64),
    /// A float of either width.
    F64(f64),
    /// true or false.
    Bool(bool),
    /// A text.
    Str(String),
    /// A list of integers of any kind.
    Ints(Vec<i64>),
    /// A list of floats.
    Floats(Vec<f32>),
    /// A list of true and false.
    Bools(Vec<bool>),
    /// A list of texts.
    Strings(Vec<String>),
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Value::U64(_) | Value::I64(_) => "a whole number",
            Value::F64(_) => "a number with a fraction",
            Value::Bool(_) => "true or false",
            Value::Str(_) => "text",
            Value::Ints(_) => "a list of whole numbers",
            Value::Floats(_) => "a list of numbers with fractions",
            Value::Bools(_) => "a list of true or false",
            Value::Strings(_) => "a list of texts",
        }
    }
}

/// Metadata in file order. A getter returns `None` for a key that is not there and
/// [`BadMetadata`](crate::base::error::Code::BadMetadata) for a value of another kind; `need_…` want
/// the key to be there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    values: IndexMap<String, Value>,
}

impl Metadata {
    /// Returns the value that the key had before.
    pub fn insert(&mut self, key: impl Into<String>, value: Value) -> Option<Value> {
        self.values.insert(key.into(), value)
    }

    /// What a key holds.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// All keys with what they hold.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Forgets all keys but those that are `wanted`.
    pub fn keep(&mut self, wanted: impl Fn(&str) -> bool) {
        self.values.retain(|key, _| wanted(key));
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// A key's number; `None` where it is not there. `BadMetadata` where it holds something else.
    pub fn u32(&self, key: &str) -> Result<Option<u32>> {
        self.read(key, "a whole number from 0 to 4294967295", |value| match value {
            Value::U64(number) => u32::try_from(*number).ok(),
            Value::I64(number) => u32::try_from(*number).ok(),
            _ => None,
        })
    }

    /// Whole numbers count too.
    pub fn f32(&self, key: &str) -> Result<Option<f32>> {
        self.read(key, "a number", |value| match value {
            Value::F64(number) => Some(*number as f32),
            Value::U64(number) => Some(*number as f32),
            Value::I64(number) => Some(*number as f32),
            _ => None,
        })
    }

    /// A key's truth value; `None` where it is not there. `BadMetadata` where it holds something else.
    pub fn bool(&self, key: &str) -> Result<Option<bool>> {
        self.read(key, "true or false", |value| match value {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        })
    }

    /// A key's text; `None` where it is not there. `BadMetadata` where it holds something else.
    pub fn str(&self, key: &str) -> Result<Option<&str>> {
        self.read(key, "text", |value| match value {
            Value::Str(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// A key's integers; `None` where it is not there. `BadMetadata` where it holds something else.
    pub fn ints(&self, key: &str) -> Result<Option<&[i64]>> {
        self.read(key, "a list of whole numbers", |value| match value {
            Value::Ints(list) => Some(list.as_slice()),
            _ => None,
        })
    }

    /// A key's floats; `None` where it is not there. `BadMetadata` where it holds something else.
    pub fn floats(&self, key: &str) -> Result<Option<&[f32]>> {
        self.read(key, "a list of numbers with fractions", |value| match value {
            Value::Floats(list) => Some(list.as_slice()),
            _ => None,
        })
    }

    /// A key's truth values; `None` where it is not there. `BadMetadata` where it holds something else.
    pub fn bools(&self, key: &str) -> Result<Option<&[bool]>> {
        self.read(key, "a list of true or false", |value| match value {
            Value::Bools(list) => Some(list.as_slice()),
            _ => None,
        })
    }

    /// A key's texts; `None` where it is not there. `BadMetadata` where it holds something else.
    pub fn strings(&self, key: &str) -> Result<Option<&[String]>> {
        self.read(key, "a list of texts", |value| match value {
            Value::Strings(list) => Some(list.as_slice()),
            _ => None,
        })
    }

    /// Moves a list of texts out (a vocabulary is too large to copy); the key is gone after.
    pub fn take_strings(&mut self, key: &str) -> Result<Option<Vec<String>>> {
        self.strings(key)?;
        Ok(match self.values.shift_remove(key) {
            Some(Value::Strings(list)) => Some(list),
            _ => None,
        })
    }

    /// As [`Metadata::u32`], of a key that has to be there.
    pub fn need_u32(&self, key: &str) -> Result<u32> {
        needed(key, self.u32(key)?)
    }

    /// As [`Metadata::f32`], of a key that has to be there.
    pub fn need_f32(&self, key: &str) -> Result<f32> {
        needed(key, self.f32(key)?)
    }

    /// As [`Metadata::bool`], of a key that has to be there.
    pub fn need_bool(&self, key: &str) -> Result<bool> {
        needed(key, self.bool(key)?)
    }

    /// As [`Metadata::str`], of a key that has to be there.
    pub fn need_str(&self, key: &str) -> Result<&str> {
        needed(key, self.str(key)?)
    }

    fn read<'a, T>(&'a self, key: &str, want: &str, pick: impl FnOnce(&'a Value) -> Option<T>) -> Result<Option<T>> {
        let Some(value) = self.values.get(key) else {
            return Ok(None);
        };
        match pick(value) {
            Some(found) => Ok(Some(found)),
            None => {
                let kind = match value {
                    Value::U64(number) => number.to_string(),
                    Value::I64(number) => number.to_string(),
                    other => other.kind().to_string(),
                };
                bail!(
                    BadMetadata,
                    "The metadata key {} should hold {want}, not {kind}; the file needs to be converted again",
                    quoted(key)
                )
            }
        }
    }
}

fn needed<T>(key: &str, found: Option<T>) -> Result<T> {
    match found {
        Some(found) => Ok(found),
        None => bail!(BadMetadata, "The metadata key {} is missing; the file needs to be converted again", quoted(key)),
    }
}
