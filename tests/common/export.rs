//! Writes cases for other adapters to run: `SOTTO_KERNEL_CASES=DIR cargo test --test kernels` leaves `cases.json` and
//! `cases.bin` (little-endian words) there, and `tests/web/kernels.spec.ts` runs them in a browser.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use sotto::kernels::Variant;

/// Cases kept of a variant: enough for an odd shape and another one.
const PER_VARIANT: usize = 2;

pub struct Exporter {
    dir: PathBuf,
    index: Vec<Value>,
    words: Vec<u32>,
    kept: BTreeMap<&'static str, usize>,
}

/// A storage buffer of a case: what it holds before and, if it is written, what it must hold after.
pub struct Binding {
    pub before: Vec<u32>,
    pub after: Option<Vec<u32>>,
    /// The written words are pairs of f16.
    pub f16: bool,
}

impl Exporter {
    /// `None` unless the environment asks for it.
    pub fn from_env() -> Option<Self> {
        let dir = PathBuf::from(std::env::var_os("SOTTO_KERNEL_CASES")?);
        Some(Exporter { dir, index: Vec::new(), words: Vec::new(), kept: BTreeMap::new() })
    }

    pub fn wants(&self, variant: &Variant) -> bool {
        self.kept.get(variant.name).is_none_or(|&count| count < PER_VARIANT)
    }

    pub fn add(
        &mut self,
        variant: &'static Variant,
        what: &str,
        params: &[u8],
        grid: [u32; 2],
        ceiling: f64,
        bindings: &[Binding],
    ) {
        *self.kept.entry(variant.name).or_default() += 1;
        let bindings: Vec<Value> = bindings
            .iter()
            .map(|b| json!({ "before": self.put(&b.before), "after": b.after.as_ref().map(|words| self.put(words)), "f16": b.f16 }))
            .collect();
        let params = self.put(&bytemuck::pod_collect_to_vec::<u8, u32>(params));
        self.index.push(json!({
            "variant": variant.name, "what": what, "wgsl": variant.source(true), "subgroups": variant.subgroups,
            "f16": variant.f16, "params": params, "grid": grid, "ceiling": ceiling, "bindings": bindings,
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
        fs::write(self.dir.join(format!("{name}.json")), Value::Array(self.index).to_string())
            .expect("the cases' index");
        fs::write(self.dir.join(format!("{name}.bin")), bytemuck::cast_slice(&self.words)).expect("the cases' words");
    }
}
