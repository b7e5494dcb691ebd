//! Numbers, constants and sizes of a schema: which of them can be kept.

use serde_json::Value;

use crate::{Result, limits, refuse};

/// Depth and size, without a call for each level.
pub fn check_size(schema: &Value) -> Result<()> {
    let mut left = vec![(schema, 0)];
    let mut values = 0;
    while let Some((value, depth)) = left.pop() {
        values += 1;
        if depth > limits::DEPTH {
            refuse!("The schema is nested more than {} levels deep.", limits::DEPTH);
        }
        if values + left.len() > limits::VALUES {
            refuse!("The schema has more than {} values.", limits::VALUES);
        }
        match value {
            Value::Array(list) => left.extend(list.iter().map(|value| (value, depth + 1))),
            Value::Object(map) => left.extend(map.values().map(|value| (value, depth + 1))),
            _ => {}
        }
    }
    Ok(())
}

/// What of a constant has no place in a reply: the end of a sentence.
pub fn unwritable(value: &Value) -> Option<&'static str> {
    match value {
        Value::Number(_) if !is_kept(value) => Some("a number beyond 9007199254740992"),
        Value::String(text) if text.chars().any(is_unwritable) => Some("a control character"),
        Value::Array(list) => list.iter().find_map(unwritable),
        Value::Object(map) => map.values().find_map(unwritable),
        _ => None,
    }
}

/// Control characters have no short escape, but for these.
fn is_unwritable(c: char) -> bool {
    (c < ' ' || c == '\u{7F}') && !['\n', '\r', '\t', '\u{8}', '\u{C}'].contains(&c)
}

/// Whether it may be written.
pub fn is_kept(number: &Value) -> bool {
    number.as_f64().is_some_and(|number| number.abs() < limits::NUMBER)
}

/// The nearest number on this side of a bound that leaves the bound itself out, as far as floats tell them apart and numbers
/// have digits.
pub fn beyond(bound: f64, upwards: bool) -> f64 {
    match (bound == 0.0, upwards) {
        (true, true) => SMALLEST,
        (true, false) => -SMALLEST,
        (false, true) => bound.next_up(),
        (false, false) => bound.next_down(),
    }
}

/// As many digits behind the point as numbers are given.
const SMALLEST: f64 = 1e-20;

/// How many digits a number has behind its point.
pub fn digits(number: f64) -> usize {
    number.to_string().split_once('.').map_or(0, |(_, digits)| digits.len())
}

/// All `multipleOf` of a schema: they may come to meet in one number, whose common multiple must fit.
#[derive(Default)]
pub struct Multiples {
    /// Their common multiple, times ten to the power of `digits`.
    common: u64,
    digits: u32,
}

impl Multiples {
    /// Whether it can be kept with the others.
    pub fn add(&mut self, value: &Value) -> bool {
        let Some((mut whole, digits)) = value.as_f64().and_then(decimal) else { return false };
        let most = digits.max(self.digits);
        let (Some(up), Some(mine)) = (10_u64.checked_pow(most - self.digits), 10_u64.checked_pow(most - digits)) else {
            return false;
        };
        let common = self.common.max(u64::from(self.common == 0)).checked_mul(up);
        let scaled = whole.checked_mul(mine);
        let (Some(common), Some(scaled)) = (common, scaled) else { return false };
        let (mut a, mut b) = (common, scaled);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        whole = match (common / a).checked_mul(scaled) {
            Some(product) if product <= limits::MULTIPLE => product,
            _ => return false,
        };
        (self.common, self.digits) = (whole, most);
        true
    }
}

/// A number above zero as a whole one and how many digits it has behind the point, as llguidance takes it apart.
fn decimal(number: f64) -> Option<(u64, u32)> {
    let (mut number, mut digits) = (number, 0);
    while number.fract() != 0.0 && digits < 12 {
        number *= 10.0;
        digits += 1;
    }
    (number >= 1.0 && number.fract() == 0.0 && number <= f64::from(u32::MAX)).then_some((number as u64, digits))
}

/// Where a keyword stands: pointers, at most a few.
pub fn find(schema: &Value, keyword: &str, places: &mut Vec<String>) {
    let mut left = vec![(schema, String::new())];
    while let Some((value, path)) = left.pop() {
        match value {
            Value::Object(map) => {
                for (name, value) in map {
                    let at = format!("{path}/{}", super::escaped(name));
                    if name == keyword && places.len() < 4 {
                        places.push(at.clone());
                    }
                    left.push((value, at));
                }
            }
            Value::Array(list) => left.extend(list.iter().enumerate().map(|(i, value)| (value, format!("{path}/{i}")))),
            _ => {}
        }
    }
}

/// A fragment of an address as the text that it stands for.
pub fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        bytes.push(match byte {
            b'%' => (digit(rest.next())? * 16 + digit(rest.next())?) as u8,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}
