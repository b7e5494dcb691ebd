//! What is not enforced is refused, with its name and its place; or left out where the caller wants that.

use serde_json::{Value, json};
use sotto_grammar::{KEYWORDS, Rule, Spec, Syntax, Vocabulary};

use crate::common::{allows, bytes, schema};

/// A schema, and what the sentence says.
fn cases() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"properties": {"a": {"not": {}}}}), "\"not\" at /properties/a/not is not enforced"),
        (json!({"if": {}, "then": {}}), "\"if\" at /if"),
        (json!({"items": [{"type": "string", "minimun": 3}]}), "\"minimun\" at /items/0/minimun is not known"),
        (json!({"uniqueItems": true}), "\"uniqueItems\" at /uniqueItems"),
        (json!({"contains": {}}), "\"contains\" at /contains"),
        (json!({"propertyNames": {"enum": ["a"]}}), "or set strict to false to have what is not enforced left out."),
        (json!({"dependentRequired": {}}), "\"dependentRequired\""),
        (json!({"unevaluatedProperties": false}), "\"unevaluatedProperties\""),
        (json!({"$dynamicRef": "#a"}), "\"$dynamicRef\""),
        (json!({"$ref": "https://example.com/s.json"}), "\"$ref\" at /$ref"),
        (json!({"$ref": "#named"}), "\"$ref\" at /$ref"),
        (json!({"$ref": "#/$defs/none"}), "leads to /$defs/none"),
        (json!({"$schema": "https://example.com/mine"}), "\"$schema\""),
        (json!({"properties": {"a/b~c": {"format": "phone"}}}), "\"format\" at /properties/a~1b~0c/format"),
        (json!({"pattern": "a(?=b)"}), "\"pattern\" at /pattern is not enforced: it looks ahead"),
        (json!({"pattern": "(?<!a)b"}), "looks behind"),
        (json!({"pattern": r"\bword\b"}), "a word's boundary"),
        (json!({"pattern": r"(a)\1"}), "refers back"),
        (json!({"pattern": "(^a)+"}), "elsewhere than at its ends"),
        (json!({"patternProperties": {"^a": {}, "b$": {}}}), "\"patternProperties\""),
        (json!({"oneOf": [{"type": "number"}, {"type": "integer"}]}), "\"oneOf\" at /oneOf"),
        (
            json!({"properties": {"a": {"oneOf": [{"minimum": 1}, {"maximum": 5}]}}}),
            "\"oneOf\" at /properties/a/oneOf is not enforced where its alternatives may overlap",
        ),
        (json!({"oneOf": [{"type": "object"}, {"type": "object", "required": ["a"]}]}), "\"oneOf\" at /oneOf"),
        (json!({"minProperties": 2}), "\"minProperties\" at /minProperties"),
        (json!({"properties": {"a": {}, "b": {}}, "maxProperties": 1}), "\"maxProperties\""),
        (json!({"multipleOf": 1e-20}), "\"multipleOf\""),
        (json!({"allOf": [{"multipleOf": 65537}, {"multipleOf": 65539}]}), "\"multipleOf\" at /allOf/1"),
        (json!({"maximum": 1e300}), "\"maximum\""),
        (
            json!({"properties": {"a": {"multipleOf": 0}}}),
            "\"multipleOf\" at /properties/a/multipleOf is no number above",
        ),
        (json!({"multipleOf": -2}), "no number above zero"),
        (json!({"multipleOf": "2"}), "no number above zero"),
        (json!({"multipleOf": 1_000_003}), "may come to 100000"),
        (json!({"items": {"minimum": 5e-324}}), "\"minimum\" at /items/minimum has more than 40 digits"),
        (json!({"minimum": true}), "\"minimum\" at /minimum is a truth value"),
        (json!({"enum": 5}), "\"enum\" at /enum is no list"),
        (json!({"items": {"enum": []}}), "\"enum\" at /items/enum is no list"),
        (
            json!({"type": "object", "properties": {"a": {"type": "string", "format": "date", "pattern": "^x$"}}, "required": ["a"]}),
            "cannot be kept at /properties/a: no text fits its patterns",
        ),
        (
            json!({"$ref": "#/$defs/d", "$defs": {"d": {"type": "integer", "minimum": 3, "maximum": 2}}}),
            "cannot be kept at /$defs/d: its least is larger",
        ),
        (json!({"const": 9_007_199_254_740_993_u64}), "\"const\""),
        (json!({"const": {"a": "\u{0}"}}), "a control character"),
        (json!({"type": "text"}), "\"type\" at /type"),
        (json!({"minLength": -1}), "\"minLength\""),
        (json!({"properties": {"a": 3}}), "/properties/a"),
        (json!(false), "nothing at all"),
        (json!(3), "a number at the top"),
    ]
}

#[test]
fn what_is_not_enforced_is_named_with_its_place() {
    for (given, words) in cases() {
        let refused = bytes().compile(&schema(&given)).err().unwrap_or_else(|| panic!("{given} is taken")).0;
        assert!(refused.contains(words), "{given}: {refused}");
        assert!(refused.ends_with('.') && !refused.contains('\n'), "{refused}");
    }
}

#[test]
fn every_refused_keyword_is_named_where_it_stands() {
    for (keyword, rule) in KEYWORDS {
        let value = match rule {
            Rule::Refused => json!({}),
            Rule::Unless(inert) => json!(!inert),
            _ => continue,
        };
        let inner = json!({ *keyword: value });
        for (given, at) in [
            (inner.clone(), format!("/{keyword}")),
            (json!({"properties": {"a": inner}}), format!("/properties/a/{keyword}")),
            (json!({"anyOf": [{}, {"items": inner}]}), format!("/anyOf/1/items/{keyword}")),
            (json!({"$ref": "#/$defs/d", "$defs": {"d": inner}}), format!("/$defs/d/{keyword}")),
        ] {
            let refused = bytes().compile(&schema(&given)).err().unwrap_or_else(|| panic!("{given} is taken")).0;
            assert!(refused.contains(&format!("\"{keyword}\" at {at} is not enforced")), "{given}: {refused}");
            let left_out = Spec::JsonSchema { schema: given, lenient: true };
            assert_eq!(bytes().compile(&left_out).err(), None, "{keyword} at {at}");
        }
    }
}

#[test]
fn lenient_schemas_keep_the_rest() {
    let given =
        json!({"type": "array", "items": {"type": "integer", "not": {"const": 3}}, "uniqueItems": true, "nonsense": 1});
    let spec = Spec::JsonSchema { schema: given, lenient: true };
    assert_eq!(allows(&spec, "[3, 3]"), Ok(true));
    assert_eq!(allows(&spec, "[\"a\"]"), Ok(false));
}

#[test]
fn the_table_is_in_order() {
    assert!(KEYWORDS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert!(KEYWORDS.iter().any(|(_, rule)| *rule == Rule::Refused));
}

#[test]
fn older_drafts_are_read() {
    let tuple = json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "array",
        "items": [{"type": "string"}, {"$ref": "#/definitions/n"}], "additionalItems": false, "definitions": {"n": {"type": "integer"}}});
    assert_eq!(allows(&schema(&tuple), "[\"a\", 1]"), Ok(true));
    assert_eq!(allows(&schema(&tuple), "[\"a\", 1, 2]"), Ok(false));
    let bound = json!({"type": "integer", "minimum": 3, "exclusiveMinimum": true});
    assert_eq!(allows(&schema(&bound), "3"), Ok(false));
    assert_eq!(allows(&schema(&bound), "4"), Ok(true));
}

#[test]
fn objects_are_one_line_with_one_blank() {
    assert_eq!(allows(&Spec::JsonObject, r#"{"a": [1, {"b": "c"}]}"#), Ok(true));
    for text in [r#"{"a":1}"#, "{ }", "[1]", "{\"a\": 1}\n", r#"{"\u0061": 1}"#] {
        assert_eq!(allows(&Spec::JsonObject, text), Ok(false), "{text}");
    }
}

#[test]
fn names_cannot_pass_for_others() {
    let given = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    assert_eq!(allows(&schema(&given), r#"{"b": "x"}"#), Ok(true));
    assert_eq!(allows(&schema(&given), r#"{"\u0061": "x"}"#), Ok(false));
    assert_eq!(allows(&schema(&given), r#"{"a": 1, "a": "x"}"#), Ok(false));
}

#[test]
fn expressions_match_as_a_whole() {
    let spec = |pattern: &str| Spec::Regex { pattern: pattern.into() };
    assert_eq!(allows(&spec("[0-9]{3}-[a-z]+|x"), "123-ab"), Ok(true));
    assert_eq!(allows(&spec("[0-9]{3}-[a-z]+|x"), "y123-ab"), Ok(false));
    assert_eq!(allows(&spec("a/b"), "a/b"), Ok(true));
    assert!(bytes().compile(&spec("a(")).is_err());
    assert!(bytes().compile(&spec("(?=a)b")).is_err());
}

/// An expression, a text, and whether JavaScript's `RegExp`, with the flag `u`, matches all of it.
const AS_JAVASCRIPT: &[(&str, &str, bool)] = &[
    (r"\d{2}-\w+", "12-ab", true),
    (r"\d", "\u{1FBF8}", false),
    (r"\d", "\u{663}", false),
    (r"[\d_]", "\u{663}", false),
    (r"\D", "\u{663}", true),
    (r"\w", "é", false),
    (r"\W", "é", true),
    (r"\s", "\u{FEFF}", true),
    (r"\s", "\u{85}", false),
    (".", "\u{2028}", false),
    (".", "\u{85}", true),
    ("^(yes|no)$", "yes", true),
    ("^yes|no$", "no", true),
    ("^$|a", "", true),
    ("(?i:yes)", "YeS", true),
    ("(?<year>[0-9]{4})", "2026", true),
    (r"\u{1F44B}|\cJ", "👋", true),
    ("a#b c", "a#b c", true),
];

#[test]
fn expressions_are_those_of_javascript() {
    for (pattern, text, matches) in AS_JAVASCRIPT {
        let spec = Spec::Regex { pattern: (*pattern).into() };
        assert_eq!(allows(&spec, text), Ok(*matches), "{pattern} {text:?}");
    }
    for (pattern, why) in
        [(r"\bword", "a word's boundary"), ("a^b", "elsewhere than at its ends"), ("(?i)a", "a group")]
    {
        let refused = bytes().compile(&Spec::Regex { pattern: pattern.into() }).err().expect("refused").0;
        assert!(
            refused.starts_with("The regular expression cannot be kept: it ") && refused.contains(why),
            "{refused}"
        );
    }
}

#[test]
fn names_of_any_text_are_no_bound() {
    let record =
        |names: Value| json!({"type": "object", "propertyNames": names, "additionalProperties": {"type": "number"}});
    for names in [json!({"type": "string"}), json!({}), json!(true)] {
        assert_eq!(allows(&schema(&record(names)), r#"{"a": 1}"#), Ok(true));
    }
}

#[test]
fn expressions_are_whole_by_themselves() {
    let spec = |pattern: &str| Spec::Regex { pattern: pattern.into() };
    for pattern in ["a)(b", "a)|(?:b", "(?x)a # )", "[a", "a{2,1}"] {
        let refused = bytes().compile(&spec(pattern)).err().expect(pattern).0;
        assert!(refused.starts_with("The regular expression cannot be kept: it "), "{refused}");
    }
    for (pattern, text) in [("(?i:a|b/c)", "B/C"), (r"\x41[\]\-/]\.\p{L}", "A/.é"), ("(?<n>a)(?:b)", "ab")] {
        assert_eq!(allows(&spec(pattern), text), Ok(true), "{pattern}");
    }
}

#[test]
fn bounds_that_are_no_values_are_left_out() {
    for (given, texts, others) in [
        (json!({"exclusiveMinimum": 0, "maximum": 0.5}), ["0.5", "0.01"], ["0", "0.0"]),
        (json!({"exclusiveMinimum": 99, "maximum": 99.5}), ["99.1", "99.5"], ["99", "99.00"]),
        (json!({"minimum": -0.5, "exclusiveMaximum": 0}), ["-0.5", "-0.01"], ["-0", "-0.0"]),
        (json!({"allOf": [{"exclusiveMinimum": 0}, {"exclusiveMaximum": 1}]}), ["0.9", "0.05"], ["0", "1"]),
        (json!({"exclusiveMinimum": -1, "exclusiveMaximum": 1}), ["-0.9", "0"], ["-1", "1"]),
        (json!({"minimum": 2, "exclusiveMinimum": true, "maximum": 2.5}), ["2.1", "2.5"], ["2", "2.0"]),
        (json!({"minimum": 3, "exclusiveMinimum": 2, "maximum": 3.5}), ["3", "3.5"], ["2.5", "2"]),
        (json!({"exclusiveMinimum": 0.25, "exclusiveMaximum": 0.75}), ["0.26", "0.74"], ["0.25", "0.75"]),
        (json!({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 3}), ["1", "2"], ["0", "3"]),
        (json!({"type": "integer", "exclusiveMinimum": -3, "exclusiveMaximum": 0}), ["-1", "-2"], ["0", "-3"]),
    ] {
        let mut number = given.clone();
        number["type"] = given.get("type").cloned().unwrap_or_else(|| "number".into());
        for text in texts {
            assert_eq!(allows(&schema(&number), text), Ok(true), "{given}: {text}");
        }
        for text in others {
            assert_eq!(allows(&schema(&number), text), Ok(false), "{given}: {text}");
        }
    }
}

#[test]
fn schemas_in_lark_are_held_to_the_same_rules() {
    let spec = |schema: &str| Spec::Grammar {
        grammar: format!("// %json nothing\nstart: \"<%json {{>\" %json {schema} \"<end>\"\n"),
        syntax: Syntax::Lark,
    };
    assert_eq!(allows(&spec(r#"{"type": "object", "required": ["a"]}"#), r#"<%json {>{"a": 1}<end>"#), Ok(true));
    let refused = bytes().compile(&spec(r#"{"not": {}}"#)).err().expect("refused").0;
    assert!(refused.contains("line 2") && refused.contains("\"not\" at /not"), "{refused}");
    assert!(refused.contains("add \"x-guidance\": {\"lenient\": true} to have"), "{refused}");
    let owned = r#"{"not": {}, "x-owner": "the parameters of the tool \"map\""}"#;
    let refused = bytes().compile(&spec(owned)).err().expect("refused").0;
    assert!(
        refused.starts_with("In the parameters of the tool \"map\": ") && refused.contains("set strict"),
        "{refused}"
    );
    let owned = r#"{"type": "object", "x-owner": "mine"}"#;
    assert_eq!(allows(&spec(owned), r#"<%json {>{"a": 1}<end>"#), Ok(true));
    assert!(bytes().compile(&spec("{\"a\": ")).is_err());
}

/// The Gregorian calendar's leap years, from the first of those that every reader knows.
#[test]
fn dates_are_of_the_calendar() {
    let fits = |format: &str, text: String| {
        Vocabulary::fits(&json!({ "format": format }).to_string(), &Value::from(text).to_string())
    };
    for year in (0..=9999).filter(|year| year % 4 == 0 || *year < 110 || year % 97 == 0) {
        let leaps = year > 0 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        assert_eq!(fits("date", format!("{year:04}-02-29")), leaps, "{year}");
        assert_eq!(fits("date", format!("{year:04}-02-28")), year > 0, "{year}");
    }
    assert!(fits("date-time", "2000-02-29T23:59:59Z".into()) && !fits("date-time", "1900-02-29T00:00:00Z".into()));
    assert!(!fits("date-time", "0000-01-01T00:00:00Z".into()) && !fits("date", "2026-04-31".into()));
    assert_eq!(allows(&schema(&json!({ "format": "date", "type": "string" })), "\"0000-01-01\""), Ok(false));
    assert_eq!(allows(&schema(&json!({ "format": "date", "type": "string" })), "\"0004-02-29\""), Ok(true));
}

/// A grammar that was made of tools has lines that nobody knows who gave the tools.
#[test]
fn what_is_wrong_with_a_tool_is_told_of_the_tool() {
    let told = |directive: &str, schema: Value| {
        let mut schema = schema;
        schema["x-owner"] = "the parameters of the tool \"map\"".into();
        schema["x-path"] = "/properties/s".into();
        let grammar = format!("start: \"<\" VALUE\nVALUE: {directive} {schema}\n")
            .replace("VALUE", if directive == "%text" { "VALUE" } else { "value" });
        bytes().compile(&Spec::Grammar { grammar: grammar.clone(), syntax: Syntax::Lark }).err().expect(&grammar).0
    };
    let number = json!({"type": "integer", "minimum": 5, "maximum": 2});
    let object = json!({"type": "object", "properties": {"n": number}, "required": ["n"]});
    let text = |pattern: &str| json!({"type": "string", "pattern": pattern, "format": "date", "x-end": "</s>"});
    for (directive, schema, words) in [
        ("%json", number, "cannot be kept at /properties/s: its least is larger"),
        ("%json", object, "cannot be kept at /properties/s/properties/n: its least is larger"),
        ("%json", json!({"items": {"not": {}}}), "\"not\" at /properties/s/items/not is not enforced"),
        ("%json", json!({"oneOf": [{}, {}]}), "\"oneOf\" at /properties/s/oneOf"),
        ("%text", text("^x"), "\"pattern\" and \"format\" at /properties/s cannot be kept: no text fits"),
        ("%text", text("a(?!b)"), "\"pattern\" at /properties/s/pattern is not enforced: it looks ahead"),
        (
            "%text",
            json!({"type": "string", "minLength": 3, "maxLength": 2}),
            "\"maxLength\" at /properties/s/maxLength is below",
        ),
    ] {
        let refused = told(directive, schema);
        assert!(refused.starts_with("In the parameters of the tool \"map\": The schema"), "{refused}");
        assert!(refused.contains(words) && !refused.contains('%'), "{refused}");
    }
}
