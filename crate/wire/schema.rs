//! The schema of options and results, the error codes, the architectures and the tensor types, as JSON.

use schemars::generate::{Contract, SchemaSettings};
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::embed::{EmbedOptions, FillOptions, Filled, ScoringOptions};
use super::header::ModelHeader;
use super::info::ModelInfo;
use super::inspect::Inspection;
use super::options::{
    AdapterOptions, BenchOptions, DetokenizeOptions, GenerateOptions, LoadOptions, MAX_SAFE_INTEGER, RenderChatOptions,
    ScoreOptions, TokenizeOptions,
};
use super::stats::ModelStats;
use super::step::{ChatStep, Counted, Step};
use crate::base::error::Code;
use crate::chat::errors::shape;
use crate::chat::reply::{ChoiceLogprobs, CompletionLogprobs};
use crate::chat::request::{ChatRequest, CompletionRequest, SottoOptions, SottoSampling};
use crate::eval;
use crate::model::arch;
use crate::quant::{self, TensorType};
use crate::run::adapters::LoadedAdapter;

/// Calls `$visit!(name, type)` for the options of each call.
macro_rules! calls {
    ($visit:ident) => {
        [
            $visit!("load", LoadOptions),
            $visit!("generate", GenerateOptions),
            $visit!("tokenize", TokenizeOptions),
            $visit!("detokenize", DetokenizeOptions),
            $visit!("bench", BenchOptions),
            $visit!("renderChat", RenderChatOptions),
            $visit!("adapters.load", AdapterOptions),
            $visit!("score", ScoreOptions),
            $visit!("embed", EmbedOptions),
            $visit!("rerank", ScoringOptions),
            $visit!("classify", ScoringOptions),
            $visit!("fillMask", FillOptions),
            $visit!("chat.completions.create", ChatRequest),
            $visit!("completions.create", CompletionRequest),
        ]
    };
}

/// The options of each call, by its name, without references: what arguments are checked by.
pub fn options() -> Value {
    macro_rules! entry {
        ($name:literal, $type:ty) => {
            ($name.to_string(), options_of::<$type>())
        };
    }
    Value::Object(Map::from_iter(calls!(entry)))
}

/// The options of one call.
pub fn options_of<T: JsonSchema>() -> Value {
    let settings = settings(Contract::Deserialize).with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.remove("$schema");
    schema.remove("title");
    schema.to_value()
}

/// Options, the types of all that goes in and out, the error codes, the architectures, and the tensor types.
pub fn all() -> Value {
    let errors = Code::ALL
        .iter()
        .map(|code| json!({ "code": code.as_str(), "meaning": code.meaning(), "advice": code.advice(), "openai": shape(*code) }));
    let architectures = arch::families().iter().map(|family| json!({ "names": family.names, "models": family.models }));
    json!({
        "options": options(),
        "types": types(),
        "errors": errors.collect::<Vec<_>>(),
        "architectures": architectures.collect::<Vec<_>>(),
        "tensorTypes": TensorType::ALL.map(tensor_type),
    })
}

/// A type's name and family, the weights of its block, and the bits of one in the file and on the device.
fn tensor_type(kind: TensorType) -> Value {
    let bits = |bytes: usize, weights: usize| (8 * bytes) as f64 / weights as f64;
    let on_device = quant::planes(kind).iter().map(|plane| plane.bytes_per_unit).sum();
    json!({
        "name": kind.name(),
        "family": kind.family(),
        "block": kind.block_len(),
        "bits": bits(kind.block_bytes(), kind.block_len()),
        "stored": kind.stored().name(),
        "storedBits": bits(on_device, quant::UNIT),
    })
}

/// One schema with a definition for each type; its own members are the options by call.
fn types() -> Value {
    let mut input = settings(Contract::Deserialize).into_generator();
    macro_rules! entry {
        ($name:literal, $type:ty) => {
            ($name.to_string(), input.subschema_for::<$type>().to_value())
        };
    }
    let members = Map::from_iter(calls!(entry));
    input.subschema_for::<SottoSampling>();
    input.subschema_for::<SottoOptions>();
    let mut output = settings(Contract::Serialize).into_generator();
    output.subschema_for::<ModelInfo>();
    output.subschema_for::<ModelHeader>();
    output.subschema_for::<Inspection>();
    output.subschema_for::<ModelStats>();
    output.subschema_for::<Step>();
    output.subschema_for::<ChatStep>();
    output.subschema_for::<Counted>();
    output.subschema_for::<ChoiceLogprobs>();
    output.subschema_for::<CompletionLogprobs>();
    output.subschema_for::<Filled>();
    output.subschema_for::<LoadedAdapter>();
    output.subschema_for::<eval::Score>();
    output.subschema_for::<eval::Bench>();
    let mut definitions = input.take_definitions(true);
    definitions.extend(output.take_definitions(true));
    let required: Vec<&String> = members.keys().collect();
    json!({
        "title": "Options",
        "description": "The options of each call.",
        "type": "object",
        "required": required,
        "properties": members,
        "definitions": definitions,
    })
}

fn settings(contract: Contract) -> SchemaSettings {
    SchemaSettings::draft07().with(|settings| settings.contract = contract).with_transform(Plain)
}

/// Makes of what schemars says of Rust's types what holds in JavaScript.
#[derive(Clone)]
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(schema) = schema.as_object_mut() else { return };
        let (least, most) = match schema.remove("format").as_ref().and_then(Value::as_str) {
            Some("uint32") => (None, Some(u64::from(u32::MAX))),
            Some("uint64") => (None, Some(MAX_SAFE_INTEGER)),
            Some("int64") => (Some(-(MAX_SAFE_INTEGER as i64)), Some(MAX_SAFE_INTEGER)),
            _ => (None, None),
        };
        if let Some(least) = least {
            schema.entry("minimum").or_insert(least.into());
        }
        if let Some(most) = most {
            schema.entry("maximum").or_insert(most.into());
        }
        if let Some(Value::Array(choices)) = schema.remove("oneOf") {
            if let Some(names) = names(&choices) {
                schema.insert("type".into(), "string".into());
                schema.insert("enum".into(), names.into());
            } else {
                schema.insert("anyOf".into(), choices.into());
            }
        }
        schema.retain(|key, value| !(key == "default" && value.is_null()));
        if let Some(default) = schema.get_mut("default").filter(|default| default.is_f64()) {
            *default = json!(default.as_f64().map(super::shortest));
        }
        optional(schema);
        let required = schema.get("required").cloned().unwrap_or_default();
        let required = |name: &String| required.as_array().is_some_and(|names| names.iter().any(|other| other == name));
        if let Some(Value::Object(members)) = schema.get_mut("properties") {
            for (name, member) in members {
                // What need not be there is never `null`: an option that is `null` is as good as not given.
                match member {
                    Value::Object(member) if !required(name) => without_null(member),
                    _ => {}
                }
            }
        }
    }
}

/// What is marked as optional is not required, though it is always there; what is marked as not optional is.
fn optional(schema: &mut Map<String, Value>) {
    let Some(Value::Object(members)) = schema.get_mut("properties") else { return };
    let marks = members.iter_mut().filter_map(|(name, member)| {
        let mark = member.as_object_mut()?.remove("optional")?;
        Some((name.clone(), mark == true))
    });
    for (name, optional) in marks.collect::<Vec<_>>() {
        let required = schema.entry("required").or_insert_with(|| json!([]));
        match required {
            Value::Array(names) if optional => names.retain(|other| *other != name),
            Value::Array(names) => names.push(name.into()),
            _ => {}
        }
    }
}

/// The names of a choice between names.
fn names(choices: &[Value]) -> Option<Vec<Value>> {
    let lists = choices.iter().map(|choice| match (choice.get("const"), choice.get("enum")) {
        (Some(name), _) => Some(vec![name.clone()]),
        (_, Some(Value::Array(names))) => Some(names.clone()),
        _ => None,
    });
    lists.collect::<Option<Vec<_>>>().map(|lists| lists.concat())
}

fn without_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            schema.insert("type".into(), one);
        }
    }
    if let Some(Value::Array(names)) = schema.get_mut("enum") {
        names.retain(|name| !name.is_null());
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type") != Some(&"null".into()));
        if let [Value::Object(one)] = choices.as_slice() {
            let one = one.clone();
            schema.remove("anyOf");
            // What stands beside a reference counts only where the reference is inside.
            if one.contains_key("$ref") && schema.contains_key("description") {
                schema.insert("allOf".into(), json!([one]));
                return;
            }
            for (key, value) in one {
                schema.entry(key).or_insert(value);
            }
        }
    }
}
