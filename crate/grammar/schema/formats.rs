//! What `format` allows. Each expression matches nothing but valid texts; of some formats it leaves out the rare ones, for
//! instance leap seconds: what is written under a grammar need not be everything that may be read. And each has a longest text.

macro_rules! label {
    () => {
        // At most 61 characters, without two hyphens in a row: so it is no name of another alphabet, which has rules of its own.
        "[A-Za-z0-9](?:-?[A-Za-z0-9]){0,30}"
    };
}
macro_rules! host {
    () => {
        concat!(label!(), r"(?:\.", label!(), "){0,3}")
    };
}
macro_rules! year {
    () => {
        // RFC 3339 has a year 0000, which was a leap year; Python and SQL have none, and refuse it.
        "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
    };
}
macro_rules! date {
    () => {
        concat!(
            "(?:",
            year!(),
            "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)",
            "|02-(?:0[1-9]|1[0-9]|2[0-8]))",
            "|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)-02-29)"
        )
    };
}
macro_rules! time {
    () => {
        r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
    };
}
macro_rules! duration_time {
    () => {
        "T(?:NH(?:NM(?:NS)?)?|NM(?:NS)?|NS)"
    };
}
macro_rules! ipv4 {
    () => {
        r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
    };
}
macro_rules! ipv6 {
    () => {
        concat!(
            "(?:(?:H:){7}H|(?:H:){1,7}:|(?:H:){1,6}:H|(?:H:){1,5}(?::H){1,2}|(?:H:){1,4}(?::H){1,3}",
            "|(?:H:){1,3}(?::H){1,4}|(?:H:){1,2}(?::H){1,5}|H:(?::H){1,6}|:(?::H){1,7}|::)"
        )
    };
}
macro_rules! path_char {
    () => {
        r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
    };
}
macro_rules! uri {
    () => {
        concat!(
            "[A-Za-z][A-Za-z0-9+.-]{0,20}:(?://",
            host!(),
            "(?::[0-9]{1,5})?(?:/",
            path_char!(),
            "{0,80}){0,8}",
            "|/(?:",
            path_char!(),
            "{1,80}(?:/",
            path_char!(),
            "{0,80}){0,8})?",
            "|",
            path_char!(),
            "{1,80}(?:/",
            path_char!(),
            "{0,80}){0,8})",
            r"(?:\?(?:",
            path_char!(),
            "|[/?]){0,80})?(?:#(?:",
            path_char!(),
            "|[/?]){0,80})?"
        )
    };
}
macro_rules! pointer {
    () => {
        "(?:/(?:[^/~]|~[01]){0,40}){0,10}"
    };
}

/// The formats that are enforced. In two of the table `H` stands for up to four hexadecimal digits, and `N` for up to nine digits.
pub const FORMATS: &[(&str, &str)] = &[
    ("date", date!()),
    ("date-time", concat!(date!(), "[Tt]", time!())),
    (
        "duration",
        concat!("P(?:NW|", duration_time!(), "|(?:NY(?:NM(?:ND)?)?|NM(?:ND)?|ND)(?:", duration_time!(), ")?)"),
    ),
    (
        "email",
        concat!(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,18}(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,14}){0,3}@", host!()),
    ),
    ("hostname", host!()),
    ("ipv4", ipv4!()),
    ("ipv6", ipv6!()),
    ("json-pointer", pointer!()),
    ("relative-json-pointer", concat!("(?:0|[1-9][0-9]{0,8})(?:#|", pointer!(), ")")),
    ("time", time!()),
    ("uri", uri!()),
    ("uuid", "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"),
];

/// The pattern of a format.
pub fn pattern(name: &str) -> Option<String> {
    let (name, expression) = FORMATS.iter().find(|(known, _)| *known == name)?;
    let expression = match *name {
        "ipv6" => expression.replace('H', "[0-9A-Fa-f]{1,4}"),
        "duration" => expression.replace('N', "[0-9]{1,9}"),
        _ => (*expression).to_string(),
    };
    Some(format!("^(?:{expression})$"))
}
