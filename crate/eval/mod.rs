//! What the commands report about a loaded engine: how well it predicts, how fast it is, and where the time goes.

mod bench;
mod calibrate;
mod profile;
mod score;
mod traffic;

pub use bench::{Bench, BenchOptions, Length, bench};
pub use calibrate::{CHUNK, Calibration, calibrate};
pub use profile::{KernelTime, PassTime, Profile, profile};
pub use score::{Score, score, score_in, score_with};
pub use traffic::{Reads, reads, total};

/// The middle value; 0 of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
