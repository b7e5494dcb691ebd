//! The files of `shaders/`: each stored once, without comments; a variant is a list of them.

use std::collections::BTreeMap;
use std::{fs, path::Path};

use crate::permutations::Chosen;

#[derive(Default)]
pub struct Sources {
    /// File name under `shaders/` → index into `all`.
    files: BTreeMap<String, usize>,
    pub all: Vec<Source>,
}

#[derive(Clone)]
pub struct Source {
    /// As it is written, comments and all.
    pub text: String,
    /// What a page downloads.
    pub body: String,
    imports: Vec<String>,
    /// Capabilities named by `#requires`.
    requires: Vec<String>,
}

/// A variant's files, in an order in which each comes after all that it imports, and what they require of an adapter.
#[derive(Default)]
pub struct Parts {
    pub files: Vec<usize>,
    requires: Vec<String>,
}

impl Parts {
    pub fn requires(&self, capability: &str) -> bool {
        self.requires.iter().any(|r| r == capability)
    }
}

impl Sources {
    /// The files of a variant of `file`; choices fill `{key}` in their imports.
    pub fn parts(&mut self, file: &str, chosen: &Chosen) -> Parts {
        let mut parts = Parts::default();
        self.collect(file, chosen, &mut parts);
        parts
    }

    fn collect(&mut self, file: &str, chosen: &Chosen, parts: &mut Parts) {
        let index = self.read(file);
        if parts.files.contains(&index) {
            return;
        }
        let source = self.all[index].clone();
        for import in &source.imports {
            let path = chosen
                .iter()
                .fold(import.clone(), |path, (choice, value)| path.replace(&format!("{{{}}}", choice.key), value));
            self.collect(&format!("{path}.wgsl"), chosen, parts);
        }
        parts.files.push(index);
        parts.requires.extend(source.requires);
    }

    fn read(&mut self, file: &str) -> usize {
        if let Some(&index) = self.files.get(file) {
            return index;
        }
        let text = fs::read_to_string(Path::new("shaders").join(file))
            .unwrap_or_else(|e| panic!("shaders/{file}: {e} (named by an #import or by shaders/permutations)"));
        let mut source = Source { text, body: String::new(), imports: Vec::new(), requires: Vec::new() };
        for line in source.text.lines() {
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
        self.all.push(source);
        self.files.insert(file.to_string(), self.all.len() - 1);
        self.all.len() - 1
    }
}
