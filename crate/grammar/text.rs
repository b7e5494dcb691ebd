//! Texts that stand without quotes, up to a closing text: `%text {…}` has the schema of a string, whose `x-end` closes it. The
//! text and its end are one lexeme, in which the end comes once: so who reads it finds the same end.

use serde_json::Value;

use crate::schema::within;
use crate::{Result, refuse};

/// What closes the text.
pub const END: &str = "x-end";
/// Longer limits make too large an expression.
pub const LENGTH: u64 = 10_000;

/// The lexeme of a schema in normal form, in Lark's words. `at`: where the schema stands, for sentences.
pub fn lexeme(normal: &Value, end: &str, at: &str) -> Result<String> {
    let length = |keyword: &str| normal[keyword].as_u64();
    let (least, most) = (length("minLength").unwrap_or(0), length("maxLength"));
    if most.is_some_and(|most| most < least) {
        refuse!("The schema's keyword \"maxLength\" at {at}/maxLength is below its minLength.");
    }
    let closing = escaped(end);
    let whole = |expression: &str| format!("/(?:{expression}){closing}/");
    let most = most.map_or(String::new(), |most| most.to_string());
    let mut all = vec![whole(&format!("(?s:.{{{least},{most}}})"))];
    for pattern in patterns(normal) {
        match within(pattern) {
            Ok(pattern) => all.push(whole(&pattern.replace('/', "\\/").replace('\n', "\\n").replace('\r', "\\r"))),
            Err(why) => refuse!("The schema's keyword \"pattern\" at {at}/pattern is not enforced: it {why}."),
        }
    }
    let constants =
        normal.get("enum").and_then(Value::as_array).cloned().or_else(|| Some(vec![normal.get("const")?.clone()]));
    if let Some(constants) = constants {
        let words: Vec<String> = constants.iter().filter_map(Value::as_str).map(escaped).collect();
        all.push(whole(&words.join("|")));
    }
    let once = end.trim();
    if !once.is_empty() {
        all.push(format!("~/(?s:.*){}(?s:.+)/", escaped(once)));
    }
    Ok(all.join(" & "))
}

/// Of the text itself, and of its format.
fn patterns(normal: &Value) -> impl Iterator<Item = &str> {
    let also = normal["allOf"].as_array().into_iter().flatten();
    std::iter::once(normal).chain(also).filter_map(|schema| schema["pattern"].as_str())
}

/// A text as an expression between slashes.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |out, char| match char {
        char if char.is_alphanumeric() => format!("{out}{char}"),
        char => format!("{out}\\u{{{:X}}}", u32::from(char)),
    })
}
