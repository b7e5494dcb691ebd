//! Hostile specifications end with a sentence, on a small stack: nothing crashes, hangs or fills the memory. What little of
//! them is taken gives masks.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use serde_json::{Map, Value, json};
use sotto_grammar::{Machine, Refused, Spec, Syntax};

use crate::common::{END, bytes, gbnf, schema};

const TOKENS: usize = 300;
/// It must not take all of these: each takes longer than the one before.
const MANY_TOKENS: usize = 5000;
const AMBIGUOUS: &str = "left and right";
/// Each must be refused before anything is built of it.
const REFUSED: &str = "refused: ";
/// Bytes that one may take.
const MOST_BYTES: usize = 300 << 20;

/// Held by the process now, and the most since it was last set.
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn nested(levels: usize) -> String {
    format!("{}{{}}{}", "{\"items\": ".repeat(levels), "}".repeat(levels))
}

fn many(n: usize, entry: impl Fn(usize) -> (String, Value)) -> Value {
    (0..n).map(entry).collect::<Map<_, _>>().into()
}

/// Definitions, each of which leads to the next.
fn chained(n: usize, link: impl Fn(Value) -> Value) -> Spec {
    let mut definitions = many(n, |i| (format!("d{i}"), link(json!({"$ref": format!("#/$defs/d{}", i + 1)}))));
    definitions[format!("d{n}")] = json!({"type": "null"});
    schema(&json!({"$ref": "#/$defs/d0", "$defs": definitions}))
}

/// Name, and what is asked for.
fn specs() -> Vec<(&'static str, Spec)> {
    [schemas(), schemas_at_limits(), grammars()].into_iter().flatten().collect()
}

fn schemas() -> Vec<(&'static str, Spec)> {
    let alternatives: Vec<Value> = (0..60)
        .map(|i| json!({"properties": {format!("p{i}"): {"const": i}}, "required": [format!("q{i}")]}))
        .collect();
    vec![
        ("a large enum", schema(&json!({"enum": (0..100_000).map(|i| format!("v{i}")).collect::<Vec<_>>()}))),
        (
            "an enum at the limit",
            schema(&json!({"enum": (0..40_000).map(|i| format!("value {i} {}", i * 7919)).collect::<Vec<_>>()})),
        ),
        ("minLength", schema(&json!({"type": "string", "minLength": 1_000_000_000_u64}))),
        ("minLength at the limit", schema(&json!({"type": "string", "minLength": 100_000, "maxLength": 100_000}))),
        ("minItems", schema(&json!({"type": "array", "minItems": 1_000_000_000_u64}))),
        ("minItems at the limit", schema(&json!({"type": "array", "minItems": 10_000, "maxItems": 10_000}))),
        (
            "lengths in lengths",
            schema(
                &json!({"type": "array", "minItems": 9999, "items": {"type": "array", "maxItems": 9999, "items": {"type": "string", "minLength": 9999}}}),
            ),
        ),
        ("a loop", schema(&json!({"$ref": "#"}))),
        (
            "a longer loop",
            schema(&json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}})),
        ),
        ("a loop through anyOf", schema(&json!({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}))),
        ("a loop through allOf", schema(&json!({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}))),
        (
            "a loop with company",
            schema(&json!({"$ref": "#", "type": "object", "properties": {"a": {"$ref": "#", "minProperties": 1}}})),
        ),
        (
            "trees met",
            schema(&json!({"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}],
            "$defs": {"a": {"properties": {"c": {"$ref": "#/$defs/a"}}}, "b": {"properties": {"c": {"$ref": "#/$defs/b"}}}}})),
        ),
        ("what never ends", schema(&json!({"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}}))),
        (
            "alternatives of alternatives",
            schema(&json!({"allOf": [{"anyOf": alternatives}, {"anyOf": alternatives}, {"anyOf": alternatives}]})),
        ),
        (
            "many properties",
            schema(&json!({"properties": many(20_000, |i| (format!("p{i}"), json!({"type": "string"})))})),
        ),
        (
            "many patterns",
            schema(&json!({"patternProperties": many(500, |i| (format!("^p{i}.*x$"), json!({"type": "string"})))})),
        ),
        (
            "one of many",
            schema(
                &json!({"oneOf": (0..2000).map(|i| json!({"properties": {"k": {"const": i}}, "required": ["k"]})).collect::<Vec<_>>()}),
            ),
        ),
        ("a pattern of patterns", schema(&json!({"pattern": "^(a+)+(b+)+(c|d)*(((x{1,99}){1,99}){1,99}){1,99}$"}))),
        (
            "a pattern and a length",
            schema(
                &json!({"pattern": "^(\\w+([\\.-]?\\w+)*)+@(\\w+([\\.-]?\\w+)*)+(\\.\\w{2,})+$", "minLength": 500, "maxLength": 9000}),
            ),
        ),
        ("a deep pattern", schema(&json!({"pattern": format!("{}a{}", "(".repeat(20_000), ")".repeat(20_000))}))),
        (
            "a wide pattern",
            schema(&json!({"pattern": (0..20_000).map(|i| format!("a{i}.*b")).collect::<Vec<_>>().join("|")})),
        ),
        ("a long name", schema(&json!({"properties": {"n".repeat(1 << 20): {"type": "null"}}}))),
        ("multiples", schema(&json!({"allOf": (1..2000).map(|i| json!({"multipleOf": i})).collect::<Vec<_>>()}))),
        ("small multiples", schema(&json!({"type": "number", "multipleOf": 5e-324}))),
    ]
}

fn schemas_at_limits() -> Vec<(&'static str, Spec)> {
    vec![
        ("refused: no schema that ends", schema(&json!({"type": "array", "minItems": 1, "items": {"$ref": "#"}}))),
        ("refused: a chain of references", chained(5000, |next| json!({"type": "array", "items": next}))),
        ("a chain at the limit", chained(490, |next| json!({"type": "array", "items": next}))),
        ("choices at the limit", chained(490, |next| json!({"oneOf": [next, {"type": "boolean"}]}))),
        (
            "properties at the limit",
            chained(490, |next| json!({"type": "object", "properties": {"a": next}, "required": ["a"]})),
        ),
        ("refused: nothing but references", chained(20_000, |next| next)),
        ("refused: a prime", schema(&json!({"type": "integer", "minimum": 0, "multipleOf": 9_999_991}))),
        ("multiples at the limit", schema(&json!({"type": "integer", "minimum": 0, "multipleOf": 99_991}))),
        (
            "refused: optional properties",
            schema(&json!({"properties": many(600, |i| (format!("p{i}"), json!({"type": "integer"})))})),
        ),
        (
            "optional properties at the limit",
            schema(&json!({"properties": many(400, |i| (format!("p{i}"), json!({"type": "integer"})))})),
        ),
        (
            "patterns at the limit",
            schema(&json!({"patternProperties": many(150, |i| (format!("^p{i}_"), json!({"type": "integer"})))})),
        ),
        (
            "refused: patterns met",
            schema(
                &json!({"allOf": (0..25).map(|i| json!({"type": "string", "pattern": format!("a.{{{i}}}b")})).collect::<Vec<_>>()}),
            ),
        ),
        (
            "patterns met at the limit",
            schema(
                &json!({"allOf": (0..10).map(|i| json!({"type": "string", "pattern": format!("a.{{{i}}}b")})).collect::<Vec<_>>()}),
            ),
        ),
        ("a pattern of classes", schema(&json!({"pattern": r"\p{L}\w[^\s\d]".repeat(2000)}))),
        (
            "many patterns of alternatives",
            schema(
                &json!({"allOf": vec![json!({"anyOf": (0..60).map(|i| json!({"type": "object", "patternProperties": {format!("^a{i}"): {"minimum": i}}})).collect::<Vec<_>>()}); 3]}),
            ),
        ),
    ]
}

fn grammars() -> Vec<(&'static str, Spec)> {
    let lark = |grammar: String| Spec::Grammar { grammar, syntax: Syntax::Lark };
    let regex = |pattern: &str| Spec::Regex { pattern: pattern.into() };
    let doubled = (0..30).map(|i| format!("r{i} ::= r{} r{}\n", i + 1, i + 1)).collect::<String>();
    let chain =
        |name: &str, is: &str, n: usize| (0..n).map(|i| format!("{name}{i}{is} {name}{}\n", i + 1)).collect::<String>();
    vec![
        ("a regex of repetitions", regex("((((a{1,1000}){1,1000}){1,1000}){1,1000}){1,1000}")),
        ("an exponential regex", regex("(a|b)*a(a|b){2000}c(a|b)*a(a|b){2000}")),
        ("a deep regex", regex(&format!("{}a{}", "(".repeat(30_000), ")".repeat(30_000)))),
        ("all characters", regex(&r"[\p{L}&&[^\p{Lu}]]{1,5000}\w{1,5000}".repeat(20))),
        ("a long regex", regex(&"a".repeat(1 << 20))),
        ("doubled rules", gbnf(&format!("root ::= r0\n{doubled}r30 ::= \"a\""))),
        (
            "a chain of rules",
            gbnf(&format!("root ::= r0\n{}r1900 ::= \"a\" | \"(\" r1900 \")\"", chain("r", " ::=", 1900))),
        ),
        ("a chain of terminals", gbnf(&format!("root ::= r0\n{}r1900 ::= \"a\"", chain("r", " ::=", 1900)))),
        ("too many rules", gbnf(&format!("root ::= r0\n{}", chain("r", " ::=", 100_000)))),
        ("groups in groups", gbnf(&format!("root ::= {}\"a\"{}", "(".repeat(100_000), ")".repeat(100_000)))),
        (AMBIGUOUS, gbnf("root ::= root root | root | \"\" | \"a\"")),
        ("repeated nothing", gbnf("root ::= (\"\"*)* ((root)*)*")),
        ("repetitions of a rule", gbnf("root ::= (\"a\" | \"(\" root \")\"){9999}{9999}")),
        ("refused: no text", gbnf("root ::= \"a\" root")),
        ("refused: no text, in one piece", gbnf("root ::= \"a\"+ root")),
        ("what is forced without end", gbnf("root ::= \"a\"+ x\nx ::= \"a\" | \"a\" x \"a\"")),
        ("refused: no text of Lark", lark("start: \"a\" start | b\nb: \"b\" start\n".into())),
        ("refused: repetitions", regex(&"a*".repeat(20_000))),
        ("repetitions at the limit", regex(&"a*".repeat(4000))),
        ("refused: repetitions in a grammar", gbnf(&format!("root ::= {}", "\"a\"* ".repeat(20_000)))),
        ("a grammar of many items", gbnf(&format!("root ::= {}", "a ".repeat(120_000) + "\na ::= \"b\" root | \"c\""))),
        ("refused: repetitions in Lark", lark(format!("start: A\nA: {}", "\"a\"* ".repeat(20_000)))),
        (
            "Lark's doubled terminals",
            lark(format!(
                "start: T0\n{}T30: \"a\"",
                (0..30).map(|i| format!("T{i}: T{} T{}\n", i + 1, i + 1)).collect::<String>()
            )),
        ),
        ("Lark's chain", lark(format!("start: a0\n{}a1900: \"a\"\n", chain("a", ":", 1900)))),
        ("Lark's groups", lark(format!("start: {}\"a\"{}", "(".repeat(50_000), ")".repeat(50_000)))),
        ("Lark's repetitions", lark("start: (a{999999999}){999999999}\na: \"x\"".into())),
        ("Lark's schema", lark(format!("start: %json {}", nested(10_000)))),
        ("no Lark", lark("%%%".into())),
        ("empty Lark", lark(" \n".into())),
    ]
}

/// Some tokens of a reply, now these, now those of what is allowed.
fn walk(mut machine: Machine, tokens: usize) -> Result<(), Refused> {
    let mut step = machine.start()?;
    for turn in 0..tokens {
        if step.ended {
            break;
        }
        if step.forced.is_empty() {
            let mask = machine.mask()?;
            let allowed: Vec<u32> =
                (0..END).filter(|token| mask[*token as usize / 32] >> (token % 32) & 1 == 1).collect();
            match allowed.get(turn * 7919 % allowed.len().max(1)) {
                Some(token) => step = machine.commit(*token)?,
                None => break,
            }
        } else {
            for token in std::mem::take(&mut step.forced) {
                step = machine.commit(token)?;
            }
        }
    }
    Ok(())
}

#[test]
fn hostile_specifications_end_with_a_sentence_on_a_small_stack() {
    for (name, spec) in specs() {
        let work = move || {
            let started = std::time::Instant::now();
            // Other tests run beside this one: what they hold is counted, too.
            let before = LIVE.load(Relaxed);
            PEAK.store(before, Relaxed);
            let tokens = if name == AMBIGUOUS { MANY_TOKENS } else { TOKENS };
            let outcome = bytes().compile(&spec).map(|machine| walk(machine, tokens));
            let peak = PEAK.load(Relaxed).saturating_sub(before);
            let said = match &outcome {
                Ok(Ok(())) => "taken".to_string(),
                Ok(Err(refused)) | Err(refused) => refused.0.clone(),
            };
            eprintln!("{:7.3} s {:4} MB  {name}: {said}", started.elapsed().as_secs_f64(), peak >> 20);
            assert!(peak < MOST_BYTES, "{name} takes {peak} bytes");
            assert!(said != "taken" || name != AMBIGUOUS, "{name} is followed");
            assert!(outcome.is_err() || !name.starts_with(REFUSED), "{name}: {said}");
            assert!(
                said == "taken" || (said.ends_with('.') && said.len() < 1000 && !said.contains("panic")),
                "{name}: {said}"
            );
        };
        std::thread::Builder::new().stack_size(1 << 20).spawn(work).expect("a thread").join().expect(name);
    }
}

#[test]
fn nested_values_are_counted_without_calls() {
    // Read by hand: the reader of JSON itself stops far earlier.
    assert!(Spec::parse(&format!("{{\"type\": \"json_schema\", \"schema\": {}}}", nested(10_000))).is_err());
    let deep = std::thread::Builder::new().stack_size(64 << 20).spawn(|| {
        let mut value = json!({});
        for _ in 0..10_000 {
            value = Map::from_iter([("items".to_string(), value)]).into();
        }
        let refused = bytes().compile(&schema(&value)).err().expect("refused").0;
        assert!(refused.contains("levels deep"), "{refused}");
    });
    deep.expect("a thread").join().expect("it ends");
}
