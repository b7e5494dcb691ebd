//! The official tests of JSON Schema (draft 2020-12): of each schema that is taken, what is valid can be written, and what is
//! not cannot. `node tools/fetch-schema-tests.mjs` fetches them; without them there is nothing to run.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use sotto_grammar::{KEYWORDS, Rule, Vocabulary};

use crate::common::{allows, bytes, schema};

#[derive(Deserialize)]
struct Group {
    description: String,
    schema: Value,
    tests: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    description: String,
    data: Value,
    valid: bool,
}

#[derive(Default)]
struct Count {
    taken: usize,
    refused: usize,
    valid: usize,
    invalid: usize,
    /// Valid, and cannot be written: formats leave out rare forms, numbers long ones, and control characters are none of a reply's.
    narrower: usize,
}

/// Where the table stands.
const GUIDE: &str = "docs/STRUCTURED.md";
const SUITE: [&str; 2] = ["<!-- table of the suite: begin -->\n", "<!-- table of the suite: end -->\n"];
const RULES: [&str; 2] = ["<!-- table of keywords: begin -->\n", "<!-- table of keywords: end -->\n"];

/// In these formats are notes, which nobody has to keep.
const NOTES: [&str; 1] = ["format.json"];

#[test]
fn suite_of_draft_2020_12() {
    let Some(folder) = folder() else {
        eprintln!("models/json-schema-tests is not there (node tools/fetch-schema-tests.mjs): nothing was tested");
        return;
    };
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    for file in files(&folder) {
        let name = file.strip_prefix(&folder).expect("inside").with_extension("").to_string_lossy().replace('\\', "/");
        let text = std::fs::read_to_string(&file).expect("a file");
        let groups: Vec<Group> = serde_json::from_str(&text).expect("tests");
        let count = counts.entry(name.clone()).or_insert_with(Count::default);
        for group in &groups {
            run(&name, group, count, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    check_table(SUITE, &table(&counts));
}

#[test]
fn keywords_of_the_guide() {
    let mut out = String::from("| Keywords | |\n|---|---|\n");
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for (name, rule) in KEYWORDS {
        let said = said(*rule);
        match lines.iter_mut().find(|(line, _)| *line == said) {
            Some((_, names)) => names.push(name),
            None => lines.push((said, vec![name])),
        }
    }
    lines.sort_by_key(|(said, names)| (!said.starts_with("enforced"), said.starts_with("refused"), names[0]));
    for (said, names) in lines {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        writeln!(out, "| {} | {said} |", names.join(", ")).expect("a line");
    }
    check_table(RULES, &out);
}

fn said(rule: Rule) -> String {
    let said = match rule {
        Rule::Schema | Rule::Schemas | Rule::Properties | Rule::Type | Rule::Names | Rule::Length => "enforced",
        Rule::Items | Rule::AdditionalItems => "enforced, also as drafts before 2020-12 have them",
        Rule::Patterns => "enforced, where no two of its patterns match one name",
        Rule::Const | Rule::Enum => {
            "enforced; numbers below 9007199254740992, no control characters but `\\n`, `\\r`, `\\t`, `\\b`, `\\f`"
        }
        Rule::Ref => "enforced, within the schema, by pointer",
        Rule::Pattern => {
            "enforced, without looking ahead or back, word boundaries, back references, and anchors elsewhere than at its ends"
        }
        Rule::Format => "enforced for the formats below",
        Rule::Bound => "enforced, below 9007199254740992",
        Rule::MultipleOf => "enforced; all of a schema together come to at most 100000, without the point",
        Rule::Count => "enforced; of properties where the rest of the schema allows it",
        Rule::Note => "says nothing about what is valid",
        Rule::TopNote => "at the top of a schema",
        Rule::Dialect => "one of the drafts 4 to 2020-12",
        Rule::Unless(value) => return format!("refused, unless it is `{value}`"),
        Rule::PropertyNames => "refused, unless it allows every text",
        Rule::Refused => "refused",
    };
    said.replace("\\\\", "\\")
}

fn run(name: &str, group: &Group, count: &mut Count, wrong: &mut Vec<String>) {
    let spec = schema(&group.schema);
    if let Err(refused) = bytes().compile(&spec) {
        if std::env::var_os("SOTTO_VERBOSE").is_some() {
            eprintln!("{name}: {}: {}", group.description, refused.0);
        }
        count.refused += 1;
        return;
    }
    count.taken += 1;
    for case in &group.tests {
        let written = spellings(&case.data).into_iter().find(|text| allows(&spec, text).unwrap_or(false));
        let label = || format!("{name}: {}: {}", group.description, case.description);
        match (case.valid, written) {
            (true, None) if name.starts_with("optional/format/") || has_control(&case.data) || is_long(&case.data) => {
                count.narrower += 1;
            }
            (true, None) => wrong.push(format!("{}: cannot be written: {}", label(), case.data)),
            (false, Some(text)) => wrong.push(format!("{}: can be written: {text}", label())),
            (true, Some(_)) => count.valid += 1,
            (false, None) => count.invalid += 1,
        }
    }
}

fn has_control(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.chars().any(char::is_control))
}

/// More digits than a number is given.
fn is_long(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| number.abs() >= 1e60)
}

/// The ways to write a value: with its keys in any order, its numbers with and without a point. Large ones in some of them.
fn spellings(value: &Value) -> Vec<String> {
    const MOST: usize = 720;
    match value {
        Value::Array(items) => {
            let mut out = vec![String::new()];
            for item in items {
                let separator = |text: &str| if text.is_empty() { "" } else { ", " };
                let own = spellings(item);
                out = out
                    .iter()
                    .flat_map(|text| own.iter().map(move |own| format!("{text}{}{own}", separator(text))))
                    .take(MOST)
                    .collect();
            }
            out.into_iter().map(|text| format!("[{text}]")).collect()
        }
        Value::Object(map) => {
            let mut out = vec![(String::new(), Vec::new())];
            for _ in 0..map.len() {
                let mut longer = Vec::new();
                for (text, used) in &out {
                    for (at, (key, value)) in map.iter().enumerate().filter(|(at, _)| !used.contains(at)) {
                        for own in spellings(value) {
                            let separator = if text.is_empty() { "" } else { ", " };
                            let used = used.iter().copied().chain([at]).collect();
                            longer.push((format!("{text}{separator}{}: {own}", Value::from(key.as_str())), used));
                        }
                    }
                }
                longer.truncate(MOST);
                out = longer;
            }
            out.into_iter().map(|(text, _)| format!("{{{text}}}")).collect()
        }
        Value::Number(number) => {
            let mut out = vec![number.to_string()];
            if let Some(whole) = number.as_f64().filter(|n| n.fract() == 0.0) {
                out.push(format!("{whole:.0}"));
                out.push(format!("{whole:.1}"));
            }
            out
        }
        scalar => vec![scalar.to_string()],
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn folder() -> Option<PathBuf> {
    Some(root().join("models/json-schema-tests")).filter(|folder| folder.is_dir())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if !NOTES
            .iter()
            .any(|name| path.parent().is_some_and(|p| p.ends_with("json-schema-tests")) && path.ends_with(name))
        {
            files.push(path);
        }
    }
    files
}

fn table(counts: &BTreeMap<String, Count>) -> String {
    let mut out = String::from(
        "| Tests of | schemas taken | refused | valid written | invalid held off | valid left out |\n|---|---:|---:|---:|---:|---:|\n",
    );
    for (name, Count { taken, refused, valid, invalid, narrower }) in counts {
        writeln!(out, "| {name} | {taken} | {refused} | {valid} | {invalid} | {narrower} |").expect("a line");
    }
    out
}

/// The guide has the table; with `SOTTO_WRITE` set it is written into it.
fn check_table(marks: [&str; 2], table: &str) {
    let path = root().join(GUIDE);
    let text = std::fs::read_to_string(&path).expect("the guide");
    let (before, rest) = text.split_once(marks[0]).expect("where the table begins");
    let (old, after) = rest.split_once(marks[1]).expect("where it ends");
    if std::env::var_os("SOTTO_WRITE").is_some() {
        std::fs::write(&path, format!("{before}{}\n{table}\n{}{after}", marks[0], marks[1])).expect("written");
    } else {
        assert_eq!(old.trim(), table.trim(), "{GUIDE} is of another run: SOTTO_WRITE=1 writes its table anew");
    }
}

/// What a look at a value does not follow: it says nothing there.
const UNFOLLOWED: [&str; 7] =
    ["\"$id\"", "\"$anchor\"", "\"$dynamic", "\"$vocabulary\"", "\"unevaluated", "\"$ref\":\"http", "vocabulary"];

/// Calls that no grammar held are checked by their schemas: as these tests say, also where a grammar would be refused.
#[test]
fn values_are_told_apart_by_their_schemas() {
    let Some(folder) = folder() else { return };
    let (mut right, mut wrong) = (0, Vec::new());
    for file in files(&folder) {
        let name = file.strip_prefix(&folder).expect("inside").with_extension("").to_string_lossy().replace('\\', "/");
        let text = std::fs::read_to_string(&file).expect("a file");
        let groups: Vec<Group> = serde_json::from_str(&text).expect("tests");
        let is_followed = |group: &&Group| {
            let written = group.schema.to_string();
            let unknown = name.starts_with("optional/") && bytes().compile(&schema(&group.schema)).is_err();
            name != "format" && !unknown && !UNFOLLOWED.iter().any(|words| written.contains(words))
        };
        for group in groups.iter().filter(is_followed) {
            for case in &group.tests {
                let fits = Vocabulary::fits(&group.schema.to_string(), &case.data.to_string());
                // Of formats rare forms are left out, as they are where a grammar writes.
                match fits == case.valid || (name.starts_with("optional/format/") && case.valid) {
                    true => right += 1,
                    false => wrong.push(format!("{name}: {}: {}", group.description, case.description)),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{right} right, {} wrong:\n{}", wrong.len(), wrong.join("\n"));
    eprintln!("{right} values are told apart");
}
