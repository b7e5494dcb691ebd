//! What a rig finds: how exact each kernel is, and what is wrong.

use std::collections::BTreeMap;

use crate::case::Case;

/// How exact a kernel is.
#[derive(Default)]
pub struct Floor {
    /// Outputs that were compared.
    pub outputs: usize,
    /// The largest error, and the case that made it.
    pub error: f64,
    pub ceiling: f64,
    pub what: String,
}

/// By kernel or by variant.
pub struct Findings<K> {
    pub floors: BTreeMap<K, Floor>,
    pub failures: Vec<String>,
}

impl<K> Default for Findings<K> {
    fn default() -> Self {
        Findings { floors: BTreeMap::new(), failures: Vec::new() }
    }
}

impl<K: Ord> Findings<K> {
    /// Takes in what the comparison of a case's field came to. A difference is kept for the end, so that one run tells of
    /// all.
    pub fn add(&mut self, of: K, case: &Case, field: usize, compared: Result<f64, String>) {
        let floor = self.floors.entry(of).or_default();
        floor.outputs += 1;
        let wrong = match compared {
            Ok(error) => {
                if error >= floor.error {
                    (floor.error, floor.ceiling, floor.what) = (error, case.ceiling, case.what.clone());
                }
                (error > case.ceiling).then(|| format!("error {error:.2e} is over {:.0e}", case.ceiling))
            }
            Err(message) => Some(message),
        };
        self.failures.extend(wrong.map(|wrong| format!("{case}, binding {}: {wrong}", case.binding(field))));
    }

    /// Prints how exact each is; fails on anything wrong.
    pub fn finish(&self, name: impl Fn(&K) -> &'static str) {
        println!("error    ceiling  outputs  name (worst case)");
        for (of, floor) in &self.floors {
            println!("{:8.1e} {:8.0e} {:8}  {} ({})", floor.error, floor.ceiling, floor.outputs, name(of), floor.what);
        }
        let shown = self.failures.len().min(40);
        assert!(self.failures.is_empty(), "{} failures:\n{}", self.failures.len(), self.failures[..shown].join("\n"));
    }
}
