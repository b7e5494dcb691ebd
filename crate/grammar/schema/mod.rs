//! A schema in *normal form*: nothing is left in it but what llguidance enforces to the letter, in the words it reads. What
//! is not enforced is refused with its name and where it stands, or left out where the caller wants that.

mod fits;
mod formats;
pub mod keywords;
mod pattern;
mod values;
mod why;

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use crate::{Refused, Result, limits, refuse};
pub use fits::fits;
use keywords::{DIALECTS, Rule, TYPES, rule};
pub use pattern::translate_whole as whole_pattern;
pub use pattern::within;
pub use why::{unfit, why};

/// The schema in normal form. `lenient`: what is not enforced is left out. Refused: a schema with a keyword that is not
/// enforced or not understood, and one that is too large.
///
/// `way`: how the caller says that he wants it, as the end of a sentence.
pub fn normal(schema: &Value, lenient: bool, way: &str) -> Result<Value> {
    normal_at(schema, "", lenient, way)
}

/// As `normal`, of a schema that stands at a path of its owner's, for sentences.
pub fn normal_at(schema: &Value, at: &str, lenient: bool, way: &str) -> Result<Value> {
    values::check_size(schema)?;
    part(schema, schema, at, lenient, way)
}

/// As `normal`, of the part of a schema that stands at a path.
fn part(root: &Value, part: &Value, path: &str, lenient: bool, way: &str) -> Result<Value> {
    let mut reader = Reader::new(root, lenient, way);
    let mut normal = match reader.schema(part, path)? {
        Value::Object(normal) => normal,
        Value::Bool(true) => Map::new(),
        _ => refuse!("The schema allows nothing at all."),
    };
    // Reading one may find more.
    let mut definitions = Map::new();
    let mut at = 0;
    let mut levels = reader.deepest;
    while let Some(pointer) = reader.targets.get(at).cloned() {
        let target = reader.target(&pointer).ok_or_else(|| Refused(format!("The schema has nothing at {pointer}.")))?;
        reader.deepest = 0;
        definitions.insert(at.to_string(), reader.schema(target, &pointer)?);
        levels += reader.deepest;
        if levels > limits::LEVELS {
            refuse!(
                "The schema's keyword \"$ref\" leads to schemas with more than {} levels in all; take fewer or flatter ones.",
                limits::LEVELS
            );
        }
        at += 1;
    }
    if !definitions.is_empty() {
        check_loops(&definitions)?;
        normal.insert("$defs".into(), definitions.into());
    }
    Ok(Value::Object(normal))
}

/// How a request has what is not enforced left out.
pub const BY_REQUEST: &str = "set strict to false";

/// Where a schema in a grammar says how llguidance should read it.
pub const STYLE: &str = "x-guidance";
/// Where it says whose it is, for sentences.
pub const OWNER: &str = "x-owner";
/// And where of that it stands: a pointer.
pub const PATH: &str = "x-path";

/// How it is written: as `given`, or on one line with a blank after each comma and colon, as most models were taught. Each
/// character is written in one way, so that no name can pass for another.
pub fn set_style(normal: &mut Value, given: Option<&Value>, lenient: bool) {
    let one_line = json!({"whitespace_flexible": false, "item_separator": ", ", "key_separator": ": "});
    let mut style = given.unwrap_or(&one_line).clone();
    if let (Value::Object(map), Value::Object(style)) = (normal, &mut style) {
        style.insert("json_allowed_escapes".into(), "nrbtf\\\"".into());
        style.insert("json_allow_general_unicode_escapes".into(), false.into());
        style.insert("lenient".into(), lenient.into());
        map.insert(STYLE.into(), Value::Object(std::mem::take(style)));
    }
}

struct Reader<'a> {
    root: &'a Value,
    lenient: bool,
    way: &'a str,
    /// What `$ref` points at, in the order of their names in `$defs`.
    targets: Vec<String>,
    /// Their places in that order.
    numbers: HashMap<String, usize>,
    multiples: values::Multiples,
    /// Patterns of names, and their bytes.
    patterns: (usize, usize),
    /// Schemas around the one that is read, and the most of them so far.
    level: usize,
    deepest: usize,
}

impl<'a> Reader<'a> {
    fn new(root: &'a Value, lenient: bool, way: &'a str) -> Self {
        let multiples = values::Multiples::default();
        let (targets, numbers) = (Vec::new(), HashMap::new());
        Reader { root, lenient, way, targets, numbers, multiples, patterns: (0, 0), level: 0, deepest: 0 }
    }

    fn schema(&mut self, schema: &Value, path: &str) -> Result<Value> {
        self.level += 1;
        self.deepest = self.deepest.max(self.level);
        let normal = self.keywords(schema, path);
        self.level -= 1;
        normal
    }

    fn keywords(&mut self, schema: &Value, path: &str) -> Result<Value> {
        let map = match schema {
            Value::Bool(_) => return Ok(schema.clone()),
            Value::Object(map) => map,
            _ => refuse!("The schema has {} at {}, where an object belongs.", kind(schema), place(path)),
        };
        let mut out = Map::new();
        let mut also = Vec::new();
        for (keyword, value) in map {
            let at = format!("{path}/{}", escaped(keyword));
            let Some(rule) = rule(keyword) else {
                self.leave::<()>(keyword, &at, "is not known")?;
                continue;
            };
            if let Some((name, value)) = self.keyword(map, rule, keyword, value, &at)? {
                // A pattern of its own and one of the format: both must match.
                match out.contains_key(&name) {
                    true => also.push(json!({ name: value })),
                    false => drop(out.insert(name, value)),
                }
            }
        }
        if !also.is_empty() {
            let all = out.entry("allOf").or_insert_with(|| json!([]));
            all.as_array_mut().into_iter().for_each(|all| all.append(&mut also));
        }
        self.check_fewest(map, path)?;
        Ok(Value::Object(out))
    }

    /// What the keyword becomes, under which name.
    fn keyword(
        &mut self,
        map: &Map<String, Value>,
        rule: Rule,
        keyword: &str,
        value: &Value,
        at: &str,
    ) -> Result<Option<(String, Value)>> {
        let same = |value: Value| Ok(Some((keyword.to_string(), value)));
        match rule {
            Rule::Note => Ok(None),
            Rule::TopNote if at.matches('/').count() == 1 => Ok(None),
            Rule::Dialect => {
                let known = value.as_str().is_some_and(|name| DIALECTS.contains(&name.trim_end_matches('#')));
                if known { Ok(None) } else { self.leave(keyword, at, "names a dialect that is not known") }
            }
            Rule::Unless(inert) if value == &Value::Bool(inert) => Ok(None),
            // Every name is a text.
            Rule::PropertyNames if [json!(true), json!({}), json!({"type": "string"})].contains(value) => Ok(None),
            Rule::TopNote | Rule::Unless(_) | Rule::PropertyNames | Rule::Refused => {
                self.leave(keyword, at, "is not enforced")
            }
            Rule::Schemas => {
                check_met(map, keyword, at)?;
                same(self.list(value, at)?)
            }
            Rule::Properties => {
                check_optional(map, value, at)?;
                same(self.properties(value, at)?)
            }
            Rule::Patterns => self.patterns(keyword, value, at),
            Rule::Items if value.is_array() => {
                if map.contains_key("prefixItems") {
                    refuse!(
                        "The schema's keyword \"items\" at {at} is a list beside \"prefixItems\"; leave one of them out."
                    );
                }
                Ok(Some(("prefixItems".into(), self.list(value, at)?)))
            }
            Rule::Schema | Rule::Items => same(self.schema(value, at)?),
            Rule::AdditionalItems => match map.get("items") {
                Some(Value::Array(_)) => Ok(Some(("items".into(), self.schema(value, at)?))),
                _ => Ok(None),
            },
            Rule::Ref => self.reference(value, at),
            Rule::Pattern => match value.as_str().map(pattern::translate) {
                Some(Ok(pattern)) => same(pattern.into()),
                Some(Err(why)) => self.leave(keyword, at, &format!("is not enforced: it {why}")),
                None => refuse!("The schema's keyword \"pattern\" at {at} is {}, where a text belongs.", kind(value)),
            },
            Rule::Format => match value.as_str().map(|name| (name, formats::pattern(name))) {
                Some((_, Some(pattern))) => Ok(Some(("pattern".into(), pattern.into()))),
                Some((name, None)) => {
                    let known: Vec<&str> = formats::FORMATS.iter().map(|(name, _)| *name).collect();
                    let why = format!("is not enforced: of formats there are {}, and no \"{name}\"", known.join(", "));
                    self.leave(keyword, at, &why)
                }
                None => refuse!("The schema's keyword \"format\" at {at} is {}, where a text belongs.", kind(value)),
            },
            Rule::MultipleOf if value.as_f64().is_none_or(|number| number <= 0.0) => {
                refuse!("The schema's keyword \"multipleOf\" at {at} is no number above zero.")
            }
            Rule::MultipleOf if !self.multiples.add(value) => {
                let why = format!(
                    "has too many digits to be enforced, by itself or with others of the schema: without the point they may come to {}",
                    limits::MULTIPLE
                );
                self.leave(keyword, at, &why)
            }
            Rule::MultipleOf => same(value.clone()),
            Rule::Type => self.types(keyword, value, at),
            Rule::Enum if value.as_array().is_none_or(Vec::is_empty) => {
                refuse!("The schema's keyword \"enum\" at {at} is no list of at least one value.")
            }
            Rule::Const | Rule::Enum => match values::unwritable(value) {
                Some(why) => self.leave(keyword, at, &format!("is not enforced: it has {why}")),
                None => same(value.clone()),
            },
            Rule::Bound => self.bound(map, keyword, value, at),
            Rule::Length => self.count(keyword, value, at, limits::LENGTH),
            Rule::Count => self.count(keyword, value, at, limits::ITEMS),
            Rule::Names => match value.as_array().is_some_and(|names| names.iter().all(Value::is_string)) {
                true => same(value.clone()),
                false => refuse!("The schema's keyword \"{keyword}\" at {at} is no list of names."),
            },
        }
    }

    /// A bound that is no value itself is moved by the least there is where that is away from zero: llguidance keeps such bounds
    /// towards zero alone.
    fn bound(
        &self,
        map: &Map<String, Value>,
        keyword: &str,
        value: &Value,
        at: &str,
    ) -> Result<Option<(String, Value)>> {
        let upwards = matches!(keyword, "minimum" | "exclusiveMinimum");
        let (inclusive, exclusive) =
            if upwards { ("minimum", "exclusiveMinimum") } else { ("maximum", "exclusiveMaximum") };
        // Before draft 6 a truth value says it of the other.
        let number = match (value.as_f64(), value.is_boolean() && keyword == exclusive) {
            (Some(number), _) => number,
            (None, true) => return Ok(None),
            (None, false) => {
                refuse!("The schema's keyword \"{keyword}\" at {at} is {}, where a number belongs.", kind(value))
            }
        };
        if number.abs() >= limits::NUMBER {
            return self.leave(keyword, at, "is no number of less than 9007199254740992");
        }
        if values::digits(number) > limits::BOUND_DIGITS {
            return self.leave(keyword, at, &format!("has more than {} digits behind its point", limits::BOUND_DIGITS));
        }
        let is_exclusive = keyword == exclusive || map.get(exclusive) == Some(&Value::Bool(true));
        let is_moved = if upwards { number >= 0.0 } else { number <= 0.0 };
        Ok(Some(match (is_exclusive, is_moved) {
            (false, _) => (inclusive.into(), value.clone()),
            (true, true) => (inclusive.into(), values::beyond(number, upwards).into()),
            (true, false) => (exclusive.into(), value.clone()),
        }))
    }

    /// Left out where the caller wants that, else refused.
    fn leave<T>(&self, keyword: &str, at: &str, why: &str) -> Result<Option<T>> {
        if self.lenient {
            return Ok(None);
        }
        refuse!(
            "The schema's keyword \"{keyword}\" at {} {why}; take it out, or {} to have what is not enforced left out.",
            clipped(at),
            self.way
        )
    }

    fn list(&mut self, value: &Value, at: &str) -> Result<Value> {
        let Some(list) = value.as_array() else {
            refuse!("The schema has {} at {at}, where a list of schemas belongs.", kind(value))
        };
        let schemas = list.iter().enumerate().map(|(i, schema)| self.schema(schema, &format!("{at}/{i}")));
        schemas.collect()
    }

    fn properties(&mut self, value: &Value, at: &str) -> Result<Value> {
        let Some(map) = value.as_object() else {
            refuse!("The schema has {} at {at}, where an object of schemas belongs.", kind(value))
        };
        let mut out = Map::new();
        for (name, schema) in map {
            out.insert(name.clone(), self.schema(schema, &format!("{at}/{}", escaped(name)))?);
        }
        Ok(out.into())
    }

    fn patterns(&mut self, keyword: &str, value: &Value, at: &str) -> Result<Option<(String, Value)>> {
        let Some(map) = value.as_object() else {
            refuse!("The schema has {} at {at}, where an object of schemas belongs.", kind(value))
        };
        self.patterns.0 += map.len();
        self.patterns.1 += map.keys().map(String::len).sum::<usize>();
        let (patterns, bytes) = (self.patterns.0 as u64, self.patterns.1 as u64);
        if (patterns * patterns / 2).saturating_mul(bytes) > limits::PATTERN_PAIRS {
            refuse!(
                "The schema's keyword \"patternProperties\" at {} has too many patterns to compare each with each, or too long ones; take some 100 short ones at most.",
                clipped(at)
            );
        }
        let mut out = Map::new();
        for (pattern, schema) in map {
            let path = format!("{at}/{}", escaped(pattern));
            let why = match pattern::translate(pattern) {
                Ok(pattern) if !out.contains_key(&pattern) => {
                    out.insert(pattern, self.schema(schema, &path)?);
                    continue;
                }
                Ok(_) => "means the same as another".to_string(),
                Err(why) => why,
            };
            self.leave::<()>(keyword, at, &format!("is not enforced: its pattern \"{pattern}\" {why}"))?;
        }
        Ok(Some((keyword.to_string(), out.into())))
    }

    fn types(&self, keyword: &str, value: &Value, at: &str) -> Result<Option<(String, Value)>> {
        let known = |name: &Value| name.as_str().is_some_and(|name| TYPES.contains(&name));
        let all = match value {
            Value::Array(names) => !names.is_empty() && names.iter().all(known),
            name => known(name),
        };
        if !all {
            refuse!("The schema's keyword \"type\" at {at} is none of {}, nor a list of them.", TYPES.join(", "));
        }
        Ok(Some((keyword.to_string(), value.clone())))
    }

    fn count(&self, keyword: &str, value: &Value, at: &str, most: u64) -> Result<Option<(String, Value)>> {
        let whole =
            value.as_u64().or_else(|| value.as_f64().filter(|n| n.fract() == 0.0 && *n >= 0.0).map(|n| n as u64));
        match whole {
            Some(count) if count <= most => Ok(Some((keyword.to_string(), count.into()))),
            Some(_) => self.leave(keyword, at, &format!("is more than {most}")),
            None => refuse!("The schema's keyword \"{keyword}\" at {at} is no whole number from 0."),
        }
    }

    /// A name may be repeated where any name may stand: so two of them do not make two properties.
    fn check_fewest(&self, map: &Map<String, Value>, path: &str) -> Result<()> {
        let fewest = map.get("minProperties").and_then(Value::as_f64).unwrap_or(0.0);
        let mut required: Vec<&str> =
            map.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        required.sort_unstable();
        required.dedup();
        if fewest > required.len() as f64 + 1.0 {
            let why = "is not enforced where it is more than one above the number of required properties";
            self.leave::<()>("minProperties", &format!("{path}/minProperties"), why)?;
        }
        Ok(())
    }

    fn reference(&mut self, value: &Value, at: &str) -> Result<Option<(String, Value)>> {
        let pointer = value.as_str().and_then(|text| text.strip_prefix('#')).and_then(values::percent_decoded);
        let Some(pointer) = pointer.filter(|pointer| pointer.is_empty() || pointer.starts_with('/')) else {
            return self.leave("$ref", at, "is not enforced: it leads out of the schema, or to an anchor");
        };
        if self.target(&pointer).is_none() {
            refuse!(
                "The schema's keyword \"$ref\" at {at} leads to {}, where there is no schema of this document.",
                place(&pointer)
            );
        }
        let next = self.targets.len();
        let number = *self.numbers.entry(pointer).or_insert_with_key(|pointer| {
            self.targets.push(pointer.clone());
            next
        });
        Ok(Some(("$ref".into(), format!("#/$defs/{number}").into())))
    }

    /// What a pointer leads to, unless it passes another document that is embedded in this one.
    fn target(&self, pointer: &str) -> Option<&'a Value> {
        let mut value = self.root;
        for (i, segment) in pointer.split('/').enumerate().skip(1) {
            if i > 1 && value.get("$id").is_some_and(Value::is_string) {
                return None;
            }
            let segment = segment.replace("~1", "/").replace("~0", "~");
            value = match value {
                Value::Array(list) => list.get(segment.parse::<usize>().ok()?)?,
                value => value.get(&segment)?,
            };
        }
        matches!(value, Value::Object(_) | Value::Bool(_)).then_some(value)
    }
}

/// What must fit together is followed together: its states multiply.
fn check_met(map: &Map<String, Value>, keyword: &str, at: &str) -> Result<()> {
    fn patterns(map: &Map<String, Value>) -> usize {
        let inner = map.get("allOf").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
        let own = ["pattern", "format"].iter().filter(|name| map.contains_key(**name)).count();
        own + inner.map(patterns).sum::<usize>()
    }
    let met = if keyword == "allOf" { patterns(map) } else { 0 };
    if met > limits::PATTERNS_MET {
        refuse!(
            "The schema's keyword \"allOf\" at {} has {met} patterns and formats that a text must fit, of at most {}.",
            clipped(at),
            limits::PATTERNS_MET
        );
    }
    Ok(())
}

/// Each property that may be left out makes one more way to go on.
fn check_optional(map: &Map<String, Value>, properties: &Value, at: &str) -> Result<()> {
    let required: HashSet<&str> =
        map.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let optional =
        properties.as_object().into_iter().flat_map(Map::keys).filter(|name| !required.contains(name.as_str()));
    let optional = optional.count();
    if optional > limits::OPTIONAL {
        refuse!(
            "The schema's keyword \"properties\" at {} has {optional} that may be left out, of at most {}; name more of them in \"required\".",
            clipped(at),
            limits::OPTIONAL
        );
    }
    Ok(())
}

/// Definitions that are nothing but each other say nothing.
fn check_loops(definitions: &Map<String, Value>) -> Result<()> {
    // On whose way each was passed first.
    let mut passed = HashMap::new();
    for name in definitions.keys() {
        let mut at = name.as_str();
        while !passed.contains_key(at) {
            passed.insert(at, name);
            let next = definitions.get(at).and_then(|schema| schema.get("$ref")).and_then(Value::as_str);
            let Some(next) = next.and_then(|text| text.strip_prefix("#/$defs/")) else { break };
            at = next;
            if passed.get(at) == Some(&name) {
                refuse!(
                    "The schema's keyword \"$ref\" leads from one place to the next and back, with nothing between."
                );
            }
        }
    }
    Ok(())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn place(path: &str) -> &str {
    if path.is_empty() { "the top" } else { path }
}

fn clipped(path: &str) -> String {
    match path.chars().count() {
        0..=200 => path.to_string(),
        _ => path.chars().take(200).chain(['…']).collect(),
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
