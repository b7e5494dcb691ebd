//! Random replies under random schemas, over a real model's tokens: whatever a model says under a mask, it is valid.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use sotto::chat::grammar::{Grammars, Spec, Syntax};
use sotto::chat::linked::Linked;
use sotto::run::constraint::{Constraint, Next};
use sotto::text::tokenizer::Tokenizer;

use crate::common::models;

const SCHEMAS: usize = 500;
const REPLIES: usize = 3;
/// From here on a reply takes what ends it where it can.
const PATIENCE: usize = 60;
const MOST_TOKENS: usize = 4000;

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

fn schema(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 7 } else { 13 }) {
        0 => json!({"type": random.of(&["null", "boolean", "integer", "number", "string"])}),
        1 => {
            let low = random.below(200) as i64 - 100;
            json!({"type": "integer", "minimum": low, "maximum": low + random.below(300) as i64})
        }
        2 => {
            let low = random.below(2000) as f64 / 16.0 - 60.0;
            let (least, most) = *random.of(&[("minimum", "maximum"), ("exclusiveMinimum", "exclusiveMaximum")]);
            json!({"type": "number", least: low, most: low + 0.25 + random.below(9000) as f64 / 32.0})
        }
        3 => json!({"type": "integer", "multipleOf": 1 + random.below(40), "minimum": -5000, "maximum": 5000}),
        4 => {
            let least = random.below(4);
            json!({"type": "string", "minLength": least, "maxLength": least + random.below(20)})
        }
        5 => json!({"type": "string", "pattern": random.of(&[
            "^[a-z]+$", "[0-9]{2}", "^(foo|bar)-\\d+$", "^\\w+\\s\\w+$", "^.{3}$", "a|^b", "^[^\\s\"]+$", "é", "^\\u{1F600}?x$"])}),
        6 => match random.below(3) {
            0 => json!({"enum": [1, "one", null, true, 2.5, [1, {"a": "b"}], {"k": [], "l": "\n\"\\"}]}),
            1 => json!({"const": random.of(&["fixed", "\u{e9}\t", ""])}),
            _ => {
                json!({"type": "string", "format": random.of(&["date", "time", "date-time", "uuid", "ipv4", "ipv6", "email", "uri"])})
            }
        },
        7 | 8 => object(random, depth),
        9 => {
            let least = random.below(3);
            json!({"type": "array", "items": schema(random, depth - 1), "minItems": least, "maxItems": least + random.below(4)})
        }
        10 => json!({"type": "array", "prefixItems": [schema(random, depth - 1), schema(random, depth - 1)],
            "items": random.chance(50) && random.chance(50), "minItems": random.below(3)}),
        11 => json!({"anyOf": [schema(random, depth - 1), schema(random, depth - 1)]}),
        _ => match random.below(3) {
            0 => json!({"oneOf": [{"type": "string", "maxLength": 9}, {"type": "integer"}, {"type": "null"}]}),
            1 => json!({"allOf": [object(random, depth - 1), object(random, depth - 1)]}),
            _ => {
                json!({"type": ["object", "null"], "properties": {"next": {"$ref": "#/$defs/list"}, "value": schema(random, 0)},
                "required": ["value"], "additionalProperties": false})
            }
        },
    }
}

fn object(random: &mut Random, depth: usize) -> Value {
    let names = ["name", "age", "a b", "x\"y", "été", "list_of_items"];
    let mut properties = Map::new();
    let mut required = Vec::new();
    for _ in 0..random.below(4) {
        let name = *random.of(&names);
        properties.insert(name.into(), schema(random, depth.saturating_sub(1)));
        if random.chance(60) && !required.contains(&name) {
            required.push(name);
        }
    }
    let mut object = json!({"type": "object", "properties": properties, "required": required});
    match random.below(5) {
        0 => object["additionalProperties"] = schema(random, 0),
        1 => object["patternProperties"] = json!({"^n": schema(random, 0), "e$": {"type": "integer"}}),
        2 => object["minProperties"] = (required.len() + 1).into(),
        _ => object["additionalProperties"] = false.into(),
    }
    object
}

/// Tokens by what they help to end.
struct Endings {
    closing: Vec<u32>,
    eog: Vec<u32>,
}

fn is_allowed(mask: &[u32], token: u32) -> bool {
    mask[token as usize / 32] >> (token % 32) & 1 == 1
}

/// A reply of random tokens; the time of its masks and their number.
fn walk(constraint: &mut dyn Constraint, endings: &Endings, random: &mut Random) -> (Option<Vec<u32>>, Duration, u32) {
    let (mut reply, mut time, mut masks) = (Vec::new(), Duration::ZERO, 0);
    let mut now = constraint.start().expect("a start");
    loop {
        let mut last = None;
        for token in std::mem::take(&mut now.forced) {
            reply.push(token);
            last = Some(constraint.commit(token).expect("a forced token is taken"));
        }
        if let Some(next) = last {
            now = next;
            continue;
        }
        if now.next == Next::End || reply.len() > MOST_TOKENS {
            return ((now.next == Next::End).then_some(reply), time, masks);
        }
        let started = Instant::now();
        let mask = constraint.mask().expect("a mask");
        time += started.elapsed();
        masks += 1;
        if endings.eog.iter().any(|token| is_allowed(&mask, *token)) && (reply.len() > PATIENCE || random.chance(40)) {
            return (Some(reply), time, masks);
        }
        let hurry = reply.len() > PATIENCE || random.chance(60);
        let closing: Vec<u32> =
            endings.closing.iter().copied().filter(|token| hurry && is_allowed(&mask, *token)).collect();
        let token = if closing.is_empty() {
            let words: Vec<usize> = (0..mask.len()).filter(|word| mask[*word] != 0).collect();
            let word = *random.of(&words);
            let bits: Vec<u32> = (0..32).filter(|bit| mask[word] >> bit & 1 == 1).collect();
            word as u32 * 32 + *random.of(&bits)
        } else {
            *random.of(&closing)
        };
        if endings.eog.contains(&token) {
            return (Some(reply), time, masks);
        }
        reply.push(token);
        now = constraint.commit(token).expect("an allowed token is taken");
    }
}

#[test]
fn random_replies_under_random_schemas_are_valid() {
    let tokenizer = Tokenizer::from_metadata(&mut models::metadata(models::SMOLLM2)).expect("a tokenizer");
    let tokenizer = Arc::new(tokenizer);
    let started = Instant::now();
    let grammars = Linked::new(&tokenizer).expect("a vocabulary");
    eprintln!("vocabulary: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    let text = |id| String::from_utf8_lossy(&tokenizer.token_bytes(id).unwrap_or_default()).into_owned();
    let is_closing = |id: &u32| text(*id).chars().all(|c| "\"}], ".contains(c)) && !tokenizer.is_special(*id);
    let closing = (0..tokenizer.n_vocab() as u32).filter(is_closing).collect();
    let endings = Endings { closing, eog: tokenizer.eog_ids().to_vec() };

    let mut random = Random(11);
    let (mut taken, mut refused, mut whole, mut cut, mut infinite) = (0, 0, 0, 0, 0);
    let (mut time, mut masks, mut compiling) = (Duration::ZERO, 0, Duration::ZERO);
    while taken < SCHEMAS {
        let mut given = schema(&mut random, 3);
        given["$defs"] = json!({"list": {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"next": {"$ref": "#/$defs/list"}},
            "required": ["next"], "additionalProperties": false}]}});
        let validator = jsonschema::options().should_validate_formats(true).build(&given).expect("a validator");
        let spec = Spec::JsonSchema { schema: given.clone(), lenient: false };
        let started = Instant::now();
        if let Err(error) = grammars.compile(&spec) {
            assert!(error.message.ends_with('.'), "{error}");
            refused += 1;
            continue;
        }
        compiling += started.elapsed();
        taken += 1;
        for _ in 0..REPLIES {
            let mut constraint = grammars.compile(&spec).expect("as before");
            let (reply, took, some) = walk(&mut *constraint, &endings, &mut random);
            let Some(reply) = reply else {
                cut += 1;
                continue;
            };
            (time, masks) = (time + took, masks + some);
            let bytes: Vec<u8> = reply.iter().flat_map(|id| tokenizer.token_bytes(*id).unwrap_or_default()).collect();
            let text = String::from_utf8(bytes).expect("UTF-8");
            match serde_json::from_str::<Value>(&text) {
                Ok(value) => assert!(validator.is_valid(&value), "{given}\nallows\n{text}"),
                // JSON by its grammar, but beyond what a float holds.
                Err(error) if error.to_string().contains("number out of range") => infinite += 1,
                Err(error) => panic!("{error}: {text}\nof {given}"),
            }
            whole += 1;
        }
    }
    eprintln!(
        "{taken} schemas taken, {refused} refused; {whole} replies valid, {infinite} of them with a number beyond floats, {cut} cut; \
         {masks} masks of {:.0} µs, compiled in {:.1} ms each",
        time.as_secs_f64() * 1e6 / f64::from(masks),
        compiling.as_secs_f64() * 1e3 / taken as f64,
    );
    assert!(cut * 20 < whole, "{cut} replies did not end");
}

#[test]
fn both_sides_read_the_same_specification() {
    for spec in [
        Spec::JsonSchema { schema: json!({"type": "object", "b": 1, "a": [null]}), lenient: true },
        Spec::JsonSchema { schema: json!(false), lenient: false },
        Spec::JsonObject,
        Spec::Regex { pattern: "a\"b".into() },
        Spec::Grammar { grammar: "start: \"a\"\n".into(), syntax: Syntax::Lark },
        Spec::Grammar { grammar: "root ::= \"a\"".into(), syntax: Syntax::Gbnf },
    ] {
        let text = serde_json::to_string(&spec).expect("JSON");
        let other = sotto_grammar::Spec::parse(&text).expect("a specification");
        assert_eq!(format!("{other:?}"), format!("{spec:?}"));
        assert_eq!(serde_json::from_str::<Spec>(&text).expect("a specification"), spec);
    }
}

#[test]
fn what_is_forced_is_written_as_the_tokenizer_writes_it() {
    for file in [models::SMOLLM2, models::GEMMA] {
        let tokenizer = Arc::new(Tokenizer::from_metadata(&mut models::metadata(file)).expect("a tokenizer"));
        let grammars = Linked::new(&tokenizer).expect("a vocabulary");
        let given = json!({"type": "object", "properties": {"temperature_in_celsius": {"const": "unbelievably"}},
            "required": ["temperature_in_celsius"], "additionalProperties": false});
        let mut constraint = grammars.compile(&Spec::JsonSchema { schema: given, lenient: false }).expect("taken");
        let mut now = constraint.start().expect("a start");
        let (mut reply, mut sampled) = (Vec::new(), 0);
        while now.next != Next::End {
            let token = match now.forced.first() {
                Some(token) => *token,
                None => {
                    sampled += 1;
                    let mask = constraint.mask().expect("a mask");
                    (0..tokenizer.n_vocab() as u32)
                        .filter(|token| is_allowed(&mask, *token))
                        .max_by_key(|token| tokenizer.token_bytes(*token).map_or(0, |b| b.len()))
                        .expect("a token")
                }
            };
            reply.push(token);
            let rest = now.forced.split_off(now.forced.len().min(1));
            let next = constraint.commit(token).expect("taken");
            now = if rest.is_empty() {
                next
            } else {
                sotto::run::constraint::Commit { forced: rest, next: Next::Masked }
            };
        }
        let text = r#"{"temperature_in_celsius": "unbelievably"}"#;
        let bytes: Vec<u8> = reply.iter().flat_map(|id| tokenizer.token_bytes(*id).unwrap_or_default()).collect();
        assert_eq!(String::from_utf8_lossy(&bytes), text);
        assert_eq!(reply, tokenizer.encode_more(text).expect("ids"), "{file}");
        assert!(sampled <= 1, "{sampled} of {} tokens were not forced in {file}", reply.len());
    }
}
