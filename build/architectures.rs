//! The files of `crate/model/arch` as modules, and a table of them: `$OUT_DIR/architectures.rs`, which the front of
//! that folder includes. So a new architecture is a new file and no other line.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Where they lie.
pub const FOLDER: &str = "crate/model/arch";

/// The Rust of those below `root`.
pub fn table(root: &Path) -> String {
    let folder = root.join(FOLDER);
    let names = fs::read_dir(&folder).expect(FOLDER).map(|entry| entry.expect(FOLDER).file_name());
    let mut files: Vec<String> =
        names.filter_map(|name| Some(name.to_str()?.strip_suffix(".rs")?.to_string())).collect();
    files.retain(|file| file != "mod");
    files.sort();
    let (mut modules, mut rows) = (String::new(), String::new());
    for file in files {
        let path = folder.join(format!("{file}.rs"));
        writeln!(modules, "#[path = {path:?}]\nmod {file};").expect("a string");
        writeln!(rows, "    Family {{ names: {file}::NAMES, models: {file}::MODELS, net: {file}::net }},")
            .expect("a string");
    }
    format!("{modules}\nstatic FAMILIES: &[Family] = &[\n{rows}];\n")
}
