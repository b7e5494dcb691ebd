//! Turns `shaders/` into the kernel table: expands `#import`, makes one variant per line and choice of
//! `shaders/permutations`, validates each with naga, and writes `$OUT_DIR/kernels.rs`.
//! File bodies are stored once; a variant is a list of them, so a hundred variants cost little wasm.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::{env, fs, path::Path};

/// Values that `*` stands for in a `format=` choice; what is before the star, they start with.
const FORMATS: &str = "f32,f16,bf16,q4_0,q4_1,q5_0,q5_1,q8_0,q2_k,q3_k,q4_k,q5_k,q6_k";

fn main() {
    println!("cargo:rerun-if-changed=shaders");
    println!("cargo:rerun-if-changed=build.rs");
    let mut build = Build::default();
    for line in fs::read_to_string("shaders/permutations").expect("shaders/permutations").lines() {
        let words: Vec<&str> = line.split('#').next().unwrap_or("").split_whitespace().collect();
        if let Some((stem, choices)) = words.split_first() {
            build.permute(stem, choices, &mut Vec::new());
        }
    }
    let out = Path::new(&env::var("OUT_DIR").unwrap()).join("kernels.rs");
    fs::write(out, build.table()).unwrap();
}

#[derive(Default)]
struct Build {
    /// File name under `shaders/` → index into `sources`.
    files: BTreeMap<String, usize>,
    sources: Vec<Source>,
    variants: Vec<Variant>,
}

#[derive(Clone)]
struct Source {
    body: String,
    imports: Vec<String>,
    /// Capabilities named by `#requires`.
    requires: Vec<String>,
}

struct Variant {
    name: String,
    consts: String,
    parts: Vec<usize>,
    requires: Vec<String>,
}

impl Build {
    fn permute(&mut self, stem: &str, choices: &[&str], chosen: &mut Vec<(String, String)>) {
        let Some((first, rest)) = choices.split_first() else {
            return self.variant(stem, chosen);
        };
        let (key, values) = first.split_once('=').unwrap_or_else(|| panic!("permutations: '{first}' has no '='"));
        let starting = values.strip_suffix('*');
        let values = if starting.is_some() { FORMATS } else { values };
        for value in values.split(',').filter(|value| value.starts_with(starting.unwrap_or(""))) {
            chosen.push((key.into(), value.into()));
            self.permute(stem, rest, chosen);
            chosen.pop();
        }
    }

    /// One variant: UPPER_CASE choices become constants, lower-case ones fill `{key}` in imports.
    fn variant(&mut self, stem: &str, chosen: &[(String, String)]) {
        let mut name = stem.rsplit('/').next().unwrap_or(stem).to_string();
        let mut consts = String::new();
        for (key, value) in chosen {
            if key.chars().all(|c| c.is_ascii_uppercase() || c == '_') {
                write!(name, ".{}{value}", key.to_lowercase()).unwrap();
                writeln!(consts, "const {key}: u32 = {value}u;").unwrap();
            } else {
                write!(name, ".{value}").unwrap();
            }
        }
        let mut parts = Vec::new();
        let mut requires = Vec::new();
        self.collect(&format!("{stem}.wgsl"), chosen, &mut parts, &mut requires);
        let variant = Variant { name, consts, parts, requires };
        self.validate(&variant);
        self.variants.push(variant);
    }

    /// Appends a file after everything it imports, each file once.
    fn collect(&mut self, file: &str, chosen: &[(String, String)], parts: &mut Vec<usize>, requires: &mut Vec<String>) {
        let index = self.read(file);
        if parts.contains(&index) {
            return;
        }
        let source = self.sources[index].clone();
        for import in &source.imports {
            let mut path = import.clone();
            for (key, value) in chosen {
                path = path.replace(&format!("{{{key}}}"), value);
            }
            self.collect(&format!("{path}.wgsl"), chosen, parts, requires);
        }
        parts.push(index);
        requires.extend(source.requires);
        requires.sort();
        requires.dedup();
    }

    fn read(&mut self, file: &str) -> usize {
        if let Some(&index) = self.files.get(file) {
            return index;
        }
        let text = fs::read_to_string(Path::new("shaders").join(file))
            .unwrap_or_else(|e| panic!("shaders/{file}: {e} (named by an #import or by shaders/permutations)"));
        let mut source = Source { body: String::new(), imports: Vec::new(), requires: Vec::new() };
        for line in text.lines() {
            if let Some(path) = line.strip_prefix("#import ") {
                source.imports.push(path.trim().to_string());
            } else if let Some(capability) = line.strip_prefix("#requires ") {
                source.requires.push(capability.trim().to_string());
            } else {
                // Comments are for the reader of shaders/, not for the user's download.
                let code = line.split("//").next().unwrap_or("").trim();
                if !code.is_empty() {
                    source.body.push_str(code);
                    source.body.push('\n');
                }
            }
        }
        self.sources.push(source);
        self.files.insert(file.to_string(), self.sources.len() - 1);
        self.sources.len() - 1
    }

    fn validate(&self, variant: &Variant) {
        let mut text = String::new();
        if variant.requires.iter().any(|r| r == "f16") {
            text.push_str("enable f16;\n");
        }
        text.push_str(&variant.consts);
        variant.parts.iter().for_each(|&p| text.push_str(&self.sources[p].body));
        let module = naga::front::wgsl::parse_str(&text)
            .unwrap_or_else(|e| panic!("shader {}: {}", variant.name, e.emit_to_string(&text)));
        let mut validator =
            naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::all());
        if let Err(e) = validator.validate(&module) {
            panic!("shader {}: {}", variant.name, e.emit_to_string(&text));
        }
    }

    fn table(&self) -> String {
        let mut out = String::from("pub static SOURCES: &[&str] = &[\n");
        for source in &self.sources {
            writeln!(out, "    {:?},", source.body).unwrap();
        }
        out.push_str("];\n\n/// Sorted by name.\npub static VARIANTS: &[Variant] = &[\n");
        let mut variants: Vec<&Variant> = self.variants.iter().collect();
        variants.sort_by(|a, b| a.name.cmp(&b.name));
        for v in variants {
            let has = |c: &str| v.requires.iter().any(|r| r == c);
            writeln!(
                out,
                "    Variant {{ name: {:?}, consts: {:?}, parts: &{:?}, subgroups: {}, f16: {}, dot: {} }},",
                v.name,
                v.consts,
                v.parts,
                has("subgroups"),
                has("f16"),
                has("dot")
            )
            .unwrap();
        }
        out.push_str("];\n");
        out
    }
}
