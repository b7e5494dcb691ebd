//! What is printed and written: one row a measurement, all in one table.

use std::path::{Path, PathBuf};

use serde::Serialize;
use sotto::bail;
use sotto::base::error::Result;
use sotto::device::gpu::Gpu;

use crate::limits::Limits;

/// One measurement. What a row has no figure for is `None`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    pub model: &'static str,
    pub quant: String,
    /// `kernel` (in a decoded token), `kernel@N` (in a chunk of N rows), `decode` or `prefill`.
    pub what: String,
    /// The kernel variant and the tensor it multiplies by; the context or the prompt's length of a pass.
    pub name: String,
    /// Tokens in the cache before it.
    pub context: u32,
    /// Times it happens in its pass.
    pub calls: usize,
    pub us: f64,
    /// Bytes of weights and cache that must be read, and operations of its products.
    pub bytes: f64,
    pub flops: f64,
    pub gbps: f64,
    pub tflops: f64,
    pub tokens_per_s: Option<f64>,
    /// CPU time to encode and submit a decode step, of the layers that are there.
    pub encode_us: Option<f64>,
    /// The least time that `Limits` allow, by the time it took.
    pub of_limit: f64,
}

impl Row {
    /// The figures that follow from a time, and from the time that the limits allow.
    pub fn timed(us: f64, bytes: f64, flops: f64, least_us: f64) -> Self {
        let (gbps, tflops) = (bytes / us / 1e3, flops / us / 1e6);
        Row { us, bytes, flops, gbps, tflops, of_limit: least_us / us, ..Default::default() }
    }

    /// The heading of the table.
    pub fn heading() -> String {
        format!(
            "{:13} {:7} {:11} {:44} {:>6} {:>5} {:>11} {:>9} {:>9} {:>10} {:>8}",
            "model",
            "quant",
            "what",
            "kernel, tensor | pass",
            "ctx",
            "calls",
            "µs",
            "GB/s",
            "TFLOP/s",
            "tokens/s",
            "of limit"
        )
    }

    pub fn line(&self) -> String {
        let tokens = self.tokens_per_s.map_or(String::new(), |t| format!("{t:.2}"));
        let limit = if self.of_limit > 0.0 { format!("{:.1}%", self.of_limit * 100.0) } else { "-".into() };
        format!(
            "{:13} {:7} {:11} {:44} {:>6} {:>5} {:>11.1} {:>9} {:>9} {:>10} {:>8}",
            self.model,
            self.quant,
            self.what,
            self.name,
            self.context,
            self.calls,
            self.us,
            number(self.gbps),
            number(self.tflops),
            tokens,
            limit
        )
    }
}

/// Three digits, of small numbers two.
pub fn number(x: f64) -> String {
    match x {
        0.0 => "-".into(),
        small if small < 0.01 => format!("{small:.1e}"),
        _ => format!("{x:.3}"),
    }
}

/// A model that could not be measured, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Skipped {
    pub model: &'static str,
    pub quant: String,
    pub why: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub date: String,
    pub adapter: String,
    pub driver: String,
    /// Kernels were timed by the GPU's clock.
    pub timestamps: bool,
    /// Kernel choices that were forced.
    pub choice: Vec<String>,
    /// The ways to products were measured first.
    pub tuned: bool,
    /// Layers of each model at most; with fewer than it has, passes are scaled to all of them.
    pub layers: Option<u32>,
    pub limits: Limits,
    pub rows: Vec<Row>,
    pub skipped: Vec<Skipped>,
}

impl Report {
    pub fn new(gpu: &Gpu, limits: Limits, choice: Vec<String>, tuned: bool, layers: Option<u32>) -> Self {
        let caps = &gpu.caps;
        Report {
            date: today(),
            adapter: caps.adapter.to_string(),
            driver: caps.adapter.vendor.clone(),
            timestamps: caps.timestamps,
            choice,
            tuned,
            layers,
            limits,
            rows: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// `bench/results/<adapter>-<date>.json`
    pub fn default_path(&self) -> PathBuf {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let adapter: String = self.adapter.chars().map(plain).collect();
        let words: Vec<&str> = adapter.split('-').filter(|word| !word.is_empty()).collect();
        Path::new("bench/results").join(format!("{}-{}.json", words.join("-"), self.date))
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let made = folder.map_or(Ok(()), std::fs::create_dir_all);
        let text = serde_json::to_string_pretty(self).expect("plain data");
        if let Err(e) = made.and_then(|()| std::fs::write(path, text + "\n")) {
            bail!(Io, "The results could not be written to '{}' ({e}); give another --out.", path.display());
        }
        Ok(())
    }
}

/// The date in UTC as 2026-11-23, by days counted from 0000-03-01 in eras of 400 years.
fn today() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let days = now.map_or(0, |since| since.as_secs() / 86_400) + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + next)
}
