//! What Python and Jinja know and minijinja does not, or not so: methods, filters, tests and functions.

use minijinja::formatting::{FormatStyle, format as formatted};
use minijinja::value::{Kwargs, Rest, Tuple, ValueKind, ValueOrKwargs, from_args};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::dump::{Style, dumped, text};
use super::limits::{MAX_TEXT, MAX_WIDTH, keep, refused, room};

/// Filters of minijinja that Jinja has not: a template that tests for them, or gives their names a meaning, is Jinja's.
const FOREIGN: &[&str] = &["bool", "chain", "lines", "pprint", "split", "zip"];

/// Pieces that a text is cut into.
const MAX_PIECES: usize = 200_000;

pub fn install(environment: &mut Environment<'static>) {
    FOREIGN.iter().for_each(|name| environment.remove_filter(name));
    environment.remove_global("debug");
    environment.set_unknown_method_callback(method);
    environment.add_filter("tojson", tojson);
    environment.add_filter("join", join);
    environment.add_filter("escape", escape);
    environment.add_filter("e", escape);
    environment.add_filter("string", |state: &mut State, value: &Value| text(state, value));
    environment.add_filter("indent", indent);
    environment.add_filter("format", |state: &mut State, template: &str, args: Rest<ValueOrKwargs>| {
        printf(state, template, &args.into_values())
    });
    environment.add_filter("percent", |state: &mut State, template: &str, value: Value| match value.is_tuple() {
        true => printf(state, template, &value.try_iter()?.collect::<Vec<_>>()),
        false => printf(state, template, &[value]),
    });
    environment
        .add_filter("center", |value: &str, width: Option<usize>| pad(value, width.unwrap_or(80), ' ', Side::Both));
    environment.add_filter("wordcount", |value: &str| {
        value.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).count()
    });
    environment.add_filter("count", |value: &Value| value.len());
    environment.add_filter("truncate", truncate);
    environment.add_filter("urlencode", urlencode);
    environment.add_test("iterable", |value: &Value| !value.is_none() && value.try_iter().is_ok());
    environment.add_test("callable", |value: &Value| value.kind() == ValueKind::Plain);
    environment.add_test("sequence", |value: &Value| {
        matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::String | ValueKind::Undefined)
    });
    environment.add_function("raise_exception", |message: Value| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message.to_string()))
    });
    environment.add_function("dict", |state: &mut State, pairs: Option<Value>, named: Kwargs| {
        dict(state, pairs.as_ref(), &named)
    });
}

/// The text with entities for what HTML means something by; once.
fn escape(state: &State, value: &Value) -> Result<Value, Error> {
    if value.is_safe() {
        return Ok(value.clone());
    }
    let mut out = String::new();
    for char in text(state, value)?.chars() {
        match "&<>'\"".find(char) {
            Some(at) => out += ["&amp;", "&lt;", "&gt;", "&#39;", "&#34;"][at],
            None => out.push(char),
        }
    }
    room_for(out.len())?;
    Ok(Value::from_safe_string(out))
}

/// `truncate(length, killwords, end, leeway)`.
fn truncate(
    value: &str,
    length: Option<usize>,
    kill: Option<bool>,
    end: Option<&str>,
    leeway: Option<usize>,
) -> Result<String, Error> {
    let (length, end) = (length.unwrap_or(255), end.unwrap_or("..."));
    if value.chars().count() <= length.saturating_add(leeway.unwrap_or(5)) {
        return Ok(value.into());
    }
    let Some(room) = length.checked_sub(end.chars().count()) else {
        return Err(refused("truncates to less than the end that it puts there"));
    };
    let short: String = value.chars().take(room).collect();
    let short = if kill == Some(true) { &short } else { short.rsplit_once(' ').map_or(&short[..], |(words, _)| words) };
    Ok(format!("{short}{end}"))
}

fn urlencode(state: &State, value: &Value) -> Result<String, Error> {
    let mut out = String::new();
    for byte in text(state, value)?.bytes() {
        match byte {
            b'-' | b'_' | b'.' | b'~' | b'/' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => out += &format!("%{byte:02X}"),
        }
    }
    Ok(out)
}

/// `dict(pairs, name=value, …)`.
pub fn dict(state: &State, pairs: Option<&Value>, named: &Kwargs) -> Result<Value, Error> {
    let mut all = Vec::new();
    if let Some(pairs) = pairs {
        let map = pairs.kind() == ValueKind::Map;
        for item in pairs.try_iter()?.checked() {
            let item = item?;
            all.push(if map {
                (item.clone(), pairs.get_item(&item)?)
            } else {
                (item.get_item_by_index(0)?, item.get_item_by_index(1)?)
            });
        }
    }
    for name in named.args() {
        all.push((Value::from(name), named.get(name)?));
    }
    keep(state, Value::from_pairs(all))
}

/// `json.dumps(value, …)` with Hugging Face's defaults.
fn tojson(state: &State, value: &Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = args.into_values();
    let (ascii, indent, separators, sort, named): (Option<bool>, Option<Value>, Option<Value>, Option<bool>, Kwargs) =
        from_args(&args)?;
    let ascii = ascii.or(named.get("ensure_ascii")?).unwrap_or(false);
    let indent = indent.or(named.get("indent")?).filter(|indent: &Value| !indent.is_none());
    let separators = separators.or(named.get("separators")?).filter(|pair: &Value| !pair.is_none());
    let sort = sort.or(named.get("sort_keys")?).unwrap_or(false);
    named.assert_all_used()?;
    let indent = match indent {
        None => None,
        Some(indent) => Some(match indent.as_str() {
            Some(text) => text.to_string(),
            None => " ".repeat(room(usize::try_from(i64::try_from(indent)?.max(0)).unwrap_or(usize::MAX))?),
        }),
    };
    let (item, key) = match separators {
        Some(pair) => (text(state, &pair.get_item_by_index(0)?)?, text(state, &pair.get_item_by_index(1)?)?),
        None => ((if indent.is_some() { "," } else { ", " }).into(), ": ".into()),
    };
    dumped(state, value, Style::Json { ascii, item, key, indent, sort }).map(Value::from)
}

/// `join(separator, attribute)`.
fn join(
    state: &State,
    value: &Value,
    separator: Option<Value>,
    attribute: Option<Value>,
    named: Kwargs,
) -> Result<String, Error> {
    let separator = separator.or(named.get("d")?).map_or(Ok(String::new()), |value| text(state, &value))?;
    let attribute = attribute.or(named.get("attribute")?);
    named.assert_all_used()?;
    let mut out = String::new();
    for (at, item) in value.try_iter()?.checked().enumerate() {
        let mut item = item?;
        if let Some(name) = &attribute {
            item = item.get_item(name)?;
        }
        state.consume_fuel(1)?;
        if at > 0 {
            out += &separator;
        }
        out += &text(state, &item)?;
        room_for(out.len())?;
    }
    Ok(out)
}

fn room_for(bytes: usize) -> Result<(), Error> {
    if bytes > MAX_TEXT { Err(refused("makes a text that is too long")) } else { Ok(()) }
}

/// `indent(width, first, blank)`: the width may be a text.
fn indent(state: &State, value: &Value, args: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let args = args.into_values();
    let (width, first, blank, named): (Option<Value>, Option<bool>, Option<bool>, Kwargs) = from_args(&args)?;
    let width = width.or(named.get("width")?).unwrap_or_else(|| Value::from(4));
    let first = first.or(named.get("first")?).unwrap_or(false);
    let blank = blank.or(named.get("blank")?).unwrap_or(false);
    named.assert_all_used()?;
    let blanks = match width.as_str() {
        Some(text) => text.to_string(),
        None => " ".repeat(room(usize::try_from(i64::try_from(width)?.max(0)).unwrap_or(usize::MAX))?),
    };
    // One line more, as Jinja splits it, so that a last line break stays.
    let text = text(state, value)? + "\n";
    let lines = lines(&text, false)?;
    room_for(text.len() + lines.len().saturating_mul(blanks.len()))?;
    let mut out = String::new();
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        if (at == 0 && first) || (at > 0 && (blank || !line.is_empty())) {
            out += &blanks;
        }
        out += line;
    }
    Ok(out)
}

/// `str.splitlines`.
fn lines(text: &str, keep_ends: bool) -> Result<Vec<&str>, Error> {
    let breaks = ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];
    let (mut lines, mut rest) = (Vec::new(), text);
    while let Some((at, found)) = rest.char_indices().find(|(_, char)| breaks.contains(char)) {
        let end = at + if rest[at..].starts_with("\r\n") { 2 } else { found.len_utf8() };
        lines.push(&rest[..if keep_ends { end } else { at }]);
        few(lines.len())?;
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    Ok(lines)
}

/// Refuses more pieces of a text than memory has room for.
fn few(pieces: usize) -> Result<(), Error> {
    if pieces > MAX_PIECES { Err(refused("cuts a text into too many pieces")) } else { Ok(()) }
}

/// Refuses widths, and numbers of places times sizes, that make too long a text.
fn printable(state: &State, template: &str, args: &[Value]) -> Result<(), Error> {
    let wide = |digits: &str| digits.len() > 6 || digits.parse::<usize>().is_ok_and(|width| width > MAX_WIDTH);
    let dynamic = template.contains('*') || template.contains(":{");
    let number =
        |value: &Value| i64::try_from(value.clone()).is_ok_and(|width| width.unsigned_abs() > MAX_WIDTH as u64);
    if template.split(|char: char| !char.is_ascii_digit()).any(wide) || (dynamic && args.iter().any(number)) {
        return Err(refused("formats to a width that is too large"));
    }
    let places = template.matches(['%', '{']).count();
    let mut longest = MAX_WIDTH;
    for value in args {
        longest = longest.max(text(state, value)?.len());
    }
    room_for(template.len() + places.saturating_mul(longest))?;
    state.consume_fuel((places as u64).saturating_mul(longest as u64) / 64)
}

/// `template % args`.
fn printf(state: &State, template: &str, args: &[Value]) -> Result<Value, Error> {
    printable(state, template, args)?;
    formatted(FormatStyle::Printf, template, args).map(Value::from)
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Left,
    Right,
    Both,
}

/// The text with `fill` at a side, up to `width` characters.
fn pad(value: &str, width: usize, fill: char, side: Side) -> Result<String, Error> {
    let missing = room(width)?.saturating_sub(value.chars().count());
    let left = match side {
        Side::Left => missing,
        Side::Right => 0,
        // Python puts the odd one left where the width is odd too.
        Side::Both => missing / 2 + (missing & width & 1),
    };
    let fill = |count| std::iter::repeat_n(fill, count).collect::<String>();
    Ok(fill(left) + value + &fill(missing - left))
}

/// Methods of strings, dicts and lists, as Python has them.
pub fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    let known = match value.as_str() {
        Some(text) => text_method(state, text, name, args)?,
        None if value.kind() == ValueKind::Map => return map_method(state, value, name, args),
        None if value.kind() == ValueKind::Seq && name == "index" => {
            let (what,): (&Value,) = from_args(args)?;
            for (at, item) in value.try_iter()?.checked().enumerate() {
                state.consume_fuel(1)?;
                if item? == *what {
                    return Ok(Value::from(at));
                }
            }
            return Err(refused("looks for what is not in a list"));
        }
        None => None,
    };
    match known {
        Some(value) => Ok(value),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args),
    }
}

/// A key with a function (a macro in a namespace) is called; else Python's methods.
fn map_method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    if name == "copy" {
        let () = from_args(args)?;
        return dict(state, Some(value), &Kwargs::from_iter(Vec::<(&str, Value)>::new()));
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, name, args)
}

/// `None` where minijinja-contrib's will do.
fn text_method(state: &State, value: &str, name: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    room_for(value.len())?;
    let character = |offset: usize| value[..offset].chars().count();
    let side = match name {
        "ljust" => Side::Right,
        "center" => Side::Both,
        _ => Side::Left,
    };
    Ok(Some(match name {
        "format" => {
            printable(state, value, args)?;
            return Ok(None);
        }
        "join" => {
            let (values,): (&Value,) = from_args(args)?;
            join(state, values, Some(Value::from(value)), None, Kwargs::from_iter(Vec::<(&str, Value)>::new()))?.into()
        }
        "split" | "rsplit" => {
            let (separator, most, named): (Option<Value>, Option<i64>, Kwargs) = from_args(args)?;
            let separator = separator.or(named.get("sep")?).filter(|value: &Value| !value.is_none());
            let most = most.or(named.get("maxsplit")?).unwrap_or(-1);
            named.assert_all_used()?;
            let pieces =
                split(value, separator.as_ref(), usize::try_from(most).unwrap_or(usize::MAX), name == "rsplit")?;
            Value::from_iter(pieces)
        }
        "splitlines" => {
            let (keep_ends, named): (Option<bool>, Kwargs) = from_args(args)?;
            let keep_ends = keep_ends.or(named.get("keepends")?).unwrap_or(false);
            Value::from_iter(lines(value, keep_ends)?)
        }
        "removeprefix" | "removesuffix" => {
            let (affix,): (&str,) = from_args(args)?;
            let rest = if name == "removeprefix" { value.strip_prefix(affix) } else { value.strip_suffix(affix) };
            Value::from(rest.unwrap_or(value))
        }
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            if separator.is_empty() {
                return Err(refused("splits at an empty text"));
            }
            let parts = if name == "partition" { value.split_once(separator) } else { value.rsplit_once(separator) };
            Value::from(Tuple::from(match parts {
                Some((before, after)) => vec![before.into(), separator.into(), after.into()],
                None if name == "partition" => vec![value.into(), "".into(), "".into()],
                None => vec!["".into(), "".into(), Value::from(value)],
            }))
        }
        "ljust" | "rjust" | "center" => {
            let (width, fill): (usize, Option<char>) = from_args(args)?;
            pad(value, width, fill.unwrap_or(' '), side)?.into()
        }
        "zfill" => {
            let (width,): (usize,) = from_args(args)?;
            let (sign, digits) = value.split_at(usize::from(value.starts_with(['+', '-'])));
            Value::from(format!("{sign}{}", pad(digits, width.saturating_sub(sign.len()), '0', Side::Left)?))
        }
        "index" | "rindex" => {
            let (what,): (&str,) = from_args(args)?;
            let found = if name == "index" { value.find(what) } else { value.rfind(what) };
            Value::from(character(found.ok_or_else(|| refused("looks for a text that is not there"))?))
        }
        "find" | "rfind" | "count" if args.len() > 1 => {
            let (what, start, end): (&str, i64, Option<i64>) = from_args(args)?;
            let length = value.chars().count() as i64;
            let at = |index: i64| (if index < 0 { (index + length).max(0) } else { index.min(length) }) as usize;
            let (start, end) = (at(start), at(end.unwrap_or(length)));
            let part: String = value.chars().skip(start).take(end.saturating_sub(start)).collect();
            let found = match name {
                "count" => return Ok(Some(Value::from(part.matches(what).count()))),
                "find" => part.find(what),
                _ => part.rfind(what),
            };
            Value::from(found.map_or(-1, |offset| (part[..offset].chars().count() + start) as i64))
        }
        "swapcase" => {
            let swap = |char: char| -> String {
                if char.is_uppercase() { char.to_lowercase().collect() } else { char.to_uppercase().collect() }
            };
            Value::from(value.chars().map(swap).collect::<String>())
        }
        "casefold" => Value::from(value.to_lowercase()),
        "isdecimal" => Value::from(!value.is_empty() && value.chars().all(|char| char.is_ascii_digit())),
        "encode" => Value::from(value),
        _ => return Ok(None),
    }))
}

/// `str.split` and `str.rsplit`: without a separator at runs of white space.
fn split<'a>(value: &'a str, separator: Option<&Value>, most: usize, right: bool) -> Result<Vec<&'a str>, Error> {
    let Some(separator) = separator else {
        few(value.split_whitespace().take(MAX_PIECES + 1).count())?;
        let mut pieces = Vec::new();
        let mut rest = value.trim();
        while !rest.is_empty() {
            if pieces.len() == most {
                pieces.push(if right { rest.trim_end() } else { rest.trim_start() });
                break;
            }
            let cut = if right {
                rest.rsplit_once(char::is_whitespace).map(|(a, b)| (b, a))
            } else {
                rest.split_once(char::is_whitespace)
            };
            let (piece, next) = cut.unwrap_or((rest, ""));
            pieces.push(piece);
            rest = if right { next.trim_end() } else { next.trim_start() };
        }
        if right {
            pieces.reverse();
        }
        return Ok(pieces);
    };
    let Some(separator) = separator.as_str().filter(|text| !text.is_empty()) else {
        return Err(refused("splits at an empty text"));
    };
    few(value.matches(separator).take(MAX_PIECES + 1).count())?;
    let most = most.saturating_add(1);
    let mut pieces: Vec<&str> =
        if right { value.rsplitn(most, separator).collect() } else { value.splitn(most, separator).collect() };
    if right {
        pieces.reverse();
    }
    Ok(pieces)
}
