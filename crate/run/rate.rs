//! How fast this processor multiplies weights: measured in a few milliseconds, without a model.

use std::hint::black_box;
use std::time::Duration;

use crate::base::platform::Instant;
use crate::kernels::product::rate::Probe;

const BUDGET: Duration = Duration::from_millis(8);

/// Weights that one thread multiplies in a second, by the kernel that models run on.
pub fn cpu() -> f64 {
    let probe = Probe::default();
    let started = Instant::now();
    let mut best = f64::INFINITY;
    loop {
        let begun = Instant::now();
        black_box(probe.run());
        best = best.min(begun.elapsed().as_secs_f64());
        // Browsers round their clocks: what took no time is not believed.
        if started.elapsed() > BUDGET {
            return Probe::WEIGHTS / best.max(5e-5);
        }
    }
}
