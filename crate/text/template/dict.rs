//! JSON as a template sees it.

use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object};
use minijinja::{Error, State, Value};
use serde_json::{Map, Value as Json};

use super::python;

/// A JSON object. Unlike minijinja's own, its methods are Python's even where a key has a method's name: a schema with
/// a property `items` still has `.items()`.
#[derive(Debug)]
pub struct Dict(IndexMap<Arc<str>, Value>);

impl Object for Dict {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let keys: Vec<Value> = self.0.keys().cloned().map(Value::from).collect();
        Enumerator::Values(keys)
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        python::method(state, &Value::from_dyn_object(self.clone()), method, args)
    }
}

/// Objects and lists of any depth: whoever takes JSON from outside bounds it.
pub fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(flag) => Value::from(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Value::from(whole),
            (_, Some(whole)) => Value::from(whole),
            _ => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(list) => Value::from_iter(list.iter().map(value)),
        Json::Object(map) => object(map),
    }
}

pub fn object(map: &Map<String, Json>) -> Value {
    Value::from_object(Dict(map.iter().map(|(key, json)| (Arc::from(key.as_str()), value(json))).collect()))
}
