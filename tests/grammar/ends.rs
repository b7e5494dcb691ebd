//! What could go on without end comes to one: numbers and formats have a longest text.

use serde_json::json;

use crate::common::{allows, schema};

#[test]
fn numbers_have_as_many_digits_as_a_reader_keeps() {
    let number = schema(&json!({"type": "number"}));
    let (whole, fraction) = ("7".repeat(60), "3".repeat(20));
    for (text, allowed) in [
        (whole.clone(), true),
        (format!("{whole}7"), false),
        (format!("-{whole}.{fraction}e-308"), true),
        (format!("0.{fraction}3"), false),
        ("1e1000".into(), false),
    ] {
        assert_eq!(allows(&number, &text), Ok(allowed), "{text}");
    }
    let bounded = schema(&json!({"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 9.5}}));
    assert_eq!(allows(&bounded, &format!("[1.{fraction}, 2.{fraction}]")), Ok(true));
    assert_eq!(allows(&bounded, &format!("[1.{fraction}, 2.{fraction}9]")), Ok(false));
}

#[test]
fn digits_of_texts_are_not_counted() {
    let long = "1".repeat(300);
    let object = schema(&json!({"type": "object", "additionalProperties": {"type": "string"}}));
    assert_eq!(allows(&object, &format!("{{\"a\\\"{long}\": \"\\\\\", \"b\": \"{long}\"}}")), Ok(true));
    let exact = schema(&json!({"type": "string", "pattern": "^[0-9]{300}$"}));
    assert_eq!(allows(&exact, &format!("\"{long}\"")), Ok(true));
}

#[test]
fn formats_end() {
    for (format, text) in [
        ("time", format!("10:00:00.{}Z", "1".repeat(10))),
        ("duration", format!("P{}D", "1".repeat(10))),
        ("email", format!("{}@example.com", "a".repeat(31))),
        ("json-pointer", "/a".repeat(11)),
        ("relative-json-pointer", "1".repeat(10)),
        ("uri", format!("https://example.com/{}", "a".repeat(81))),
        ("hostname", "a.".repeat(5) + "a"),
    ] {
        let format = schema(&json!({"format": format, "type": "string"}));
        assert_eq!(allows(&format, &format!("\"{text}\"")), Ok(false), "{text}");
    }
}
