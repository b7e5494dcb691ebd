//! Whether a value that no grammar held to a schema fits it. What of a schema cannot be followed says nothing, as where a
//! schema is `lenient`.

use std::collections::HashMap;

use llguidance::derivre::Regex;
use serde_json::{Map, Value};

use super::{formats, pattern, values};

/// Whether it does. A schema that takes too many steps is fit by nothing.
pub fn fits(schema: &Value, value: &Value) -> bool {
    let mut reader = Reader { root: schema, steps: 0, level: 0, expressions: HashMap::new() };
    reader.fits(schema, value) && !reader.is_tired()
}

/// Schemas that are looked at, for all values together.
const STEPS: usize = 100_000;
/// Schemas in schemas: one may lead back to itself.
const LEVELS: usize = 200;

struct Reader<'a> {
    root: &'a Value,
    steps: usize,
    level: usize,
    /// By their patterns; none for one that is not enforced.
    expressions: HashMap<String, Option<Regex>>,
}

impl<'a> Reader<'a> {
    fn is_tired(&self) -> bool {
        self.steps > STEPS
    }

    fn fits(&mut self, schema: &'a Value, value: &Value) -> bool {
        let map = match schema {
            Value::Bool(all) => return *all,
            Value::Object(map) => map,
            _ => return true,
        };
        self.steps += if self.level > LEVELS { STEPS } else { 1 };
        if self.is_tired() {
            return false;
        }
        self.level += 1;
        let fits = map.iter().all(|(keyword, wanted)| self.keyword(map, keyword, wanted, value));
        self.level -= 1;
        fits
    }

    fn keyword(&mut self, map: &'a Map<String, Value>, keyword: &str, wanted: &'a Value, value: &Value) -> bool {
        match (keyword, wanted) {
            ("type", Value::Array(types)) => types.iter().any(|one| is_of(value, one)),
            ("type", one) => is_of(value, one),
            ("const", one) => same(one, value),
            ("enum", Value::Array(all)) => all.iter().any(|one| same(one, value)),
            ("$ref", Value::String(pointer)) => {
                let path = pointer.strip_prefix('#').and_then(values::percent_decoded);
                path.and_then(|path| self.root.pointer(&path)).is_none_or(|target| self.fits(target, value))
            }
            ("allOf", Value::Array(all)) => all.iter().all(|one| self.fits(one, value)),
            ("anyOf", Value::Array(all)) => all.iter().any(|one| self.fits(one, value)),
            ("oneOf", Value::Array(all)) => all.iter().filter(|one| self.fits(one, value)).count() == 1,
            ("not", one) => !self.fits(one, value),
            ("if", one) => {
                let branch = if self.fits(one, value) { "then" } else { "else" };
                map.get(branch).is_none_or(|branch| self.fits(branch, value))
            }
            _ => match value {
                Value::Number(_) => value.as_f64().is_none_or(|number| number_fits(map, keyword, wanted, number)),
                Value::String(text) => self.text_fits(keyword, wanted, text),
                Value::Array(list) => self.list_fits(map, keyword, wanted, list),
                Value::Object(members) => self.object_fits(map, keyword, wanted, members),
                _ => true,
            },
        }
    }

    fn text_fits(&mut self, keyword: &str, wanted: &Value, text: &str) -> bool {
        match (keyword, wanted) {
            ("pattern", Value::String(pattern)) => self.matches(pattern, text),
            ("format", Value::String(name)) => {
                formats::pattern(name).is_none_or(|pattern| self.matches(&pattern, text))
            }
            ("minLength" | "maxLength", most) => counted(keyword, most, text.chars().count()),
            _ => true,
        }
    }

    /// Whether an expression of ECMA-262 matches somewhere in the text.
    fn matches(&mut self, pattern: &str, text: &str) -> bool {
        let known = self.expressions.entry(pattern.to_string());
        let compiled = || pattern::searched(pattern).ok().and_then(|whole| Regex::new(&whole).ok());
        known.or_insert_with(compiled).as_mut().is_none_or(|expression| expression.is_match(text))
    }

    fn list_fits(&mut self, map: &'a Map<String, Value>, keyword: &str, wanted: &'a Value, list: &[Value]) -> bool {
        // Before draft 2020-12 what comes first is in `items`.
        let places = ["prefixItems", "items"].iter().find_map(|name| map.get(*name).and_then(Value::as_array));
        let first = places.map_or(0, Vec::len).min(list.len());
        match (keyword, wanted) {
            ("prefixItems" | "items", Value::Array(places)) => {
                places.iter().zip(list).all(|(place, item)| self.fits(place, item))
            }
            ("additionalItems", _) if places.is_none() => true,
            ("items" | "additionalItems", rest) => list[first..].iter().all(|item| self.fits(rest, item)),
            ("contains", one) => {
                let count = list.iter().filter(|item| self.fits(one, item)).count();
                let least = map.get("minContains").and_then(Value::as_f64).unwrap_or(1.0);
                let most = map.get("maxContains").and_then(Value::as_f64).unwrap_or(f64::INFINITY);
                (least..=most).contains(&(count as f64))
            }
            ("uniqueItems", Value::Bool(true)) => {
                self.steps += list.len() * list.len() / 8;
                self.is_tired()
                    || list.iter().enumerate().all(|(i, item)| !list[..i].iter().any(|other| same(item, other)))
            }
            ("minItems" | "maxItems", count) => counted(keyword, count, list.len()),
            _ => true,
        }
    }

    fn object_fits(
        &mut self,
        map: &'a Map<String, Value>,
        keyword: &str,
        wanted: &'a Value,
        members: &Map<String, Value>,
    ) -> bool {
        match (keyword, wanted) {
            ("properties", Value::Object(properties)) => {
                properties.iter().all(|(name, schema)| members.get(name).is_none_or(|member| self.fits(schema, member)))
            }
            ("patternProperties", Value::Object(patterns)) => patterns.iter().all(|(pattern, schema)| {
                members.iter().all(|(name, member)| !self.matches(pattern, name) || self.fits(schema, member))
            }),
            ("additionalProperties", rest) => members.iter().all(|(name, member)| {
                let named = |keyword: &str| map.get(keyword).and_then(Value::as_object);
                let is_named = named("properties").is_some_and(|properties| properties.contains_key(name))
                    || named("patternProperties").is_some_and(|all| all.keys().any(|one| self.matches(one, name)));
                is_named || self.fits(rest, member)
            }),
            ("propertyNames", names) => members.keys().all(|name| self.fits(names, &name.as_str().into())),
            ("required", names) => has_all(members, names),
            ("minProperties" | "maxProperties", count) => counted(keyword, count, members.len()),
            ("dependentRequired" | "dependentSchemas" | "dependencies", Value::Object(all)) => {
                all.iter().filter(|(name, _)| members.contains_key(*name)).all(|(_, needed)| match needed {
                    Value::Array(_) => has_all(members, needed),
                    schema => self.fits(schema, &Value::Object(members.clone())),
                })
            }
            _ => true,
        }
    }
}

fn has_all(members: &Map<String, Value>, names: &Value) -> bool {
    names.as_array().into_iter().flatten().filter_map(Value::as_str).all(|name| members.contains_key(name))
}

/// Of `min…` and `max…`.
fn counted(keyword: &str, bound: &Value, count: usize) -> bool {
    let count = count as f64;
    bound.as_f64().is_none_or(|bound| if keyword.starts_with("min") { count >= bound } else { count <= bound })
}

fn number_fits(map: &Map<String, Value>, keyword: &str, wanted: &Value, number: f64) -> bool {
    // Before draft 6 a truth value says it of the other.
    let of = |name: &str| if wanted == &Value::Bool(true) { map.get(name)?.as_f64() } else { wanted.as_f64() };
    match keyword {
        "minimum" => wanted.as_f64().is_none_or(|least| number >= least),
        "maximum" => wanted.as_f64().is_none_or(|most| number <= most),
        "exclusiveMinimum" => of("minimum").is_none_or(|bound| number > bound),
        "exclusiveMaximum" => of("maximum").is_none_or(|bound| number < bound),
        "multipleOf" => wanted.as_f64().is_none_or(|step| {
            let times = number / step;
            // Of decimal fractions floats are only near.
            number % step == 0.0 || times.is_finite() && (times - times.round()).abs() < 1e-9
        }),
        _ => true,
    }
}

fn is_of(value: &Value, name: &Value) -> bool {
    match name.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    }
}

/// Of numbers the value counts, not how it is written.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}
