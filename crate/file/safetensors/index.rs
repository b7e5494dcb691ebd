//! `model.safetensors.index.json`: which tensor is in which file.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Deserialize;

use super::config::parse;
use super::head::Head;
use crate::bail;
use crate::base::error::Result;
use crate::file::quoted;

/// The name where weights are in one file.
const ALONE: &str = "model.safetensors";
/// So many files have the largest models there are.
const MOST_FILES: usize = 1000;

/// The files of a repository's weights; without an index it is one.
#[derive(Default, Deserialize)]
pub struct Index {
    weight_map: HashMap<String, String>,
}

impl Index {
    /// `BadMetadata` where it is none, `MissingPart` where it names other than files beside it.
    pub fn read(bytes: &[u8]) -> Result<Index> {
        let index: Index = parse("model.safetensors.index.json", bytes)?;
        for file in index.weight_map.values() {
            let inside = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
            let stem = file.strip_suffix(".safetensors");
            if stem.is_none_or(|stem| stem.is_empty() || stem.starts_with('.') || !stem.chars().all(inside)) {
                bail!(
                    MissingPart,
                    "model.safetensors.index.json names {}, which is no safetensors file beside it; take another repository of the model",
                    quoted(file)
                );
            }
        }
        let count = if index.weight_map.is_empty() { 0 } else { index.files().len() };
        if !(1..=MOST_FILES).contains(&count) {
            bail!(MissingPart, "model.safetensors.index.json names {count} files; it has to name 1 to {MOST_FILES}");
        }
        Ok(index)
    }

    /// In the order of their names, which are numbered.
    pub fn files(&self) -> Vec<String> {
        if self.weight_map.is_empty() {
            return vec![ALONE.into()];
        }
        self.weight_map.values().collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }

    /// `MissingPart` unless each file has the tensors that it is named for.
    pub fn check(&self, heads: &[Head]) -> Result<()> {
        let files = self.files();
        if heads.len() != files.len() {
            bail!(
                MissingPart,
                "The weights are in {} files, and {} were given; give all of them",
                files.len(),
                heads.len()
            );
        }
        for (file, head) in files.iter().zip(heads) {
            let there: HashSet<&str> = head.entries.iter().map(|entry| entry.name.as_str()).collect();
            let missing = self.weight_map.iter().find(|(name, of)| *of == file && !there.contains(name.as_str()));
            if let Some((name, _)) = missing {
                bail!(
                    MissingPart,
                    "{file} has no tensor {}, which model.safetensors.index.json says it has; download both again",
                    quoted(name)
                );
            }
        }
        Ok(())
    }
}
