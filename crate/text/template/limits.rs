//! What a template may do while it runs: steps, time, sizes and nesting.
//!
//! minijinja counts steps and bytes (its fuel), but prints, compares and drops values by recursion, for as long as it
//! takes. So every value that a template keeps is looked through first: [`rewrite`](super::rewrite) puts a call of
//! [`keep`] behind each literal, filter and slice, and a look at the clock before each statement.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, Value};

use super::dump::text;
use super::python;
use crate::base::platform::Instant;

/// Steps a template may take: about a second of work. A long chat takes some ten thousand.
pub const FUEL: u64 = 1_500_000;
/// How deep values may be nested: those that a template makes, and those that it is given.
pub const MAX_DEPTH: usize = 64;
/// The longest text made at once, in bytes.
pub const MAX_TEXT: usize = 16 << 20;
/// The widest column of `indent`, `center` or a format.
pub const MAX_WIDTH: usize = 10_000;
/// Values within one that is kept.
const MAX_NODES: usize = 50_000;
/// Calls of macros within each other cost four each, loops and blocks one.
const RECURSION: usize = 120;
const MILLISECONDS: u128 = 1500;

pub fn install(environment: &mut Environment<'static>) {
    environment.set_recursion_limit(RECURSION);
    environment.set_formatter(format);
    environment.add_filter("sotto_keep", |state: &mut State, value: Value| {
        tick(state)?;
        keep(state, value)
    });
    environment.add_filter("sotto_store", |state: &mut State, value: Value| {
        tick(state)?;
        match is(&value, "Namespace") {
            true => Err(refused("puts a namespace into a namespace")),
            false => keep(state, value),
        }
    });
    environment.add_filter("sotto_text", |state: &mut State, value: &Value| {
        tick(state)?;
        text(state, value)
    });
    environment.add_filter("sotto_scalar", |value: Value| match value.as_object() {
        Some(_) => Err(refused("takes a list where it needs a text or a number")),
        None => Ok(value),
    });
    environment.add_filter("sotto_short", |value: Value| match value.as_str() {
        Some(text) if text.len() > MAX_TEXT => Err(refused("cuts a text that is too long")),
        _ => Ok(value),
    });
    environment.add_filter("sotto_bound", |value: Value| bound(&value).unwrap_or(value));
    environment.add_function("sotto_tick", |state: &mut State| tick(state).map(|()| true));
    environment.add_function("namespace", |state: &mut State, fields: Option<Value>, named: Kwargs| {
        let all = python::dict(state, fields.as_ref(), &named)?;
        keep(state, minijinja::functions::namespace(Some(all.into()))?)
    });
    environment.add_test("in", |state: &mut State, value: Value, container: Value| {
        minijinja::tests::is_in(state, &keep(state, value)?, &container)
    });
}

/// A bound of a slice that is farther than any text is long: minijinja cuts it off where addresses have 32 bits.
fn bound(value: &Value) -> Option<Value> {
    let far = i128::from(i32::MAX);
    let number = i128::try_from(value.clone()).ok().filter(|_| value.kind() == ValueKind::Number)?;
    Some(Value::from(number.clamp(-far, far) as i64))
}

/// What a template did that it must not: "the template {does}".
pub fn refused(does: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("it {does}"))
}

/// A width, if it is none that only a hostile template has.
pub fn room(width: usize) -> Result<usize, Error> {
    if width > MAX_WIDTH { Err(refused("makes a column that is too wide")) } else { Ok(width) }
}

struct Started(Instant);

/// Fails when the time is up.
fn tick(state: &mut State) -> Result<(), Error> {
    let started = state.get_or_insert_extension_with(|| Started(Instant::now()));
    if started.0.elapsed().as_millis() > MILLISECONDS { Err(refused("takes too long")) } else { Ok(()) }
}

/// What `{{ value }}` writes.
fn format(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    tick(state)?;
    match state.auto_escape() {
        minijinja::AutoEscape::None => Ok(out.write_str(&text(state, value)?)?),
        _ => minijinja::escape_formatter(out, state, &Value::from(text(state, value)?)),
    }
}

fn is(value: &Value, name: &str) -> bool {
    value.as_object().is_some_and(|object| object.type_name().ends_with(name))
}

/// The value, with lists in place of what would only be computed when read; refused if it is too deep or too large.
pub fn keep(state: &State, value: Value) -> Result<Value, Error> {
    if value.as_object().is_none() {
        return Ok(value);
    }
    let value = match value.kind() {
        ValueKind::Iterable => {
            Value::from(value.try_iter()?.checked().take(MAX_NODES + 1).collect::<Result<Vec<_>, _>>()?)
        }
        _ => value,
    };
    let mut total = Total::default();
    total.count(&value, 0)?;
    state.consume_fuel(total.nodes as u64 / 8)?;
    Ok(value)
}

/// What is in a value, each time that it is there.
#[derive(Default)]
struct Total {
    nodes: usize,
    bytes: usize,
}

impl Total {
    fn count(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        self.nodes += 1;
        self.bytes += value.as_str().map_or(0, str::len);
        if depth > MAX_DEPTH || self.nodes > MAX_NODES || self.bytes > 2 * MAX_TEXT {
            return Err(refused("makes values that are nested too deep or too large"));
        }
        if is(value, "::Loop") || (depth > 0 && is(value, "Namespace")) {
            return Err(refused("puts a loop or a namespace into a value"));
        }
        match value.kind() {
            ValueKind::Seq | ValueKind::Iterable => {
                for item in value.try_iter()?.checked() {
                    self.count(&item?, depth + 1)?;
                }
            }
            ValueKind::Map => {
                for key in value.try_iter()?.checked() {
                    let key = key?;
                    self.count(&value.get_item(&key)?, depth + 1)?;
                    self.count(&key, depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}
