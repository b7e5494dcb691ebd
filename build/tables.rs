//! The crate's build script: what is written by hand in one place becomes tables.

use std::path::Path;
use std::{env, fs};

mod architectures;
mod expressions;

#[allow(dead_code, reason = "the build needs a part of what the crate does")]
#[path = "../crate/text/tokenizer/ahead.rs"]
mod ahead;
#[allow(dead_code, reason = "the build needs a part of what the crate does")]
#[path = "../crate/text/tokenizer/pre.rs"]
mod pre;

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let files = ["build/tables.rs", "build/architectures.rs", "build/expressions.rs"];
    for path in
        files.iter().chain(&[architectures::FOLDER, "crate/text/tokenizer/ahead.rs", "crate/text/tokenizer/pre.rs"])
    {
        println!("cargo:rerun-if-changed={path}");
    }
    let write = |name: &str, table: String| fs::write(Path::new(&out).join(name), table).expect("cargo's folder");
    write("architectures.rs", architectures::table(Path::new(&root)));
    write("expressions.rs", expressions::table());
}
