//! Writes cases for other adapters to run: `SOTTO_KERNEL_CASES=DIR cargo test --test kernels` leaves `cases.json` and
//! `cases.bin` (little-endian words) there, and `tests/web/kernels.spec.ts` runs them in a browser.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use sotto::device::recording::Dispatch;
use sotto::kernels::face::VariantId;
use sotto::kernels::table::VARIANTS;

pub struct Exporter {
    dir: PathBuf,
    index: Vec<Value>,
    words: Vec<u32>,
    seen: BTreeMap<VariantId, usize>,
}

/// A storage buffer of a case: what it holds before and, if it is written, what it must hold after.
pub struct Binding {
    pub before: Vec<u32>,
    pub after: Option<Vec<u32>>,
    /// What is written: `f32`, `f16` in pairs, `words`, a `list` in any order, records of `planes1` or `planes2`,
    /// or heads of so many numbers, as in `q8_0:64`.
    pub kind: String,
}

impl Exporter {
    /// `None` unless the environment asks for it.
    pub fn from_env() -> Option<Self> {
        let dir = PathBuf::from(std::env::var_os("SOTTO_KERNEL_CASES")?);
        Some(Exporter { dir, index: Vec::new(), words: Vec::new(), seen: BTreeMap::new() })
    }

    /// Counts a case, and says whether to keep it: of a variant's cases those numbered 0, 1, 3, 6, 10, 15, …, so that
    /// a browser gets shapes from all of a list, odd ones among them, in a part of the time.
    pub fn wants(&mut self, variant: VariantId) -> bool {
        let seen = self.seen.entry(variant).or_default();
        let number = *seen;
        *seen += 1;
        (0..=number).any(|n| n * (n + 1) / 2 == number)
    }

    /// Keeps a case; there is one of `bindings` for each storage binding of its dispatch.
    pub fn add(&mut self, dispatch: &Dispatch, what: &str, ceiling: f64, bindings: &[Binding]) {
        let bindings: Vec<Value> = bindings
            .iter()
            .map(|b| json!({ "before": self.put(&b.before), "after": b.after.as_ref().map(|words| self.put(words)), "kind": b.kind }))
            .collect();
        let params = self.put(&bytemuck::pod_collect_to_vec::<u8, u32>(&dispatch.params));
        let variant = dispatch.variant.get();
        self.index.push(json!({
            "variant": variant.name, "what": what, "wgsl": variant.source(true), "subgroups": variant.subgroups,
            "f16": variant.f16, "dot": variant.dot, "params": params, "grid": dispatch.grid[..2], "ceiling": ceiling,
            "bindings": bindings,
        }));
    }

    /// [first word, count]
    fn put(&mut self, words: &[u32]) -> [usize; 2] {
        let at = self.words.len();
        self.words.extend_from_slice(words);
        [at, words.len()]
    }

    /// Several rigs may write to one folder: each has a name.
    pub fn finish(self, name: &str) {
        fs::create_dir_all(&self.dir).expect("the folder for the cases");
        let variants: Vec<&str> = VARIANTS.iter().map(|variant| variant.name).collect();
        let index = json!({ "variants": variants, "cases": self.index });
        fs::write(self.dir.join(format!("{name}.json")), index.to_string()).expect("the cases' index");
        fs::write(self.dir.join(format!("{name}.bin")), bytemuck::cast_slice(&self.words)).expect("the cases' words");
    }
}
